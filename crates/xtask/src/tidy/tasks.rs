//! Tasks and threads are started by `runtime` alone, so that each one has a name, an owner and an end; channels
//! are bounded.

use syn::{
    spanned::Spanned,
    visit::{self, Visit},
};

use super::Finding;
use crate::workspace::SourceFile;

/// The crate that may spawn.
const SPAWNER: &str = "runtime";

/// Calls by the last two segments of their path.
const BANNED: &[(&str, &str)] = &[
    ("tokio", "spawn"),
    ("task", "spawn"),
    ("task", "spawn_local"),
    ("thread", "spawn"),
    ("mpsc", "unbounded_channel"),
];

pub(super) fn check(crate_name: &str, file: &SourceFile) -> Vec<Finding> {
    if crate_name == SPAWNER || crate_name == "xtask" || file.is_test_only() {
        return Vec::new();
    }
    let mut visitor = Calls { file, findings: Vec::new() };
    visitor.visit_file(&file.syntax);
    visitor.findings
}

struct Calls<'a> {
    file: &'a SourceFile,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !super::budgets::is_test_module(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let segments: Vec<String> =
            path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [.., owner, name] = segments.as_slice()
            && BANNED.contains(&(owner.as_str(), name.as_str()))
        {
            let message =
                format!("`{owner}::{name}`: tasks come from `runtime::Tasks`, channels are bounded");
            self.findings.push(Finding {
                path: self.file.path.clone(),
                line: path.span().start().line,
                message,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(crate_name: &str, text: &str) -> usize {
        check(crate_name, &SourceFile::parse("crates/x/src/x.rs".into(), text.to_owned()).unwrap()).len()
    }

    #[test]
    fn a_raw_spawn_is_found_outside_runtime_and_outside_tests() {
        let text = "fn f() { tokio::spawn(async {}); }";
        assert_eq!(findings("broker", text), 1);
        assert_eq!(findings("runtime", text), 0);
        assert_eq!(findings("broker", &format!("#[cfg(test)] mod tests {{ {text} }}")), 0);
    }

    #[test]
    fn an_unbounded_channel_is_found() {
        assert_eq!(findings("broker", "fn f() { let x = tokio::sync::mpsc::unbounded_channel::<u8>(); }"), 1);
    }
}
