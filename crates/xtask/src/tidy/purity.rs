//! A pure crate asks nobody for the time, for randomness, for files or for the environment: they are arguments.

use proc_macro2::Span;
use syn::{
    spanned::Spanned,
    visit::{self, Visit},
};

use super::Finding;
use crate::workspace::SourceFile;

/// The starred crates of the architecture.
const PURE: &[&str] = &["common", "coordinator", "metadata-core", "replica"];

/// Path endings that mean the outside, with what to do instead.
const BANNED: &[(&[&str], &str)] = &[
    (&["Instant", "now"], "take the time as an argument"),
    (&["SystemTime", "now"], "take the time as an argument"),
    (&["Uuid", "new_v4"], "take the id as an argument"),
    (&["Uuid", "now_v7"], "take the id as an argument"),
    (&["std", "fs"], "files belong to a shell"),
    (&["net", "TcpListener"], "sockets belong to a shell"),
    (&["net", "TcpStream"], "sockets belong to a shell"),
    (&["net", "UdpSocket"], "sockets belong to a shell"),
    (&["net", "ToSocketAddrs"], "names are resolved in a shell"),
    (&["std", "env"], "the environment belongs to a shell"),
    (&["std", "process"], "processes belong to a shell"),
    (&["thread", "spawn"], "threads belong to a shell"),
    (&["thread", "sleep"], "waiting belongs to a shell"),
    (&["collections", "HashMap"], "its order is random: take a BTreeMap"),
    (&["collections", "HashSet"], "its order is random: take a BTreeSet"),
];

pub(super) fn is_pure(crate_name: &str) -> bool {
    PURE.contains(&crate_name)
}

pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    if file.is_test_only() {
        return Vec::new();
    }
    let mut visitor = Paths { file, findings: Vec::new() };
    visitor.visit_file(&file.syntax);
    visitor.findings
}

struct Paths<'a> {
    file: &'a SourceFile,
    findings: Vec<Finding>,
}

impl Paths<'_> {
    fn judge(&mut self, segments: &[String], span: Span) {
        for (banned, instead) in BANNED {
            let hit = segments.windows(banned.len()).any(|window| window.iter().eq(banned.iter()));
            if hit {
                let message = format!("`{}` in a pure crate: {instead}", banned.join("::"));
                self.findings.push(Finding {
                    path: self.file.path.clone(),
                    line: span.start().line,
                    message,
                });
            }
        }
    }

    /// Flattens `use a::{b, c::d}` into its paths.
    fn judge_use(&mut self, prefix: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.judge_use(prefix, &path.tree);
                prefix.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.judge_use(prefix, tree);
                }
            }
            syn::UseTree::Name(syn::UseName { ident, .. })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                prefix.push(ident.to_string());
                self.judge(prefix, ident.span());
                prefix.pop();
            }
            syn::UseTree::Glob(glob) => self.judge(prefix, glob.span()),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !super::budgets::is_test_module(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge(&segments, path.span());
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.judge_use(&mut Vec::new(), &item.tree);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check(&SourceFile::parse("crates/common/src/x.rs".into(), text.to_owned()).unwrap()).len()
    }

    #[test]
    fn clocks_and_entropy_are_found() {
        assert_eq!(findings("fn f() { let _ = std::time::Instant::now(); }"), 1);
        assert_eq!(findings("fn f() { let _ = Uuid::new_v4(); }"), 1);
        assert_eq!(findings("use std::{fs, fmt};"), 1);
        assert_eq!(findings("use std::collections::{BTreeMap, HashMap};"), 1);
    }

    #[test]
    fn tests_may_do_as_they_like() {
        assert_eq!(findings("#[cfg(test)] mod tests { fn f() { std::fs::read(\"x\"); } }"), 0);
    }
}
