//! What the pages name is there: targets of links, headings behind `#`, files and directories of this tree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::Finding;

/// Directories that are not part of the tree: what builds and clusters leave behind.
const LEFT_OUT: &[&str] = &[".git", "target", "data", "logs", "node_modules"];

/// Where paths from the root begin.
const ROOTS: &[&str] = &["crates", "docs", "migrations", "scripts"];

/// Endings by which a path that begins further down is told from other text with a slash in it.
const ENDINGS: &[&str] = &["java", "md", "py", "rs", "sh", "sql"];

pub(super) fn check(root: &Path) -> Vec<Finding> {
    match Tree::read(root) {
        Ok(tree) => tree.pages.iter().flat_map(|(path, text)| tree.check(path, text)).collect(),
        Err(error) => vec![Finding { path: root.into(), line: 0, message: error.to_string() }],
    }
}

/// Every file and directory, relative to the root, and the text of every page.
#[derive(Default)]
struct Tree {
    paths: BTreeSet<PathBuf>,
    pages: BTreeMap<PathBuf, String>,
}

impl Tree {
    fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        let mut left = vec![PathBuf::new()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(root.join(&directory))? {
                let entry = entry?;
                let path = directory.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                        continue;
                    }
                    left.push(path.clone());
                } else if path.extension().is_some_and(|ending| ending == "md") {
                    tree.pages.insert(path.clone(), fs::read_to_string(entry.path())?);
                }
                tree.paths.insert(path);
            }
        }
        Ok(tree)
    }

    fn check(&self, page: &Path, text: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut in_code = false;
        for (index, line) in text.lines().enumerate() {
            let mut find =
                |message: String| findings.push(Finding { path: page.into(), line: index + 1, message });
            if line.starts_with("```") {
                in_code = !in_code;
            } else if in_code {
                for word in line.split_whitespace().filter(|word| !self.knows(word)) {
                    find(format!("`{word}` is not there"));
                }
            } else {
                for target in targets(line).filter(|target| !self.leads(page, target)) {
                    find(format!("the link to `{target}` leads nowhere"));
                }
                for span in line.split('`').skip(1).step_by(2) {
                    for word in span.split_whitespace().filter(|word| !self.knows(word)) {
                        find(format!("`{word}` is not there"));
                    }
                }
            }
        }
        findings
    }

    /// Whether a link leads to a file or directory, and to a heading of it if it names one.
    fn leads(&self, page: &Path, target: &str) -> bool {
        if target.contains("://") {
            return true;
        }
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() {
            page.to_owned()
        } else {
            resolved(&page.parent().unwrap_or(page).join(file))
        };
        let in_page = |text: &String| text.lines().filter_map(anchor).any(|anchor| anchor == heading);
        self.paths.contains(&path) && (heading.is_empty() || self.pages.get(&path).is_some_and(in_page))
    }

    /// Whether a word is no path of this tree, or one that is there: from the root, or from anywhere, where it ends as a source
    /// file does.
    fn knows(&self, word: &str) -> bool {
        let word = word.trim_matches(|c: char| "\"'(),;:".contains(c)).trim_end_matches('/');
        let path = Path::new(word);
        if !word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) {
            return true;
        }
        let first = path.components().next().unwrap_or(Component::CurDir).as_os_str();
        if ROOTS.iter().any(|root| first == *root) {
            return self.paths.contains(path);
        }
        let is_source = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
        let is_elsewhere = path.is_absolute() || first == "target" || first == "..";
        let is_path = word.contains('/') || word.ends_with(".rs");
        !is_path || !is_source || is_elsewhere || self.paths.iter().any(|known| known.ends_with(path))
    }
}

/// What stands in the round brackets of a line's links.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// How a heading is linked to: its letters, digits, hyphens and underscores, in lower case, with hyphens for spaces.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?.trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

/// Without `.` and `..`.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = resolved.pop(),
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let mut tree = Tree::default();
        let paths =
            ["docs", "docs/a.md", "crates/cli/src/drill/mod.rs", "crates/cli/src/drill", "scripts/run.sh"];
        tree.paths.extend(paths.map(PathBuf::from));
        tree.pages.insert("docs/a.md".into(), "# `up`: it's A_1\n".to_owned());
        tree.check(Path::new("docs/b.md"), text).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn links_lead_to_files_directories_and_headings() {
        assert_eq!(findings("[a](a.md), [b](../docs) [c](a.md#up-its-a_1) [d](https://a/b#c)"), [""; 0]);
        assert_eq!(findings("[a](x.md)"), ["the link to `x.md` leads nowhere"]);
        assert_eq!(findings("[a](a.md#up)"), ["the link to `a.md#up` leads nowhere"]);
    }

    #[test]
    fn paths_in_code_are_there() {
        assert_eq!(
            findings("`drill/mod.rs`, `mod.rs`, `crates/cli/src/drill/`, `a/b`, `tool.sh`, `*.rs`"),
            [""; 0]
        );
        assert_eq!(findings("`drill/list.rs`"), ["`drill/list.rs` is not there"]);
        assert_eq!(
            findings("```sh\nscripts/run.sh x\nscripts/walk.sh x\n```\n"),
            ["`scripts/walk.sh` is not there"]
        );
    }
}
