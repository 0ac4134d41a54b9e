//! What each setting of a topic does, as it shows on a partition at work. The table names for every setting two values and
//! something that is looked at; the settings are made here, so that nothing but the one that is named can make the
//! difference. A setting that is in the registry takes only what is so anyway, or it is in this table.

use std::{fmt::Write as _, path::Path, sync::Arc};

use bytes::Bytes;
use commit_log::{
    batch::{Batch, BatchBuilder, Compression},
    disk::{Disk as _, sim::SimDisk},
};
use common::{
    BrokerId, IncarnationId, LeaderEpoch, MetadataVersion, Offset, TopicId, TopicName,
    broker_config::Configs, topic_config,
};
use metadata_core::{Command, Proposal, State};
use replica::{Acks, FollowerFetch, Isolation};
use runtime::{Stop, clock::unix_ms};
use uuid::Uuid;

use super::{
    Partition, Reader,
    testing::{EPOCH, ME, leader, partition},
};
/// A setting, two values of it, what else is set, and what is looked at.
struct Effect {
    setting: &'static str,
    values: [&'static str; 2],
    beside: &'static [(&'static str, &'static str)],
    look: fn(&Configs) -> String,
}

const fn effect(setting: &'static str, values: [&'static str; 2], look: fn(&Configs) -> String) -> Effect {
    Effect { setting, values, beside: &[], look }
}

const FOR_EVER: &str = "9223372036854775807";

const EFFECTS: &[Effect] = &[
    Effect { beside: COMPACTED, ..effect("cleanup.policy", ["delete", "compact"], after_compaction) },
    Effect {
        beside: &[("compression.type", "gzip")],
        ..effect("compression.gzip.level", ["1", "9"], stored)
    },
    effect("compression.type", ["producer", "lz4"], stored),
    Effect {
        beside: &[("compression.type", "zstd")],
        ..effect("compression.zstd.level", ["-50", "19"], stored)
    },
    Effect { beside: COMPACTED, ..effect("delete.retention.ms", ["0", FOR_EVER], after_compaction) },
    Effect { beside: SMALL, ..effect("file.delete.delay.ms", ["0", "60000"], files_after_deletion) },
    Effect { beside: INTERVAL, ..effect("flush.messages", ["1", "100"], sync_is_due) },
    Effect { beside: INTERVAL, ..effect("flush.ms", ["0", "1000000000"], sync_is_due) },
    effect("flush.policy", ["ack", "os"], leaders_own_word),
    effect("follower.replication.throttled.replicas", ["", "0:1"], asked_as_follower),
    effect("leader.replication.throttled.replicas", ["", "0:1"], served_to_followers),
    Effect { beside: COMPACTED, ..effect("max.compaction.lag.ms", ["100", "1000000"], segments_by_time) },
    effect("max.message.bytes", ["100", "100000"], taken),
    effect("message.timestamp.after.max.ms", ["0", "86400000"], taken),
    effect("message.timestamp.before.max.ms", ["1000", FOR_EVER], taken),
    effect("message.timestamp.type", ["CreateTime", "LogAppendTime"], stored),
    Effect { beside: COMPACTED, ..effect("min.cleanable.dirty.ratio", ["0.01", "0.99"], after_compaction) },
    Effect { beside: COMPACTED, ..effect("min.compaction.lag.ms", ["0", "4000000000000"], after_compaction) },
    effect("min.insync.replicas", ["1", "2"], taken_without_the_other_replica),
    Effect { beside: SMALL, ..effect("retention.bytes", ["2000", "-1"], after_retention) },
    Effect { beside: SMALL, ..effect("retention.ms", ["1000", "-1"], after_retention) },
    effect("segment.bytes", ["300", "100000"], segments_by_time),
    effect("segment.index.bytes", ["128", "10485760"], segments_by_time),
    Effect {
        beside: &[("segment.ms", "1000")],
        ..effect("segment.jitter.ms", ["0", "999"], segments_by_time)
    },
    effect("segment.ms", ["100", "100000"], segments_by_time),
    effect("unclean.leader.election.enable", ["false", "true"], who_leads),
];

