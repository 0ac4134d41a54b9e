//! Power on, write, power off, look.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

use commit_log::{
    Files, Log,
    batch::{Batch, HEADER_BYTES},
    disk::sim::Random,
    inspect::Inspector,
};
use common::Offset;

use crate::{
    Outcome,
    image::Image,
    writer::{self, Honesty},
};

/// Cycles after which a new log is begun, so that the image does not fill.
const CYCLES_PER_LOG: u32 = 20;

/// In how many cycles a lying writer must be caught.
const LIES_MAX: u32 = 10;

/// Most acknowledgements before the power is cut.
const ACKS_MAX: usize = 400;

/// What is known of the log from outside.
#[derive(Default)]
struct Known {
    /// What each start found, by base offset: the batch's bytes as a checksum. All of it was durable then.
    found: BTreeMap<Offset, u32>,
    acknowledged: usize,
    unacknowledged_kept: usize,
    cut_bytes: u64,
}

/// An acknowledged batch: its offset, thread, and the thread's count.
struct Ack {
    offset: Offset,
    thread: u32,
    count: u32,
}

/// Runs that many cycles, after it was shown that a writer that lies is found out.
pub(crate) fn run(cycles: u32, seed: u64) -> Outcome {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let image = match dir.as_ref().map_err(ToString::to_string).and_then(|dir| Image::make(dir.path())) {
        Ok(image) => image,
        Err(reason) => return Outcome::Skipped(format!("needs root and loop devices: {reason}")),
    };
    let mut random = Random::new(seed);
    let started = Instant::now();
    match lies_are_found(&image, &mut random).and_then(|()| all(&image, cycles, &mut random)) {
        Ok(known) => {
            println!(
                "{cycles} power cuts in {:.1} s: {} batches acknowledged and there, {} more kept, {} torn bytes cut",
                started.elapsed().as_secs_f64(),
                known.acknowledged,
                known.unacknowledged_kept,
                known.cut_bytes
            );
            Outcome::Passed
        }
        Err(reason) => Outcome::Failed(format!("seed {seed}: {reason}")),
    }
}

fn lies_are_found(image: &Image, random: &mut Random) -> Result<(), String> {
    for cycle in 0..LIES_MAX {
        let dir = image.path().join(format!("lies-{cycle}"));
        let acks = write_until_power_cut(image, &dir, cycle, Honesty::Lying, random)?;
        if look(&dir, cycle, &acks, &mut Known::default()).is_err() {
            return Ok(());
        }
    }
    Err(format!("a writer that acknowledges what is not durable went unnoticed for {LIES_MAX} power cuts"))
}

fn all(image: &Image, cycles: u32, random: &mut Random) -> Result<Known, String> {
    let mut known = Known::default();
    let mut dir = PathBuf::new();
    for cycle in 0..cycles {
        if cycle % CYCLES_PER_LOG == 0 {
            if cycle > 0 {
                std::fs::remove_dir_all(&dir).map_err(|error| error.to_string())?;
            }
            dir = image.path().join(format!("log-{cycle}"));
            known.found.clear();
        }
        let acks = write_until_power_cut(image, &dir, cycle, Honesty::Honest, random)?;
        look(&dir, cycle, &acks, &mut known).map_err(|reason| format!("cycle {cycle}: {reason}"))?;
    }
    Ok(known)
}

/// One life of a writer. Afterwards the image is mounted again.
fn write_until_power_cut(
    image: &Image,
    dir: &Path,
    cycle: u32,
    honesty: Honesty,
    random: &mut Random,
) -> Result<Vec<Ack>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut writer = Command::new(program)
        .args([writer::FLAG, dir.to_str().unwrap_or_default(), &cycle.to_string(), honesty.as_arg()])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the writer could not be started: {error}"))?;
    let acks = read_acks(&mut writer, image, 1 + random.below(ACKS_MAX));
    // Also where reading failed: no process may outlive its image.
    let _ = writer.kill();
    writer.wait().map_err(|error| error.to_string())?;
    image.restart()?;
    acks
}

/// Cuts the power once so many were acknowledged. What was said before that counts. What is said afterwards does not:
/// ext4 lets a sync that is under way while it shuts down end well, which the lack of power would not.
fn read_acks(writer: &mut Child, image: &Image, cut_after: usize) -> Result<Vec<Ack>, String> {
    let mut output = BufReader::new(writer.stdout.take().ok_or("the writer has no output")?);
    let mut acks = Vec::new();
    let mut line = String::new();
    // What is in the buffer was said too.
    while acks.len() < cut_after || output.buffer().contains(&b'\n') {
        line.clear();
        if output.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
            return Err(format!("the writer ended after {} acks", acks.len()));
        }
        acks.push(Ack::parse(line.trim_end()).ok_or_else(|| format!("the writer said `{line}`"))?);
    }
    image.cut_power()?;
    Ok(acks)
}

impl Ack {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            offset: Offset(words.next()?.parse().ok()?),
            thread: words.next()?.parse().ok()?,
            count: words.next()?.parse().ok()?,
        })
    }
}

/// Opens the log as a broker would, and compares it with everything that is known.
fn look(dir: &Path, cycle: u32, acks: &[Ack], known: &mut Known) -> Result<(), String> {
    let seen = Inspector::new(dir).verify().map_err(|error| error.to_string())?;
    let (log, recovered) =
        Log::open(dir, Arc::new(Files::default()), writer::options()).map_err(|error| error.to_string())?;
    if !recovered.damage.is_empty() || !seen.sound || seen.log_end != log.log_end() {
        return Err(format!("a power cut is no damage: {recovered:?} {:?}", seen.findings));
    }
    known.cut_bytes += recovered.cut_bytes;
    let mut found = BTreeMap::new();
    let mut bodies = BTreeMap::new();
    let mut next = log.log_start();
    while next < log.log_end() {
        let read = log.plan_read(next, log.log_end(), 1 << 20).and_then(|plan| plan.read());
        let read = read.map_err(|error| error.to_string())?;
        for batch in read.pieces.iter().flat_map(|piece| Batch::all(piece)) {
            let batch = batch.map_err(|error| error.to_string())?;
            let offset = batch.header().base_offset;
            found.insert(offset, crc(batch.bytes()));
            bodies.insert(offset, crc(batch.bytes().get(HEADER_BYTES..).unwrap_or_default()));
        }
        next = read.next;
    }
    if let Some((offset, _)) = known.found.iter().find(|(offset, crc)| found.get(offset) != Some(crc)) {
        return Err(format!("the batch at {offset}, which an earlier start found, is gone or altered"));
    }
    for Ack { offset, thread, count } in acks {
        let batch = writer::batch(cycle, *thread, *count);
        if bodies.get(offset) != Some(&crc(batch.get(HEADER_BYTES..).unwrap_or_default())) {
            return Err(format!("batch {count} of thread {thread}, acknowledged at {offset}, is not there"));
        }
    }
    known.acknowledged += acks.len();
    known.unacknowledged_kept += found.len() - known.found.len() - acks.len();
    known.found = found;
    Ok(())
}

fn crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}
