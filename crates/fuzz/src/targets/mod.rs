//! The targets.

mod batch;
mod kafka;
mod outcome;
mod recovery;

use crate::Target;

/// Every target.
pub const ALL: &[Target] = &[
    batch::BATCH,
    kafka::CONNECTION,
    kafka::BODIES,
    kafka::REWRITE,
    recovery::CHECKPOINT,
    recovery::SNAPSHOT,
    recovery::SEGMENT,
    recovery::DIRECTORY,
    recovery::FRAMES,
];

/// The target of this name.
pub fn by_name(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

/// For a fuzzer that is guided by coverage: runs the target on the bytes as they are and as repaired, since no coverage
/// leads past a checksum.
///
/// # Panics
/// If there is no such target, and as the target does.
pub fn run_guided(name: &str, bytes: &[u8]) {
    let target = by_name(name).expect("each file of fuzz_targets names a target");
    (target.run)(bytes);
    let mut repaired = bytes.to_vec();
    (target.repair)(&mut repaired);
    if repaired != bytes {
        (target.run)(&repaired);
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_target_has_a_guided_form() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        for target in ALL {
            assert!(manifest.contains(&format!("name = \"{}\"", target.name)), "{} has none", target.name);
        }
    }
}
