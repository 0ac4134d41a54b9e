//! Opening a log whose files hold anything.
//!
//! Each target puts its bytes in the place of one file of a good log, or of all of them. Whatever they are: the log
//! opens or says why not, what it serves are good batches in order, and once it was closed it opens as it was.

use std::{
    io::{self, IoSlice},
    path::Path,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use commit_log::{
    Files, Log, LogError, LogOptions, Origin, ProducerId, ProducerStamp,
    batch::{Batch, BatchBuilder, ControlRecord, EndTransaction},
    disk::{Disk, sim::SimDisk},
    inspect::Inspector,
};
use common::{LeaderEpoch, Offset};

use super::{
    batch::{put, seal_batch},
    outcome::Outcome,
};
use crate::{Limits, Target};

const DIR: &str = "log";

/// The simulated disk holds everything twice, recovery reads it whole, and salvage copies it.
const LIMITS: Limits = Limits { heap_per_input_byte: 64, heap_bytes: 4 << 20 };

const BASE: Target = Target {
    name: "",
    about: "",
    seeds: Vec::new,
    repair: crate::nothing_to_repair,
    run: |_| 0,
    limits: LIMITS,
};

pub(super) const CHECKPOINT: Target = Target {
    name: "checkpoint",
    about: "opens a log with this checkpoint",
    seeds: || of_good_logs("checkpoint"),
    repair: |bytes| seal_small_file(bytes),
    run: |bytes| with_file("checkpoint", bytes, Trust::Checksums),
    ..BASE
};

pub(super) const SNAPSHOT: Target = Target {
    name: "snapshot",
    about: "opens a log without a checkpoint, with this as its last snapshot",
    seeds: || of_good_logs(".snapshot"),
    repair: |bytes| seal_small_file(bytes),
    run: |bytes| with_file(".snapshot", bytes, Trust::Checksums),
    ..BASE
};

pub(super) const SEGMENT: Target = Target {
    name: "segment",
    about: "opens a log whose last segment holds this",
    seeds: || of_good_logs(".log"),
    repair: |bytes| seal_batches(bytes),
    run: |bytes| with_file(".log", bytes, Trust::Checksums),
    ..BASE
};

pub(super) const DIRECTORY: Target = Target {
    name: "directory",
    about: "opens a directory with these files in it",
    seeds: || good_logs().iter().map(|log| pack(log)).collect(),
    repair: |bytes| {
        let mut files = unpack(bytes);
        for (name, bytes) in &mut files {
            match name.rsplit_once('.') {
                Some((_, "log" | "new")) => seal_batches(bytes),
                Some((_, "frames")) => {}
                _ => seal_small_file(bytes),
            }
        }
        *bytes = pack(&files);
    },
    run: |bytes| recover(&unpack(bytes), Trust::Checksums),
    ..BASE
};

pub(super) const FRAMES: Target = Target {
    name: "frames",
    about: "opens a log whose last index is this, with checksums that fit",
    seeds: || of_good_logs(".frames"),
    repair: |bytes| seal_frames(last_base(), bytes),
    run: |bytes| with_file(".frames", bytes, Trust::Nothing),
    ..BASE
};

/// What a target may count on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// An entry of an index whose checksum fits was written by a log.
    Checksums,
    /// Somebody forged it: offsets may be wrong, but batches are good, and nothing panics.
    Nothing,
}

/// Names and bytes of the files of a log.
type Image = Vec<(String, Vec<u8>)>;

fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 1_500,
        checkpoint_bytes: 2_000,
        tail_bytes: 500,
        segment_ms: i64::MAX,
        ..LogOptions::default()
    }
}

fn open(disk: &SimDisk) -> Result<(Log, commit_log::Recovered), LogError> {
    Log::open(Path::new(DIR), Arc::new(Files::new(Arc::new(disk.clone()), 64)), options())
}

/// A log that was shut down, and one that was killed behind a checkpoint.
fn good_logs() -> &'static [Image; 2] {
    static LOGS: OnceLock<[Image; 2]> = OnceLock::new();
    LOGS.get_or_init(|| [true, false].map(|clean| live(clean).expect("a simulated disk without faults")))
}

