//! Any sequence of operations, with crashes and restarts between and inside them, against the naive log.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::LeaderEpoch;
use proptest::prelude::*;

use super::{
    compacted::compact,
    support::{Model, append, batch, check, check_recovered, keyed_batch, open, options, retain},
};
use crate::{
    CheckpointDone, CheckpointJob, Compaction, FlushDone, FlushJob, Log, Offset, Retention, StartJob,
    disk::sim::{Fault, SimDisk},
};

#[derive(Debug, Clone)]
enum Step {
    Append {
        seed: u64,
        batches: usize,
    },
    /// Records with keys.
    AppendKeyed {
        seed: u64,
        batches: usize,
    },
    NextEpoch,
    Flush,
    /// Flushes all here and now, and moves the recovery point.
    FlushAll,
    Job(JobStep),
    /// In percent of the log.
    Truncate(u8),
    StartAt(u8),
    /// With room for so many keys at a time.
    Compact {
        now_ms: i64,
        keys: usize,
    },
    /// As `cleanup.policy=delete` does it, on top of the compaction.
    Retain {
        max_age_ms: i64,
        max_bytes: u64,
    },
    RestoreIndexes,
    ReleaseMemory,
    Close,
    Kill,
    /// The power goes after so many calls.
    PowerCut {
        calls: u64,
        seed: u64,
    },
    DiskError {
        calls: u64,
        full: bool,
    },
}

/// A job is made, run, or its result taken, whatever comes in between.
#[derive(Debug, Clone)]
enum JobStep {
    StartFlush,
    RunFlush,
    EndFlush,
    StartCheckpoint,
    RunCheckpoint,
    EndCheckpoint,
    /// In percent of the log.
    PlanStart(u8),
    NoteStart,
    DeleteObsolete,
    /// One of the jobs that are out comes between two calls of the other one.
    RunBoth {
        checkpoint_first: bool,
        calls: u64,
    },
}

fn job_step() -> impl Strategy<Value = JobStep> {
    prop_oneof![
        2 => Just(JobStep::StartFlush),
        1 => Just(JobStep::RunFlush),
        2 => Just(JobStep::EndFlush),
        2 => Just(JobStep::StartCheckpoint),
        1 => Just(JobStep::RunCheckpoint),
        2 => Just(JobStep::EndCheckpoint),
        1 => (0..=100_u8).prop_map(JobStep::PlanStart),
        1 => Just(JobStep::NoteStart),
        1 => Just(JobStep::DeleteObsolete),
        2 => (any::<bool>(), 0..16_u64)
            .prop_map(|(checkpoint_first, calls)| JobStep::RunBoth { checkpoint_first, calls }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u64>(), 1..6_usize).prop_map(|(seed, batches)| Step::Append { seed, batches }),
        4 => (any::<u64>(), 1..6_usize).prop_map(|(seed, batches)| Step::AppendKeyed { seed, batches }),
        2 => (0..4_000_i64, 5..30_usize).prop_map(|(now_ms, keys)| Step::Compact { now_ms, keys }),
        1 => Just(Step::NextEpoch),
        3 => Just(Step::Flush),
        1 => Just(Step::FlushAll),
        24 => job_step().prop_map(Step::Job),
        1 => (0..=100_u8).prop_map(Step::Truncate),
        1 => (0..=100_u8).prop_map(Step::StartAt),
        1 => (0..6_000_i64, 0..20_000_u64).prop_map(|(max_age_ms, max_bytes)| Step::Retain { max_age_ms, max_bytes }),
        1 => Just(Step::RestoreIndexes),
        1 => Just(Step::ReleaseMemory),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        2 => (0..12_u64, any::<u64>()).prop_map(|(calls, seed)| Step::PowerCut { calls, seed }),
        1 => (0..12_u64, any::<bool>()).prop_map(|(calls, full)| Step::DiskError { calls, full }),
    ]
}

