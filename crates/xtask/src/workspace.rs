//! The workspace as cargo sees it, and its source files as `syn` parses them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

/// Crates and files of the workspace.
pub struct Workspace {
    /// Where `Cargo.toml` of the workspace stands.
    pub root: PathBuf,
    /// The crates, by name.
    pub crates: BTreeMap<String, CrateInfo>,
}

/// One crate of the workspace.
pub struct CrateInfo {
    /// Its directory.
    pub dir: PathBuf,
    /// Names of all crates it needs at run time or build time, its own dependencies' included.
    pub all_dependencies: BTreeSet<String>,
    /// Crates of this workspace that it names itself (development-only ones excluded).
    pub workspace_dependencies: BTreeSet<String>,
    /// Its Rust files.
    pub files: Vec<SourceFile>,
}

/// One Rust file.
pub struct SourceFile {
    /// Relative to the workspace's root.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its syntax.
    pub syntax: syn::File,
}

impl SourceFile {
    /// Parses a file.
    pub fn parse(path: PathBuf, text: String) -> Result<Self, String> {
        let syntax = syn::parse_file(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path, text, syntax })
    }

    /// Whether the file serves only tests, benchmarks or examples.
    pub fn is_test_only(&self) -> bool {
        let in_test_tree =
            self.path.iter().any(|part| part == "tests" || part == "benches" || part == "examples");
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        in_test_tree || name == "tests.rs" || name.ends_with("_test.rs") || name.ends_with("_tests.rs")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    workspace_root: PathBuf,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Workspace {
    /// Asks cargo, and reads every Rust file.
    pub fn load() -> Result<Self, String> {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .map_err(|error| format!("`cargo metadata` could not be started: {error}"))?;
        if !output.status.success() {
            return Err(format!("`cargo metadata`: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Self::from_metadata(&metadata)
    }

    fn from_metadata(metadata: &Metadata) -> Result<Self, String> {
        let names: BTreeMap<&str, &str> =
            metadata.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
        let edges: BTreeMap<&str, Vec<&str>> = metadata
            .resolve
            .nodes
            .iter()
            .map(|node| {
                (
                    node.id.as_str(),
                    node.deps.iter().filter(|dep| dep.is_shipped()).map(|dep| dep.pkg.as_str()).collect(),
                )
            })
            .collect();
        let name_of = |id: &str| names.get(id).copied().unwrap_or_default().to_owned();
        let mut crates = BTreeMap::new();
        for package in
            metadata.packages.iter().filter(|package| metadata.workspace_members.contains(&package.id))
        {
            let dir = package.manifest_path.parent().unwrap_or_else(|| Path::new("")).to_owned();
            let direct = edges.get(package.id.as_str()).cloned().unwrap_or_default();
            let info = CrateInfo {
                all_dependencies: reachable(&edges, &package.id).into_iter().map(name_of).collect(),
                workspace_dependencies: direct
                    .into_iter()
                    .filter(|id| metadata.workspace_members.contains(*id))
                    .map(name_of)
                    .collect(),
                files: read_files(&metadata.workspace_root, &dir)?,
                dir,
            };
            crates.insert(package.name.clone(), info);
        }
        Ok(Self { root: metadata.workspace_root.clone(), crates })
    }

    /// Every Rust file with the name of its crate.
    pub fn files(&self) -> impl Iterator<Item = (&str, &SourceFile)> {
        self.crates.iter().flat_map(|(name, info)| info.files.iter().map(move |file| (name.as_str(), file)))
    }
}

impl NodeDependency {
    /// Whether it is more than a development dependency.
    fn is_shipped(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
    }
}

fn reachable<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut todo: Vec<&str> = edges.get(from).cloned().unwrap_or_default();
    while let Some(id) = todo.pop() {
        if let Some((&known, next)) = edges.get_key_value(id)
            && seen.insert(known)
        {
            todo.extend(next);
        }
    }
    seen
}

fn read_files(root: &Path, dir: &Path) -> Result<Vec<SourceFile>, String> {
    let mut files = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        let entries = std::fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
                files.push(SourceFile::parse(relative, text)?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
