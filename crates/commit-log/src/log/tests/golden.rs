//! The bytes of every persisted format, kept: what was written once must stay readable, and a change of a format must
//! be seen. `UPDATE_GOLDEN=1 cargo test -p commit-log golden` writes them anew.

use std::{fmt::Write, path::Path};

use common::LeaderEpoch;

use super::support::{DIR, Model, append, batch, check, open, options};
use crate::{
    Offset,
    disk::{Disk, read_exact_at, sim::SimDisk},
};

fn golden_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/format-1")
}

fn life() -> (SimDisk, Model) {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    for seed in 0..14 {
        let epoch = LeaderEpoch(i32::try_from(seed / 5).unwrap());
        append(&mut log, &[batch(seed)], epoch).unwrap();
        model.append(&batch(seed), epoch);
        if seed == 6 {
            log.flush().unwrap();
        }
    }
    log.close().unwrap();
    (disk, model)
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn the_formats_are_what_they_were() {
    let (disk, _) = life();
    for file in disk.list(Path::new(DIR)).unwrap() {
        let open = disk.open(&Path::new(DIR).join(&file.name)).unwrap();
        let text = to_hex(&read_exact_at(&*open, 0, usize::try_from(file.size).unwrap()).unwrap());
        is_kept(&golden_dir().join(format!("{}.hex", file.name)), &text);
    }
}

fn is_kept(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == text, "{} has changed", path.display());
}

/// Files that are only there at times: `swap` while segments are replaced, `cleaned` once a log was compacted, `unapplied`
/// while what was lost is to be applied, a `checkpoint` of each kind.
#[test]
fn the_formats_of_passing_files_are_what_they_were() {
    use crate::{
        checkpoint::{Checkpoint, State, encode_derived, seal},
        derived::Derived,
        log::{Swap, compaction::CLEANED_MAGIC, unapplied::Unapplied},
    };
    let swap = Swap { gone: vec![Offset(3), Offset(70)], new: vec![Offset(3)], keep_damaged: true };
    let checkpoint = Checkpoint {
        state: State::Emptying,
        log_start: Offset(12),
        recovery_point: Offset(99),
        missing: vec![Offset(20)..Offset(31), Offset(40)..Offset(41)],
        derived: encode_derived(&Derived::default()),
    };
    let files = [
        ("swap", swap.encode()),
        ("cleaned", seal(*CLEANED_MAGIC, &12_i64.to_be_bytes())),
        ("checkpoint-emptying", checkpoint.encode()),
        ("unapplied", Unapplied { from: Offset(12), derived: Derived::default() }.encode()),
    ];
    for (name, bytes) in files {
        is_kept(&golden_dir().join("passing").join(format!("{name}.hex")), &to_hex(&bytes));
    }
}

#[test]
fn a_log_of_format_1_opens() {
    let disk = SimDisk::new();
    disk.create_dir(Path::new(DIR)).unwrap();
    for entry in std::fs::read_dir(golden_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = from_hex(&std::fs::read_to_string(&path).unwrap());
        let file = disk.create(&Path::new(DIR).join(path.file_stem().unwrap())).unwrap();
        file.append(&mut [std::io::IoSlice::new(&bytes)]).unwrap();
    }
    let (log, recovered) = open(&disk, options()).unwrap();
    assert!(recovered.clean, "{recovered:?}");
    check(&log, &life().1);
}