const COMPACTED: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("segment.bytes", "1000")];
const INTERVAL: &[(&str, &str)] = &[("flush.policy", "interval")];
const SMALL: &[(&str, &str)] = &[("segment.bytes", "1000")];

#[test]
fn every_setting_takes_one_value_or_makes_a_difference() {
    let shown: Vec<_> = EFFECTS.iter().map(|effect| effect.setting).collect();
    let open = topic_config::SETTINGS.iter().filter(|setting| !setting.is_fixed());
    assert_eq!(shown, open.map(|setting| setting.name).collect::<Vec<_>>());
    for Effect { setting, values, beside, look } in EFFECTS {
        let settings = |value: &str| -> Configs {
            let others = beside.iter().filter(|(name, _)| name != setting);
            others
                .chain([&(*setting, value)])
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect()
        };
        let [one, other] = values.map(|value| {
            let settings = settings(value);
            assert_eq!(topic_config::validate(&settings), Ok(()), "{setting}");
            look(&settings)
        });
        assert_ne!(one, other, "{setting} as {values:?} makes no difference");
        assert_eq!(one, look(&settings(values[0])), "{setting} as {} shows itself each time", values[0]);
    }
}

/// As in Kafka since KIP-1161, until somebody deletes records.
#[test]
fn a_topic_without_a_cleanup_policy_keeps_everything() {
    let settings = |policy: &str| -> Configs {
        let settings = [("cleanup.policy", policy), ("retention.ms", "1000"), ("segment.bytes", "1000")];
        settings.map(|(name, value)| (name.into(), value.into())).into()
    };
    assert_eq!(after_compaction(&settings("")), after_compaction(&settings("delete")));
    assert_eq!(after_retention(&settings("")), "0");
    assert_ne!(after_retention(&settings("delete")), "0");
    let partition = led(&settings(""));
    partition.produce(record(1_000, b"key", Some(b"value")), Acks::All).unwrap();
    sync(&partition);
    partition.delete_records(None).unwrap();
    assert_eq!(log_start(&partition), Offset(1));
}

fn led(settings: &Configs) -> Arc<Partition> {
    partition(&SimDisk::new(), settings, &[], &[ME], &[ME])
}

/// One record of 200 bytes that compress well.
fn record(timestamp_ms: i64, key: &[u8], value: Option<&[u8]>) -> Bytes {
    BatchBuilder::default().record(timestamp_ms, Some(key), value).build(Offset(0)).unwrap().into()
}

fn value() -> Vec<u8> {
    (0..200_u32).flat_map(|n| (n * n % 97).to_be_bytes()).collect()
}

fn log_start(partition: &Arc<Partition>) -> Offset {
    partition.lock().running().unwrap().log.log_start()
}

fn sync(partition: &Arc<Partition>) {
    while partition.flush() {}
    while partition.checkpoint() {}
}

/// Everything that a consumer reads.
fn read(partition: &Arc<Partition>) -> Bytes {
    let (isolation, leader_epoch, last_fetched_epoch) = (Isolation::ReadUncommitted, None, None);
    let reader = Reader::Consumer { isolation, leader_epoch, last_fetched_epoch, from_follower: false };
    let planned = partition.plan_read(reader, log_start(partition), 1 << 20).unwrap();
    planned.read().unwrap().pieces.concat().into()
}

/// How a batch is stored.
fn stored(settings: &Configs) -> String {
    let partition = led(settings);
    partition.produce(record(1_000, b"key", Some(&value())), Acks::All).unwrap();
    sync(&partition);
    let bytes = read(&partition);
    let (batch, _) = Batch::split_first(&bytes).unwrap();
    let attributes = batch.header().attributes;
    let records = batch.payload(1 << 20).unwrap().records().count();
    format!(
        "{:?} {:?} {} bytes, {records}",
        attributes.compression(),
        attributes.timestamp_type(),
        bytes.len()
    )
}

