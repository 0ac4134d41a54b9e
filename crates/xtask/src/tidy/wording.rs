//! Leftovers and lint allowances that do not say why.

use super::Finding;
use crate::workspace::SourceFile;

/// Markers of unfinished work; built up so that this file does not find itself.
const LEFTOVERS: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("(to be wri", "tten)")];

pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut find =
            |message: String| findings.push(Finding { path: file.path.clone(), line: index + 1, message });
        for leftover in LEFTOVERS.iter().filter(|leftover| line.contains(**leftover)) {
            find(format!("`{leftover}`: finish it, or open an issue and leave it out of the code"));
        }
        if line.trim_start().starts_with(concat!("#[ign", "ore")) {
            find("an ignored test: make it a command of its own, with a short form in the suite".to_owned());
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found() {
        let text = format!("// {}: later\nfn f() {{}}\n", concat!("TO", "DO"));
        assert_eq!(check(&SourceFile::parse("src/a.rs".into(), text).unwrap()).len(), 1);
    }
}