struct World {
    disk: SimDisk,
    log: Log,
    model: Model,
    epoch: LeaderEpoch,
    /// What no crash may take.
    durable: Offset,
    /// A power cut that is coming: what it leaves is decided by this.
    power_cut: Option<u64>,
    flush: Out<FlushJob, FlushDone>,
    checkpoint: Out<CheckpointJob, CheckpointDone>,
    start: Option<StartJob>,
}

/// A job that is out.
#[derive(Default)]
enum Out<J, D> {
    #[default]
    None,
    Job(J),
    Done(D),
}

impl<J: Send + 'static, D: Send + 'static> Out<J, D> {
    fn run(&mut self, run: fn(J) -> D) {
        *self = match std::mem::take(self) {
            Self::Job(job) => Self::Done(run(job)),
            out => out,
        };
    }

    fn end(&mut self, run: fn(J) -> D) -> Option<D> {
        self.run(run);
        match std::mem::take(self) {
            Self::Done(done) => Some(done),
            _ => None,
        }
    }

    /// Runs this one, and the other one after so many of its calls.
    fn run_around<J2, D2>(
        &mut self,
        run: fn(J) -> D,
        disk: &SimDisk,
        calls: u64,
        other: &mut Out<J2, D2>,
        run_other: fn(J2) -> D2,
    ) where
        J2: Send + 'static,
        D2: Send + 'static,
    {
        let inner = Arc::new(Mutex::new(std::mem::take(other)));
        let shared = Arc::clone(&inner);
        disk.interrupt_after(calls, move || shared.lock().unwrap().run(run_other));
        self.run(run);
        disk.uninterrupted();
        *other = Arc::into_inner(inner).unwrap().into_inner().unwrap();
    }
}

impl World {
    fn new() -> Self {
        let disk = SimDisk::new();
        let (log, _) = open(&disk, options()).unwrap();
        let (model, durable) = (Model::default(), Offset(0));
        let (flush, checkpoint, start) = (Out::None, Out::None, None);
        Self { disk, log, model, epoch: LeaderEpoch(0), durable, power_cut: None, flush, checkpoint, start }
    }

    /// Does the step. An error means that the log is of no use any more.
    fn run(&mut self, step: &Step) -> Result<(), crate::LogError> {
        match step {
            Step::Append { seed, batches: count } => self.append(batch, *seed, *count)?,
            Step::AppendKeyed { seed, batches: count } => self.append(keyed_batch, *seed, *count)?,
            Step::Compact { now_ms, keys } => {
                let settings = Compaction {
                    delete_retention_ms: 500,
                    min_dirty_ratio: 0.0,
                    buffer_bytes: keys * 24 * 10 / 9 + 48,
                    ..Compaction::default()
                };
                compact(&mut self.log, &mut self.model, &settings, *now_ms)?;
            }
            Step::NextEpoch => self.epoch = self.epoch.next(),
            Step::Flush => {
                if let Some(job) = self.log.start_flush()? {
                    self.durable = self.log.complete_flush(job.run())?.offset();
                }
            }
            Step::FlushAll => self.durable = self.log.flush()?.offset(),
            Step::Job(step) => self.run_job(step)?,
            Step::Truncate(percent) => self.truncate(self.at(*percent))?,
            Step::StartAt(percent) => {
                self.model.start = self.at(*percent);
                self.log.start_at(self.model.start, 2)?;
            }
            Step::Retain { max_age_ms, max_bytes } => {
                let (max_age_ms, max_bytes) = (Some(*max_age_ms), Some(*max_bytes));
                let retention = Retention { max_age_ms, max_bytes, segments_per_pass: 2 };
                retain(&mut self.log, &mut self.model, &retention, 6_100)?;
            }
            Step::RestoreIndexes => {
                for base in self.log.segments.iter().map(|segment| segment.base).collect::<Vec<_>>() {
                    self.log.restore_index(base)?;
                }
            }
            Step::ReleaseMemory => self.log.release_memory(),
            Step::Close => {
                let (log, _) = open(&SimDisk::new(), options())?;
                std::mem::replace(&mut self.log, log).close()?;
                let (log, recovered) = open(&self.disk, options())?;
                assert!(recovered.clean, "{recovered:?}");
                self.log = log;
                self.durable = self.log.log_end();
            }
            Step::Kill => self.restart(),
            Step::PowerCut { calls, seed } => {
                self.disk.fail_after(*calls, Fault::PowerCut);
                self.power_cut = Some(*seed);
            }
            Step::DiskError { calls, full } => {
                self.disk.fail_after(*calls, if *full { Fault::Full } else { Fault::Broken });
            }
        }
        Ok(())
    }

