//! Lists of the clients' own tests (`scripts/suites/allow/`): each test that does not pass or is not run has its reason
//! beside it, and no test stands there twice.

use std::{collections::BTreeSet, fs, path::Path};

use super::Finding;

pub(super) fn check(root: &Path) -> Vec<Finding> {
    let directory = Path::new("scripts/suites/allow");
    let Ok(entries) = fs::read_dir(root.join(directory)) else {
        return vec![Finding { path: directory.into(), line: 0, message: "cannot be read".to_owned() }];
    };
    let mut findings = Vec::new();
    for entry in entries.flatten() {
        let path = directory.join(entry.file_name());
        match fs::read_to_string(entry.path()) {
            Ok(text) => findings.extend(check_list(&path, &text)),
            Err(error) => findings.push(Finding { path, line: 0, message: error.to_string() }),
        }
    }
    findings
}

fn check_list(path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut names = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut find =
            |message: String| findings.push(Finding { path: path.into(), line: index + 1, message });
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let name = match (word, rest.split_once(" # ")) {
            ("pass" | "short", _) => rest,
            ("not" | "skip", Some((name, reason))) if !reason.trim().is_empty() => name,
            ("not" | "skip", _) => {
                find("a test that does not pass or is not run has its reason after ` # `".to_owned());
                continue;
            }
            _ => {
                find(format!("`{word}`: a line begins with `pass`, `short`, `not` or `skip`"));
                continue;
            }
        };
        if name.trim().is_empty() {
            find("names no test".to_owned());
        } else if !names.insert(name.trim()) {
            find(format!("`{}` is there twice", name.trim()));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check_list(Path::new("a.txt"), text).len()
    }

    #[test]
    fn reasons_are_asked_for_and_doubles_are_found() {
        assert_eq!(findings("# head\n\npass a b\nshort c\nnot d_* # needs TLS\nskip e # hangs\n"), 0);
        assert_eq!(findings("skip e\n"), 1);
        assert_eq!(findings("not d\n"), 1);
        assert_eq!(findings("not d # \n"), 1);
        assert_eq!(findings("pass a\nnot a # why\n"), 1);
        assert_eq!(findings("perhaps a\n"), 1);
        assert_eq!(findings("pass\n"), 1);
    }
}
