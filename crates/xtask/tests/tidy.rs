//! The tree itself keeps the rules of `xtask::tidy`.

use xtask::{tidy, workspace::Workspace};

#[test]
fn the_tree_is_tidy() {
    let workspace = Workspace::load().expect("cargo knows the workspace");
    let findings: Vec<String> = tidy::check(&workspace).iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