    fn append(&mut self, make: fn(u64) -> Bytes, seed: u64, count: usize) -> Result<(), crate::LogError> {
        let batches: Vec<_> = (0..count as u64).map(|n| make(seed.wrapping_add(n))).collect();
        for batch in &batches {
            self.model.append(batch, self.epoch);
        }
        append(&mut self.log, &batches, self.epoch)
    }

    fn run_job(&mut self, step: &JobStep) -> Result<(), crate::LogError> {
        match step {
            JobStep::StartFlush => {
                if let Some(job) = self.log.start_flush()? {
                    self.flush = Out::Job(job);
                }
            }
            JobStep::RunFlush => self.flush.run(FlushJob::run),
            JobStep::EndFlush => {
                if let Some(done) = self.flush.end(FlushJob::run) {
                    self.durable = self.log.complete_flush(done)?.offset();
                }
            }
            JobStep::StartCheckpoint => {
                if let Some(job) = self.log.start_checkpoint()? {
                    self.checkpoint = Out::Job(job);
                }
            }
            JobStep::RunCheckpoint => self.checkpoint.run(CheckpointJob::run),
            JobStep::EndCheckpoint => {
                if let Some(done) = self.checkpoint.end(CheckpointJob::run) {
                    self.log.complete_checkpoint(done)?;
                }
            }
            JobStep::PlanStart(percent) => {
                self.model.start = self.at(*percent);
                self.start = self.log.plan_start(self.model.start)?.or_else(|| self.start.take());
            }
            JobStep::NoteStart => {
                if let Some(job) = self.start.take() {
                    job.run()?;
                }
            }
            JobStep::DeleteObsolete => {
                self.log.delete_obsolete(2)?;
            }
            JobStep::RunBoth { checkpoint_first, calls } => {
                let Self { disk, flush, checkpoint, .. } = self;
                if *checkpoint_first {
                    checkpoint.run_around(CheckpointJob::run, disk, *calls, flush, FlushJob::run);
                } else {
                    flush.run_around(FlushJob::run, disk, *calls, checkpoint, CheckpointJob::run);
                }
            }
        }
        Ok(())
    }

    fn truncate(&mut self, to: Offset) -> Result<(), crate::LogError> {
        self.durable = self.durable.min(self.batch_end_below(to));
        self.model.lost_track = self.batch_end_below(to) < self.model.known.0;
        let end = self.log.truncate(to)?;
        self.model.truncate(to);
        assert_eq!(self.model.end, end);
        self.model.start = self.model.start.min(end);
        self.model.trust_below_compaction(&self.log);
        Ok(())
    }

    fn at(&self, percent: u8) -> Offset {
        let (start, end) = (self.log.log_start(), self.log.log_end());
        start + (end - start) * i64::from(percent) / 100
    }

    fn batch_end_below(&self, to: Offset) -> Offset {
        let ends = self.model.batches.iter().map(|(range, _)| range.end).filter(|end| *end <= to);
        ends.max().unwrap_or_default()
    }