fn live(clean: bool) -> Result<Image, LogError> {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk)?;
    let producer = ProducerStamp { id: ProducerId(4), epoch: 1, base_sequence: 0 };
    for (n, time) in (0..16_i32).zip(1_000..) {
        let batch = if n % 5 == 4 {
            let end = if n % 2 == 0 { EndTransaction::Abort } else { EndTransaction::Commit };
            let control = ControlRecord { end, coordinator_epoch: n };
            BatchBuilder::end_transaction(producer, control, time)
        } else {
            let stamp = ProducerStamp { base_sequence: n, ..producer };
            let mut batch = BatchBuilder::default().producer(stamp).transactional();
            batch.record(time, Some(b"key"), Some(&[b'v'; 150])).record(time, None, None);
            batch
        };
        let batch: Bytes = batch.build(Offset(0)).expect("a small batch").into();
        log.append(&[batch], LeaderEpoch(n / 6), Origin::Internal, time)?;
        if n == 12 {
            log.flush()?;
        }
    }
    if clean {
        log.close()?;
    } else {
        drop(log);
    }
    Ok(files_of(&disk).expect("a simulated disk without faults"))
}

fn files_of(disk: &SimDisk) -> io::Result<Image> {
    let mut files = Vec::new();
    for entry in disk.list(Path::new(DIR))? {
        let mut bytes = vec![0; usize::try_from(entry.size).unwrap_or(0)];
        disk.open(&Path::new(DIR).join(&entry.name))?.read_at(&mut bytes, 0)?;
        files.push((entry.name, bytes));
    }
    Ok(files)
}

/// The last file of each good log with this ending.
fn of_good_logs(ending: &str) -> Vec<Vec<u8>> {
    let last = |log: &Image| log.iter().rfind(|(name, _)| name.ends_with(ending)).cloned();
    good_logs().iter().filter_map(last).map(|(_, bytes)| bytes).collect()
}

/// Base offset of the last segment that has an index.
fn last_base() -> Offset {
    let last = good_logs()[1].iter().rfind(|(name, _)| name.ends_with(".frames"));
    Offset(last.and_then(|(name, _)| name.strip_suffix(".frames")?.parse().ok()).unwrap_or(0))
}

/// The killed log with its last such file replaced. A snapshot matters only where there is no checkpoint.
fn with_file(ending: &str, bytes: &[u8], trust: Trust) -> u64 {
    let mut files = good_logs()[1].clone();
    if ending == ".snapshot" {
        files.retain(|(name, _)| name != "checkpoint");
    }
    if let Some((_, file)) = files.iter_mut().rfind(|(name, _)| name.ends_with(ending)) {
        *file = bytes.to_vec();
    }
    recover(&files, trust)
}

fn recover(files: &Image, trust: Trust) -> u64 {
    let mut outcome = Outcome::default();
    let disk = SimDisk::new();
    write(&disk, files).expect("a simulated disk without faults");
    let inspector = Inspector::on(Arc::new(disk.clone()), Path::new(DIR));
    outcome.add(inspector.verify().map(|verified| verified.sound).ok());
    outcome.add(inspector.batches(Offset(0)).map(|batches| batches.count().checked_ilog2()).ok());
    let (log, recovered) = match open(&disk) {
        Ok(opened) => opened,
        Err(error) => {
            outcome.add_message(&error.to_string());
            return outcome.finish();
        }
    };
    outcome.add((recovered.clean, recovered.scanned_bytes > 0, recovered.cut_bytes > 0));
    outcome.add_count(recovered.indexes_rebuilt.len());
    recovered.damage.iter().for_each(|damage| outcome.add_message(&damage.reason));
    let (start, end) = (log.log_start(), log.log_end());
    assert!(start <= end && log.durable().offset() == end, "{start} to {end}");
    read_all(&log, trust, &mut outcome);
    outcome.add_count(log.producer_count());
    outcome.add_count(log.open_transactions().len());
    outcome.add_count(log.epochs().len());
    outcome.add_count(log.missing().len());
    outcome.add_count(log.aborted_transactions(&(start..end)).len());
    outcome.add_count(usize::try_from(end - start).unwrap_or(0));
    let epochs = log.epochs().to_vec();
    log.close().expect("a simulated disk without faults");
    let (log, _) = open(&disk).expect("it was just closed");
    if trust == Trust::Checksums {
        assert_eq!((log.log_start(), log.log_end(), log.epochs()), (start, end, &epochs[..]));
    }
    outcome.finish()
}

