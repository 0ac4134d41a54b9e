//! The state as a stream of self-describing records. Framing, compression and checksums are the node's business.

use std::{collections::BTreeMap, sync::Arc};

use common::{Broker, BrokerId, ClusterId, MetadataVersion, Topic};
use serde::{Deserialize, Serialize};

use crate::{
    Outcome, Rejection, RequestId, State,
    state::{Features, ProducerIds, Remembered},
};

/// The format that [`State::records`](crate::State::records) writes.
pub const SNAPSHOT_FORMAT: u16 = 1;

/// One record of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Record {
    /// Comes first, once.
    Header {
        /// [`SNAPSHOT_FORMAT`] of the writer.
        format: u16,
        /// Which cluster.
        cluster_id: ClusterId,
        /// The state's version.
        version: MetadataVersion,
        /// The feature level in force.
        feature_level: u16,
        /// The first producer id that was never handed out.
        next_producer_id: i64,
        /// How many broker records follow.
        brokers: usize,
        /// How many records with settings of brokers follow.
        #[serde(default, skip_serializing_if = "is_zero")]
        broker_configs: usize,
        /// How many records with settings of groups follow.
        #[serde(default, skip_serializing_if = "is_zero")]
        group_configs: usize,
        /// How many topic records follow.
        topics: usize,
        /// How many request records follow.
        requests: usize,
        /// The state's digest.
        digest: u64,
    },
    /// A broker.
    Broker {
        /// The broker.
        broker: Broker,
    },
    /// Settings that are kept for brokers.
    BrokerConfigs {
        /// For which one; `None`: for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broker_id: Option<BrokerId>,
        /// By name.
        configs: BTreeMap<String, String>,
    },
    /// Settings that are kept for a group.
    GroupConfigs {
        /// For which one.
        group_id: String,
        /// By name.
        configs: BTreeMap<String, String>,
    },
    /// A topic with its partitions.
    Topic {
        /// The topic.
        topic: Arc<Topic>,
    },
    /// A remembered request, the oldest first.
    Request {
        /// Its key.
        request_id: RequestId,
        /// When it was remembered, by the leader's clock, in Unix milliseconds.
        time_ms: u64,
        /// Fingerprint of its command.
        fingerprint: u64,
        /// What it was answered.
        result: Result<Outcome, Rejection>,
    },
}

