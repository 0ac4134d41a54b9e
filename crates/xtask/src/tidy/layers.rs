//! A crate depends only on crates below it, and a pure crate on nothing that touches the outside.

use super::Finding;
use super::purity::is_pure;
use crate::workspace::Workspace;

/// From the top down. Crates of one layer do not depend on each other.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["local-cluster"],
    &["broker", "metadata-node"],
    &["client", "kafka-client"],
    &["runtime", "commit-log"],
    &["kafka-wire"],
    &["http-api"],
    &["replica"],
    &["coordinator"],
    &["metadata-core"],
    // base2histogram (crates/openraft-histogram) is openraft's dependency, not ours.
    &["common", "base2histogram"],
];

/// Only tests may use these, and they may use everything.
const DEVELOPMENT_ONLY: &[&str] = &["testkit", "xtask", "fuzz"];

/// What no pure crate may reach, directly or through others: runtimes, sockets, databases, entropy.
const IMPURE: &[&str] =
    &["tokio", "axum", "sqlx", "reqwest", "hyper", "mio", "rand", "chrono", "time", "openraft"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, info) in &workspace.crates {
        let mut find =
            |message: String| findings.push(Finding { path: info.dir.join("Cargo.toml"), line: 0, message });
        if DEVELOPMENT_ONLY.contains(&name.as_str()) {
            continue;
        }
        let Some(own) = layer(name) else {
            find(format!("crate `{name}` has no layer; give it one in xtask/src/tidy/layers.rs"));
            continue;
        };
        for dependency in &info.workspace_dependencies {
            match layer(dependency) {
                Some(below) if below > own => {}
                Some(_) => find(format!("crate `{name}` depends on `{dependency}`, which is not below it")),
                None => {
                    find(format!("crate `{name}` ships with `{dependency}`, which is for development only"))
                }
            }
        }
        if is_pure(name) {
            for impure in IMPURE.iter().filter(|impure| info.all_dependencies.contains(**impure)) {
                find(format!("pure crate `{name}` reaches `{impure}`"));
            }
        }
    }
    findings
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use super::*;
    use crate::workspace::CrateInfo;

    fn workspace(name: &str, own: &[&str], all: &[&str]) -> Workspace {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let info = CrateInfo {
            dir: PathBuf::from(name),
            all_dependencies: names(all),
            workspace_dependencies: names(own),
            files: Vec::new(),
        };
        Workspace { root: PathBuf::new(), crates: BTreeMap::from([(name.to_owned(), info)]) }
    }

    #[test]
    fn downward_dependencies_pass() {
        assert_eq!(check(&workspace("broker", &["client", "common"], &["tokio"])), []);
    }

    #[test]
    fn upward_and_sideways_dependencies_are_found() {
        assert_eq!(check(&workspace("client", &["broker"], &[])).len(), 1);
        assert_eq!(check(&workspace("broker", &["metadata-node"], &[])).len(), 1);
        assert_eq!(check(&workspace("cli", &["testkit"], &[])).len(), 1);
    }

    #[test]
    fn a_pure_crate_that_reaches_tokio_is_found() {
        assert_eq!(check(&workspace("metadata-core", &["common"], &["serde", "tokio"])).len(), 1);
    }

    #[test]
    fn an_unknown_crate_is_found() {
        assert_eq!(check(&workspace("misc", &[], &[])).len(), 1);
    }
}