    /// Opens the log again, after a crash of the process, or of the machine if the power was cut.
    fn restart(&mut self) {
        if let Some(seed) = self.power_cut.take() {
            self.disk.reboot(seed);
            (self.flush, self.checkpoint) = (Out::None, Out::None);
        }
        self.log.forget_jobs();
        let (mut log, mut recovered) = loop {
            // An error that was injected and not met yet may strike now; it strikes once.
            if let Ok(opened) = open(&self.disk, options()) {
                break opened;
            }
        };
        self.disk.clear_fault();
        // Jobs of the log that was there before may still run, and change nothing.
        self.checkpoint.run(CheckpointJob::run);
        if let Some(start) = self.start.take() {
            assert!(!start.run().unwrap_or_default());
        }
        let before = self.model.start;
        self.model.start = log.log_start();
        assert!(log.log_start() <= before, "the log start is one that nobody set");
        check_recovered(&log, &recovered, &mut self.model, self.durable);
        // Recovery once more changes nothing.
        let end = log.log_end();
        drop(log);
        (log, recovered) = open(&self.disk, options()).unwrap();
        assert_eq!((log.log_end(), recovered.cut_bytes), (end, 0));
        self.durable = end;
        self.log = log;
    }
}

/// `PROPTEST_CASES=20000 cargo test -p commit-log model` is the long form.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// Does the steps; after each that fails and at the end, the log is opened again and must be what it may be.
fn play(steps: &[Step]) {
    let mut world = World::new();
    for step in steps {
        let failed = world.run(step).is_err();
        if failed {
            world.restart();
        } else if world.power_cut.is_none() && !matches!(step, Step::DiskError { .. }) {
            let pending = world.disk.has_fault();
            if !pending {
                check(&world.log, &world.model);
            }
        }
    }
    world.disk.clear_fault();
    world.restart();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_what_was_appended(steps in prop::collection::vec(step(), 1..60)) {
        play(&steps);
    }
}

fn append_step(seed: u64, batches: usize) -> Step {
    Step::Append { seed, batches }
}

/// A truncation makes batches durable that no flush had reached: what vouches for their headers must be durable too.
#[test]
fn what_a_truncation_leaves_is_vouched_for() {
    play(&[
        append_step(1_087_187_274_576_437_922, 3),
        append_step(12_341_606_106_680_554_105, 3),
        append_step(13_308_184_639_677_032_900, 1),
        append_step(1_749_290_623_517_292_211, 3),
        Step::Truncate(82),
        append_step(4_249_101_209_321_563_221, 2),
        append_step(5_825_115_774_831_138_102, 3),
        Step::PowerCut { calls: 0, seed: 6_768_532_481_443_272_954 },
        append_step(0, 1),
    ]);
}

/// A file that lost its end between two batches looks whole, and the one after it is there.
#[test]
fn a_gap_between_segments_is_a_torn_tail() {
    play(&[
        append_step(11_901_535_970_427_143_313, 4),
        append_step(6_038_588_628_830_377_908, 1),
        append_step(2_408_545_747_613_329_792, 4),
        append_step(9_139_075_331_021_831_268, 2),
        Step::Close,
        Step::PowerCut { calls: 0, seed: 0 },
        Step::Close,
        append_step(1_796_087_060_701_240_387, 1),
        Step::Close,
        append_step(12_280_521_543_575_154_026, 3),
        Step::DiskError { calls: 7, full: false },
        Step::Flush,
        append_step(562_795_476_236_091_989, 1),
        append_step(8_932_773_038_338_445_621, 2),
        append_step(7_719_523_750_388_842_741, 1),
        Step::PowerCut { calls: 0, seed: 3_802_292_144_096_885_517 },
        append_step(0, 1),
    ]);
}

/// An open whose sync fails leaves pages that look clean and are not on disk.
#[test]
fn an_open_that_fails_is_remembered() {
    play(&[
        Step::DiskError { calls: 10, full: false },
        append_step(30_051_683_123_831_132, 1),
        Step::Kill,
        append_step(0, 1),
        Step::Flush,
        Step::PowerCut { calls: 0, seed: 0 },
    ]);
}