/// Older builds know no such count, and have none to write.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Why records make no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError<E> {
    /// Reading the next record failed.
    #[error("{0}")]
    Source(E),
    /// The first record is not a header, or a later one is.
    #[error("snapshot record {position}: expected {expected}")]
    Misplaced {
        /// Which record, from 0.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// Written by a build that has another format.
    #[error("snapshot format {found} is not known to this build, which reads {SNAPSHOT_FORMAT}")]
    UnknownFormat {
        /// The header's format.
        found: u16,
    },
    /// Other than the header promised.
    #[error("snapshot holds {found} {what} where its header says {expected}")]
    Count {
        /// Records of which kind.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The records do not give the state they were written from.
    #[error("snapshot digest is {found:016x} where its header says {expected:016x}")]
    Digest {
        /// The header's.
        expected: u64,
        /// The rebuilt state's.
        found: u64,
    },
    /// The rebuilt state cannot be.
    #[error("snapshot breaks an invariant: {0}")]
    Invariant(String),
}

impl State {
    /// The whole state as a stream of records: a header, then brokers, settings, topics and remembered requests. Nothing is
    /// copied but what is shared, so the caller may clone the state and read at leisure.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let header = Record::Header {
            format: SNAPSHOT_FORMAT,
            cluster_id: self.cluster_id.clone(),
            version: self.version,
            feature_level: self.features.level,
            next_producer_id: self.producer_ids.next,
            brokers: self.brokers.len(),
            broker_configs: self.broker_configs.len(),
            group_configs: self.group_configs.len(),
            topics: self.topics.len(),
            requests: self.requests.len(),
            digest: self.digest(),
        };
        let brokers = self.brokers.iter().map(|broker| Record::Broker { broker: broker.clone() });
        let all = Some(self.broker_configs.of_all()).filter(|configs| !configs.is_empty());
        let of_all = all.map(|configs| Record::BrokerConfigs { broker_id: None, configs: configs.clone() });
        let of_one = self
            .broker_configs
            .brokers()
            .map(|(id, configs)| Record::BrokerConfigs { broker_id: Some(id), configs: configs.clone() });
        let of_groups = self.group_configs.iter().map(|(group_id, configs)| Record::GroupConfigs {
            group_id: group_id.to_owned(),
            configs: configs.clone(),
        });
        let topics = self.topics.iter().map(|topic| Record::Topic { topic: Arc::clone(topic) });
        let requests = self.requests.iter().cloned().map(|request| Record::Request {
            request_id: request.request_id,
            time_ms: request.time_ms,
            fingerprint: request.fingerprint,
            result: request.result,
        });
        let settings = of_all.into_iter().chain(of_one).chain(of_groups);
        std::iter::once(header).chain(brokers).chain(settings).chain(topics).chain(requests)
    }

    /// The state that gave these records.
    ///
    /// # Errors
    /// The source's own error; and a refusal of a stream that is cut short, altered, of a newer format, or whose
    /// state would break an invariant.
    pub fn from_records<E>(
        records: impl IntoIterator<Item = Result<Record, E>>,
    ) -> Result<Self, SnapshotError<E>> {
        let mut records = records.into_iter();
        let first = records.next().transpose().map_err(SnapshotError::Source)?;
        let Some(Record::Header {
            format,
            cluster_id,
            version,
            feature_level,
            next_producer_id,
            brokers,
            broker_configs,
            group_configs,
            topics,
            requests,
            digest,
        }) = first
        else {
            return Err(SnapshotError::Misplaced { position: 0, expected: "a header" });
        };
        if format != SNAPSHOT_FORMAT {
            return Err(SnapshotError::UnknownFormat { found: format });
        }
        let mut state = Self::new(cluster_id);
        state.version = version;
        state.features = Features { level: feature_level };
        state.producer_ids = ProducerIds { next: next_producer_id };
        for (position, record) in (1..).zip(records) {
            state.restore(position, record.map_err(SnapshotError::Source)?)?;
        }
        let counts = [
            ("brokers", brokers, state.brokers.len()),
            ("settings of brokers", broker_configs, state.broker_configs.len()),
            ("settings of groups", group_configs, state.group_configs.len()),
            ("topics", topics, state.topics.len()),
            ("requests", requests, state.requests.len()),
        ];
        if let Some((what, expected, found)) =
            counts.into_iter().find(|(_, expected, found)| expected != found)
        {
            return Err(SnapshotError::Count { what, expected, found });
        }
        state.check_entities().map_err(SnapshotError::Invariant)?;
        let found = state.digest();
        if found == digest { Ok(state) } else { Err(SnapshotError::Digest { expected: digest, found }) }
    }

    fn restore<E>(&mut self, position: usize, record: Record) -> Result<(), SnapshotError<E>> {
        match record {
            Record::Header { .. } => {
                return Err(SnapshotError::Misplaced { position, expected: "anything but a second header" });
            }
            Record::Broker { broker } => {
                self.brokers.insert(broker);
            }
            Record::BrokerConfigs { broker_id, configs } => {
                self.broker_configs.set(broker_id, configs);
            }
            Record::GroupConfigs { group_id, configs } => {
                self.group_configs.set(&group_id, configs);
            }
            Record::Topic { topic } => self.insert_topic(topic),
            Record::Request { request_id, time_ms, fingerprint, result } => {
                self.requests.remember(Remembered { request_id, time_ms, fingerprint, result });
            }
        }
        Ok(())
    }
}