/// Which of several batches are taken.
fn taken(settings: &Configs) -> String {
    let now = i64::try_from(unix_ms()).unwrap();
    let mut answers = String::new();
    let partition = led(settings);
    for timestamp_ms in [1_000, now, now + 60_000] {
        let answer = partition.produce(record(timestamp_ms, b"key", Some(&value())), Acks::All);
        write!(answers, "{} ", answer.is_ok()).unwrap();
    }
    answers
}

/// Whether acks=all gets anything while one of two replicas is in sync.
fn taken_without_the_other_replica(settings: &Configs) -> String {
    let partition = partition(&SimDisk::new(), settings, &[], &[ME, BrokerId(2)], &[ME]);
    partition.produce(record(1_000, b"key", Some(b"value")), Acks::All).is_ok().to_string()
}

/// How many segments records take that were written at different times.
fn segments_by_time(settings: &Configs) -> String {
    let partition = led(settings);
    for n in 0..40 {
        partition.produce(record(n * 60, b"key", Some(b"value")), Acks::All).unwrap();
    }
    let segments = partition.lock().running().unwrap().log.segment_count();
    segments.to_string()
}

/// What is left of records, among them tombstones, after two rounds of compaction with few records between them.
fn after_compaction(settings: &Configs) -> String {
    let partition = led(settings);
    let produce = |key: &[u8], value: Option<&[u8]>| {
        partition.produce(record(1_000, key, value), Acks::All).unwrap();
    };
    produce(b"gone", None);
    (0..40).for_each(|_| produce(b"key", Some(&[7; 100])));
    sync(&partition);
    partition.compact(&Stop::never());
    (0..20).for_each(|n: u8| produce(&[n], Some(&[7; 100])));
    (0..12).for_each(|_| produce(b"key", Some(&[7; 100])));
    sync(&partition);
    partition.compact(&Stop::never());
    let bytes = read(&partition);
    let mut keys = String::new();
    for batch in Batch::all(&bytes) {
        for record in batch.unwrap().payload(1 << 20).unwrap().records() {
            let record = record.unwrap();
            write!(keys, "{}:{} ", record.offset, record.value.is_some()).unwrap();
        }
    }
    keys
}

/// Where the log starts after retention.
fn after_retention(settings: &Configs) -> String {
    let partition = led(settings);
    let a_minute_ago = i64::try_from(unix_ms()).unwrap() - 60_000;
    for _ in 0..40 {
        partition.produce(record(a_minute_ago, b"key", Some(&[7; 100])), Acks::All).unwrap();
    }
    sync(&partition);
    while partition.retain(true) {}
    log_start(&partition).to_string()
}

/// How many files there are when all records were deleted.
fn files_after_deletion(settings: &Configs) -> String {
    let disk = SimDisk::new();
    let partition = partition(&disk, settings, &[], &[ME], &[ME]);
    for _ in 0..40 {
        partition.produce(record(1_000, b"key", Some(&[7; 100])), Acks::All).unwrap();
    }
    sync(&partition);
    partition.delete_records(None).unwrap();
    partition.look_after(0);
    disk.list(Path::new("orders-0")).unwrap().len().to_string()
}

/// Whether a few records that were just appended are to be synced now.
fn sync_is_due(settings: &Configs) -> String {
    let partition = led(settings);
    for _ in 0..3 {
        partition.produce(record(1_000, b"key", Some(b"value")), Acks::Leader).unwrap();
    }
    partition.lock().flush_queued.to_string()
}

/// Whether a producer that trusts the leader alone waits for its disk.
fn leaders_own_word(settings: &Configs) -> String {
    let produced = led(settings).produce(record(1_000, b"key", Some(b"value")), Acks::Leader);
    produced.unwrap().ack.is_some().to_string()
}

