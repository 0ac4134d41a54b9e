//! Runs a target on mutated inputs, and watches what it costs.
//!
//! Everything follows from the seed, but for when a run ends that is bounded by time: to see a failure again, run
//! with the same seed, or [`replay`] the input that was written down.

use std::{
    collections::BTreeSet,
    fmt,
    panic::{self, AssertUnwindSafe},
    time::{Duration, Instant},
};

use fastrand::Rng;
use peak_alloc::PeakAlloc;

use crate::{Target, mutate::mutate};

/// Inputs that are kept; more of them only make each one rarer.
const CORPUS_MAX: usize = 2_048;

/// Longest input.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Longest time of one execution. Generous, as the machine may be busy: it is to find endless work.
const EXECUTION_MAX: Duration = Duration::from_secs(2);

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// After so many executions.
    Executions(u64),
    /// After so much time.
    Time(Duration),
}

/// What came of a run.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// How often the target was run.
    pub executions: u64,
    /// For how long.
    pub elapsed: Duration,
    /// How many different things happened.
    pub outcomes: usize,
    /// The most heap that one execution took, in bytes.
    pub heap_peak_bytes: usize,
}

/// An input that the target did not come to terms with.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The input.
    pub input: Vec<u8>,
    /// What it did.
    pub reason: String,
}

/// Runs `target`. `meter` must be the global allocator of the process, and nothing else may allocate meanwhile.
///
/// # Errors
/// The first input that makes the target panic, or cost more than its limits allow.
pub fn run(target: &Target, budget: Budget, seed: u64, meter: &PeakAlloc) -> Result<Report, Box<Failure>> {
    let started = Instant::now();
    let mut rng = Rng::with_seed(seed);
    let mut corpus = (target.seeds)();
    let mut seen = BTreeSet::new();
    let mut report = Report { executions: 0, elapsed: Duration::ZERO, outcomes: 0, heap_peak_bytes: 0 };
    let mut fresh = corpus.len();
    loop {
        let done = match budget {
            Budget::Executions(executions) => report.executions >= executions,
            Budget::Time(time) => started.elapsed() >= time,
        };
        if done {
            report.elapsed = started.elapsed();
            report.outcomes = seen.len();
            return Ok(report);
        }
        // The seeds as they are come first.
        let mut input = match fresh.checked_sub(1) {
            Some(index) => {
                fresh = index;
                corpus.get(index).cloned().unwrap_or_default()
            }
            None => next_input(&mut rng, &corpus, target),
        };
        let (outcome, heap_bytes) = execute(target, &input, meter)?;
        report.executions += 1;
        report.heap_peak_bytes = report.heap_peak_bytes.max(heap_bytes);
        if seen.insert(outcome) && corpus.len() < CORPUS_MAX {
            input.shrink_to_fit();
            corpus.push(input);
        }
    }
}

/// Runs `target` once.
///
/// # Errors
/// If it panics or costs too much.
pub fn replay(target: &Target, input: &[u8], meter: &PeakAlloc) -> Result<u64, Box<Failure>> {
    execute(target, input, meter).map(|(outcome, _)| outcome)
}

fn next_input(rng: &mut Rng, corpus: &[Vec<u8>], target: &Target) -> Vec<u8> {
    let mut choose = || rng.choice(corpus).map_or(&[][..], Vec::as_slice);
    let (mut input, other) = (choose().to_vec(), choose());
    mutate(rng, &mut input, other, INPUT_BYTES_MAX);
    if rng.bool() {
        (target.repair)(&mut input);
    }
    input
}

/// What happened, and the bytes of heap that it took at most.
fn execute(target: &Target, input: &[u8], meter: &PeakAlloc) -> Result<(u64, usize), Box<Failure>> {
    let failure = |reason: String| Box::new(Failure { input: input.to_vec(), reason });
    meter.reset_peak_usage();
    let (before, started) = (meter.current_usage(), Instant::now());
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let elapsed = started.elapsed();
    let heap_bytes = meter.peak_usage().saturating_sub(before);
    let outcome = outcome.map_err(|payload| {
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        failure(message.to_owned())
    })?;
    let heap_max = target.limits.heap_for(input.len());
    if heap_bytes > heap_max {
        return Err(failure(format!("{heap_bytes} bytes of heap; the limit is {heap_max}")));
    }
    if elapsed > EXECUTION_MAX {
        return Err(failure(format!("it took {elapsed:?}; the limit is {EXECUTION_MAX:?}")));
    }
    Ok((outcome, heap_bytes))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { executions, elapsed, outcomes, heap_peak_bytes } = self;
        let rate = *executions as f64 / elapsed.as_secs_f64().max(f64::EPSILON);
        let heap_mib = *heap_peak_bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{executions} executions in {:.1} s ({rate:.0}/s), {outcomes} different outcomes, \
             {heap_mib:.2} MiB of heap at most",
            elapsed.as_secs_f64()
        )
    }
}
