//! Budgets of size: they keep a file readable in one go and a function on one screen.

use syn::{
    spanned::Spanned,
    visit::{self, Visit},
};

use super::Finding;
use crate::workspace::SourceFile;

/// Lines of a file, its inline tests not counted.
const FILE_LINES_MAX: usize = 800;

/// Lines of `lib.rs`, `mod.rs` and `main.rs`: docs, modules, re-exports, wiring.
const ROOT_FILE_LINES_MAX: usize = 150;

/// Lines of a function, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Lines of an inline test module; a longer one moves to a file of its own.
const INLINE_TESTS_LINES_MAX: usize = 200;

pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    if file.is_test_only() {
        return Vec::new();
    }
    let mut visitor = Sizes { file, test_lines: 0, findings: Vec::new() };
    visitor.visit_file(&file.syntax);
    let lines = file.text.lines().count().saturating_sub(visitor.test_lines);
    let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bound =
        if matches!(name, "lib.rs" | "mod.rs" | "main.rs") { ROOT_FILE_LINES_MAX } else { FILE_LINES_MAX };
    if lines > bound {
        visitor.find(0, format!("{lines} lines outside tests; the budget of {name} is {bound}"));
    }
    if !file.syntax.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
        visitor.find(1, "no `//!` that says what this file is".to_owned());
    }
    visitor.findings
}

/// Whether attributes hold `#[cfg(test)]`.
pub(super) fn is_test_module(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
    })
}

struct Sizes<'a> {
    file: &'a SourceFile,
    test_lines: usize,
    findings: Vec<Finding>,
}

impl Sizes<'_> {
    fn find(&mut self, line: usize, message: String) {
        self.findings.push(Finding { path: self.file.path.clone(), line, message });
    }

    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            self.find(
                first,
                format!("`{}` has {lines} lines; the budget is {FUNCTION_LINES_MAX}", signature.ident),
            );
        }
    }
}

impl<'ast> Visit<'ast> for Sizes<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test_module(&module.attrs) {
            return visit::visit_item_mod(self, module);
        }
        if module.content.is_none() {
            return;
        }
        let lines = module.span().end().line + 1 - module.span().start().line;
        self.test_lines += lines;
        if lines > INLINE_TESTS_LINES_MAX {
            let message =
                format!("{lines} lines of inline tests; past {INLINE_TESTS_LINES_MAX} they move to tests.rs");
            self.find(module.span().start().line, message);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = SourceFile::parse(path.into(), text.to_owned()).unwrap();
        check(&file).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_long_function_is_found() {
        let text = format!("//! Doc.\nfn f() {{\n{}}}\n", "    g();\n".repeat(70));
        assert_eq!(findings("src/a.rs", &text), ["`f` has 72 lines; the budget is 70"]);
    }

    #[test]
    fn a_long_root_file_is_found_and_a_long_test_file_is_not() {
        let text = format!("//! Doc.\n{}", "const _: () = ();\n".repeat(150));
        assert_eq!(findings("src/lib.rs", &text), ["151 lines outside tests; the budget of lib.rs is 150"]);
        assert_eq!(findings("tests/lib.rs", &text), [""; 0]);
    }

    #[test]
    fn a_file_without_a_doc_is_found() {
        assert_eq!(findings("src/a.rs", "fn f() {}\n"), ["no `//!` that says what this file is"]);
    }
}
