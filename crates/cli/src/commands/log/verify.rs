//! `dmq log verify`.

use std::{
    cell::Cell,
    io::{self, Write},
    path::{Path, PathBuf},
};

use commit_log::{
    LogError,
    inspect::{Inspector, Verification},
};
use serde::{Serialize, Serializer, ser::SerializeSeq as _};
use serde_json::json;

use super::dirs::{LogDirs, name};
use crate::{
    exit::{Exit, Failure},
    output::{Format, Render, say},
};

/// All logs, verified while they are written out, so that only one is held at a time.
#[derive(Serialize)]
struct Verified<'a> {
    partitions: Partitions<'a>,
}

struct Partitions<'a> {
    dirs: &'a [PathBuf],
    /// How many were not sound.
    bad: &'a Cell<usize>,
}

/// A verified log with its name.
#[derive(Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    found: Verification,
}

/// Runs the command.
pub(super) fn run(dir: &Path, format: Format) -> Result<(), Failure> {
    let LogDirs { dirs, .. } = LogDirs::find(dir)?;
    let bad = Cell::new(0);
    format.emit(&Verified { partitions: Partitions { dirs: &dirs, bad: &bad } })?;
    let (bad, all) = (bad.get(), dirs.len());
    if bad == 0 {
        say!("{all} of {all} partitions are sound");
        return Ok(());
    }
    Err(Failure::new(Exit::VerdictFail, format!("{bad} of {all} partitions are damaged or cannot be read")))
}

impl Partitions<'_> {
    fn each(&self) -> impl Iterator<Item = (String, Result<Verification, LogError>)> {
        self.dirs.iter().map(|dir| {
            let found = Inspector::new(dir).verify();
            if !found.as_ref().is_ok_and(|found| found.sound) {
                self.bad.set(self.bad.get() + 1);
            }
            (name(dir), found)
        })
    }
}

impl Serialize for Partitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.dirs.len()))?;
        for (name, found) in self.each() {
            match found {
                Ok(found) => list.serialize_element(&Named { name, found })?,
                Err(error) => {
                    let problem = error.to_string();
                    list.serialize_element(&json!({ "name": name, "sound": false, "problem": problem }))?;
                }
            }
        }
        list.end()
    }
}

impl Render for Verified<'_> {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, found) in self.partitions.each() {
            match found {
                Ok(found) => render(&name, &found, out)?,
                Err(error) => writeln!(out, "{name}: cannot be read: {error}")?,
            }
        }
        Ok(())
    }
}

fn render(name: &str, found: &Verification, out: &mut dyn Write) -> io::Result<()> {
    let batches: u64 = found.segments.iter().map(|segment| segment.batches).sum();
    let records: u64 = found.segments.iter().map(|segment| segment.records).sum();
    let bytes: u64 = found.segments.iter().map(|segment| segment.good_bytes).sum();
    writeln!(
        out,
        "{name}: {}; offsets {} to {}, {} segments, {batches} batches, {records} records, {bytes} bytes",
        if found.sound { "sound" } else { "DAMAGED" },
        found.log_start,
        found.log_end,
        found.segments.len(),
    )?;
    found.findings.iter().try_for_each(|finding| writeln!(out, "  {finding}"))?;
    if found.findings_left_out > 0 {
        writeln!(out, "  and {} more", found.findings_left_out)?;
    }
    Ok(())
}