/// Frames may be all that vouches for durable batches: whoever writes them anew must not lose them on the way.
#[test]
fn an_index_made_anew_is_never_gone_meanwhile() {
    play(&[
        Step::NextEpoch,
        Step::NextEpoch,
        append_step(469_930_904_887_418_029, 3),
        append_step(15_743_926_097_002_640_438, 4),
        append_step(6_186_279_664_299_241_067, 3),
        append_step(12_396_494_284_811_102_143, 3),
        Step::Truncate(37),
        append_step(5_951_529_449_279_094_538, 1),
        Step::Flush,
        Step::DiskError { calls: 4, full: false },
        Step::RestoreIndexes,
        Step::PowerCut { calls: 7, seed: 679_732_671_084_922_148 },
        Step::Truncate(0),
    ]);
}

/// A disk that fails while a batch is judged says nothing about the batch.
#[test]
fn a_read_error_during_recovery_is_no_torn_tail() {
    play(&[
        append_step(916_369_022_480_894_140, 1),
        Step::Close,
        Step::StartAt(0),
        append_step(1_274_847_834_936_193_202, 4),
        append_step(16_732_404_866_328_447_945, 4),
        Step::StartAt(56),
        append_step(770_876_572_525_727_036, 4),
        Step::PowerCut { calls: 0, seed: 1_116_034_336_299_007_595 },
        Step::Close,
        append_step(0, 1),
        append_step(13_327_938_056_443_934_075, 3),
        Step::Truncate(40),
        append_step(1_236_854_074_142_862_107, 1),
        Step::Flush,
        append_step(4_829_991_203_156_220_232, 1),
        Step::DiskError { calls: 11, full: false },
        Step::Kill,
    ]);
}

/// What a log knew at the base of a segment is stored before the segment in front of it may go.
#[test]
fn a_snapshot_waits_for_no_batch() {
    play(&[
        append_step(12_420_104_175_176_055_865, 4),
        Step::Flush,
        Step::PowerCut { calls: 0, seed: 0 },
        append_step(0, 1),
        append_step(10_649_254_557_860_030_297, 4),
        Step::Truncate(48),
        Step::Close,
        append_step(0, 1),
        append_step(3_796_201_117_581_325_199, 5),
        Step::Truncate(43),
        append_step(0, 2),
        Step::StartAt(71),
        Step::Truncate(0),
    ]);
}

/// What a transaction that was aborted below the log start says of its producer ends with its marker.
#[test]
fn an_abort_below_the_log_start_takes_no_later_records() {
    play(&[
        append_step(1_848_087_988_093_639_194, 5),
        append_step(32_827_107_837_582_114, 5),
        Step::AppendKeyed { seed: 4_544_902_149_934_869_629, batches: 4 },
        append_step(4_599_776_476_922_803_335, 1),
        append_step(5_705_754_728_070_249_121, 1),
        Step::StartAt(50),
        Step::Close,
        append_step(5_434_593_905_949_479_031, 1),
        append_step(140_364_739, 1),
        Step::Flush,
        Step::Compact { now_ms: 0, keys: 5 },
    ]);
}

/// A job of a former life that fails takes nothing from the present one.
#[test]
fn a_job_of_a_former_life_that_fails_takes_nothing() {
    play(&[
        append_step(1_166_326_128_187_413_863, 4),
        append_step(907_959_101_102_802_747, 1),
        append_step(17_057_229_275_636, 1),
        Step::Job(JobStep::StartFlush),
        Step::Kill,
        Step::PowerCut { calls: 1, seed: 0 },
        append_step(2_449_504_450_232_073_049, 1),
        Step::DiskError { calls: 1, full: false },
        Step::Job(JobStep::RunFlush),
        Step::Flush,
    ]);
}
