//! Stories of groups, told in `testdata/*.txt`: what happens, a line `----`, and what came of it, up to a blank line.
//! `UPDATE_FIXTURES=1 cargo test -p coordinator --test transcripts` writes what comes of it now; read the difference as
//! you would a change of behaviour.
//!
//! Clients are called by letters. Each remembers the member id and the generation that it was given last. After each
//! step a coordinator loaded from the records has to know everything that was written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod story;
mod support;

use std::{env, fs, path::Path};

use story::Story;

#[test]
fn stories() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut stories: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    stories.sort();
    for path in stories {
        let told = fs::read_to_string(&path).unwrap();
        let found = Story::new().retell(&told);
        if env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, &found).unwrap();
        } else {
            assert!(found == told, "{} goes otherwise now:\n{found}", path.display());
        }
    }
}
