//! Rules of the tree that a compiler does not know. One file per rule.

mod allow_lists;
mod budgets;
mod layers;
mod links;
mod purity;
mod tasks;
mod wording;

use std::{fmt, path::PathBuf};

use crate::workspace::Workspace;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where; a file or a crate's directory.
    pub path: PathBuf,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// Applies every rule.
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = layers::check(workspace);
    findings.extend(allow_lists::check(&workspace.root));
    findings.extend(links::check(&workspace.root));
    for (crate_name, file) in workspace.files() {
        if purity::is_pure(crate_name) {
            findings.extend(purity::check(file));
        }
        findings.extend(budgets::check(file));
        findings.extend(tasks::check(crate_name, file));
        findings.extend(wording::check(file));
    }
    findings
}