fn write(disk: &SimDisk, files: &Image) -> io::Result<()> {
    disk.create_dir(Path::new(DIR))?;
    for (name, bytes) in files {
        match disk.create(&Path::new(DIR).join(name)) {
            Ok(file) => file.append(&mut [IoSlice::new(bytes)])?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Everything that is served is good and in order; damage is named and can be stepped over.
fn read_all(log: &Log, trust: Trust, outcome: &mut Outcome) {
    let mut next = log.log_start();
    while next < log.log_end() {
        match log.plan_read(next, log.log_end(), 700).and_then(|plan| plan.read()) {
            Ok(read) => {
                let bytes = read.pieces.concat();
                for batch in Batch::all(&bytes) {
                    let batch = batch.expect("only whole batches are served");
                    batch.check_crc().expect("only good batches are served");
                    if trust == Trust::Checksums {
                        assert!(batch.header().next_offset() > next, "a batch below {next} was served");
                        next = batch.header().next_offset();
                    }
                }
                assert!(read.next >= next, "a read up to {} served up to {next}", read.next);
                if read.next == next && (bytes.is_empty() || trust == Trust::Nothing) {
                    // Nothing is left from here to the end, as after compaction.
                    return outcome.add("nothing");
                }
                next = next.max(read.next);
            }
            Err(LogError::Damaged(damage)) => {
                // It may begin behind `next` where the index is damaged as well, as then nothing of the segment is.
                assert!(damage.range.end > next, "damage {:?} does not lead past {next}", damage.range);
                outcome.add_message(&damage.reason);
                next = damage.range.end;
            }
            Err(error) => return outcome.add_message(&error.to_string()),
        }
    }
}

/// The CRC of a checkpoint or snapshot.
fn seal_small_file(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(bytes.get(12..).unwrap_or_default());
    put(bytes, 8, &crc.to_be_bytes());
}

/// The checksum of each frame.
fn seal_frames(base: Offset, bytes: &mut [u8]) {
    let salt = crc32c::crc32c_append(crc32c::crc32c(b"frame v1"), &base.0.to_be_bytes());
    for (index, frame) in (0_u32..).zip(bytes.chunks_exact_mut(32)) {
        let place = crc32c::crc32c_append(salt, &index.to_be_bytes());
        let check = crc32c::crc32c_append(place, frame.get(..28).unwrap_or_default());
        put(frame, 28, &check.to_be_bytes());
    }
}

/// The CRC of each batch, as far as lengths lead on.
fn seal_batches(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Some(length) = rest.get(8..12).and_then(|length| length.first_chunk()) {
        let size = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).saturating_add(12);
        let Some((batch, behind)) = rest.split_at_mut_checked(size.max(61)) else { return };
        seal_batch(batch);
        rest = behind;
    }
}

/// A directory as bytes: for each file a byte that says what it is, the number in its name, its length, and it.
fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in files {
        let (base, suffix) = name.split_once('.').unwrap_or(("0", name));
        let kind = SUFFIXES.iter().position(|known| *known == suffix).unwrap_or(0);
        out.push(u8::try_from(kind).unwrap_or(0));
        out.extend_from_slice(&base.parse::<u16>().unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

const SUFFIXES: [&str; 9] =
    ["checkpoint", "log", "frames", "snapshot", "log.new", "fenced", "tmp", "swap", "cleaned"];

fn unpack(mut rest: &[u8]) -> Image {
    let mut files = Image::new();
    while let Some(([kind, base @ .., len_high, len_low], behind)) = rest.split_first_chunk::<5>() {
        let base: u16 = base.iter().fold(0, |base, byte| base << 8 | u16::from(*byte));
        let len = usize::from(u16::from_be_bytes([*len_high, *len_low])).min(behind.len());
        let (bytes, behind) = behind.split_at(len);
        let name = match SUFFIXES.get(usize::from(*kind) % SUFFIXES.len()).copied() {
            Some(suffix) if !["checkpoint", "fenced", "swap", "cleaned"].contains(&suffix) => {
                format!("{base:020}.{suffix}")
            }
            whole => whole.unwrap_or_default().to_owned(),
        };
        files.push((name, bytes.to_vec()));
        rest = behind;
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_packed_and_unpacked() {
        for log in good_logs() {
            assert_eq!(&unpack(&pack(log)), log);
            assert!(log.iter().filter(|(name, _)| name.ends_with(".log")).count() > 1);
        }
    }

    #[test]
    fn what_is_good_needs_no_repair() {
        for target in [CHECKPOINT, SNAPSHOT, SEGMENT, DIRECTORY, FRAMES] {
            let seed = (target.seeds)().pop().unwrap();
            let mut repaired = seed.clone();
            (target.repair)(&mut repaired);
            assert!(seed == repaired, "{}", target.name);
        }
    }
}