/// What a replica outside of the ISR asks for when the budget of its broker is spent.
fn asked_as_follower(settings: &Configs) -> String {
    let started = ["follower.replication.throttled.rate=1"];
    let follower = partition(&SimDisk::new(), settings, &started, &[BrokerId(2), ME], &[BrokerId(2)]);
    crate::replication::asked_with_budget_spent(&follower, BrokerId(2)).to_string()
}

/// What a follower outside of the ISR gets once the budget of its leader is spent.
fn served_to_followers(settings: &Configs) -> String {
    let started = ["leader.replication.throttled.rate=1"];
    let partition = partition(&SimDisk::new(), settings, &started, &[ME, BrokerId(2)], &[ME]);
    partition.produce(record(1_000, b"key", Some(b"value")), Acks::Leader).unwrap();
    let fetch = FollowerFetch {
        broker_id: BrokerId(2),
        broker_epoch: EPOCH,
        leader_epoch: LeaderEpoch(0),
        fetch_offset: Offset(0),
        last_fetched_epoch: None,
        log_start: Offset(0),
        high_watermark: Offset(0),
    };
    let mut sizes = String::new();
    for _ in 0..2 {
        let planned = partition.plan_read(Reader::Follower(fetch), Offset(0), 1 << 20).unwrap();
        write!(sizes, "{} ", planned.read().unwrap().size_bytes()).unwrap();
    }
    sizes
}

/// Who leads when the only replica in sync is gone, by the controllers.
fn who_leads(settings: &Configs) -> String {
    let mut state = State::new(common::ClusterId("test".into()));
    let mut index = 0;
    let mut apply = |command: Command| {
        index += 1;
        let proposal = Proposal { time_ms: 0, author: "test".into(), request_id: None, command };
        state.apply(MetadataVersion(index), &proposal).result.unwrap();
        state.clone()
    };
    for id in [1, 2] {
        apply(Command::RegisterBroker {
            broker_id: BrokerId(id),
            incarnation_id: IncarnationId(Uuid::from_u128(7)),
            host: "localhost".into(),
            port: 1,
            kafka_port: None,
            rack: None,
            directory_id: None,
            previous_is_gone: true,
        });
    }
    let mut configs = settings.clone();
    configs.insert("min.insync.replicas".into(), "1".into());
    let mut state = apply(Command::CreateTopic {
        topic_name: TopicName::new("orders").unwrap(),
        topic_id: TopicId(Uuid::from_u128(1)),
        num_partitions: 1,
        replication_factor: 2,
        configs,
        assignments: Some(vec![vec![BrokerId(1), BrokerId(2)]]),
        placement_seed: 0,
        internal: false,
    });
    for id in [2, 1] {
        let epoch = state.broker(BrokerId(id)).unwrap().broker_epoch;
        apply(Command::FenceBrokers { brokers: vec![(BrokerId(id), epoch)] });
    }
    let broker_epoch = state.broker(BrokerId(2)).unwrap().broker_epoch;
    state = apply(Command::UnfenceBroker { broker_id: BrokerId(2), broker_epoch });
    format!("{:?}", state.topic("orders").unwrap().partitions[0].leader)
}

#[test]
fn a_batch_that_is_packed_anew_is_judged_like_any_other() {
    let partition = leader(&SimDisk::new(), &[("compression.type", "gzip"), ("max.message.bytes", "500")]);
    // Small enough as it was sent, and too large as it would be stored.
    let noise: Vec<u8> =
        (0..600_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect();
    let mut sent = BatchBuilder::new(Compression::Zstd);
    sent.record(1_000, Some(b"key"), Some(&noise));
    let sent: Bytes = sent.build(Offset(0)).unwrap().into();
    assert!(partition.recompresses(&sent));
    assert!(partition.produce(sent, Acks::All).is_err());
    let mut altered = record(1_000, b"key", Some(b"value")).to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let error = partition.produce(altered.into(), Acks::All).unwrap_err();
    assert!(error.to_string().contains("CRC"), "{error}");
    let fits = record(1_000, b"key", Some(b"value"));
    assert_eq!(partition.produce(fits, Acks::All).unwrap().appended.base_offset, Offset(0));
}
