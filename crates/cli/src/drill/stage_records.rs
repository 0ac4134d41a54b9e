//! The part of a stage that is about records.

use std::time::Instant;

use client::api;
use common::{BrokerId, BrokerStatus, PartitionId};
use http_api::{
    CreateTopicRequest, ErrorCode, TopicInfo,
    reassignments::{ReassignRequest, ReassignmentRequest},
};
use kafka_client::Address;
use local_cluster::{Observer, wait_for};

use super::{
    records::{
        history::Mark,
        workload::{Load, RecordWorkload},
    },
    stage::{DEADLINE, Seen, Stage, patient},
};
use crate::exit::Failure;

/// Partitions of the records' topic.
const PARTITIONS: usize = 6;

/// Replicas of each, if there are so many brokers.
const REPLICAS: usize = 3;

/// Creates a topic and starts to write to it. `None`: there are no brokers.
pub(super) async fn start(
    observer: &Observer,
    brokers: &[BrokerId],
    load: Load,
) -> Result<Option<RecordWorkload>, Failure> {
    if brokers.is_empty() {
        return Ok(None);
    }
    let client = patient(observer);
    let bootstrap = kafka_addresses(observer).await?;
    let name = format!("drill-records-{}", uuid::Uuid::new_v4().simple());
    let replicas = brokers.len().min(REPLICAS);
    let mut create = CreateTopicRequest {
        topic_name: name.clone(),
        num_partitions: i64::try_from(PARTITIONS).ok(),
        replication_factor: i64::try_from(replicas).ok(),
        ..CreateTopicRequest::default()
    };
    let min_isr = replicas.min(2).to_string();
    create.configs.insert("min.insync.replicas".to_owned(), min_isr);
    client.call(&api::create_topic(&create)).await?;
    let records = RecordWorkload::start(bootstrap, name, PARTITIONS, load);
    if !records.advance(DEADLINE).await {
        return Err(Failure::failed("no records are acknowledged and read, before anything was broken"));
    }
    Ok(Some(records))
}

/// Where the brokers listen for Kafka's protocol.
pub(crate) async fn kafka_addresses(observer: &Observer) -> Result<Vec<Address>, Failure> {
    let infos = patient(observer).call(&api::brokers()).await?.into_iter();
    let bootstrap: Vec<Address> =
        infos.filter_map(|info| Some(Address::new(info.host.clone(), info.kafka_port?))).collect();
    if bootstrap.is_empty() {
        return Err(Failure::usage("no broker has a Kafka port, and this drill writes records"));
    }
    Ok(bootstrap)
}

/// Records must still be written and read; then every one of them is accounted for.
pub(super) async fn close(
    observer: &Observer,
    records: RecordWorkload,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let advanced = records.advance(DEADLINE).await;
    seen.check("records are written and read afterwards, in every partition", advanced, || {
        format!("not within {} s", DEADLINE.as_secs())
    });
    let topic = records.topic().to_owned();
    let verdicts = records.stop(DEADLINE).await?;
    let kept = verdicts.values().all(super::records::history::PartitionVerdict::is_kept);
    for (partition, verdict) in verdicts {
        seen.records.entry(partition).or_default().merge(verdict);
    }
    // What is wrong stays there to be looked at.
    if kept {
        patient(observer).call(&api::delete_topic(&topic)).await?;
    }
    Ok(())
}

fn no_brokers() -> Failure {
    Failure::usage("this drill needs brokers")
}

impl Stage<'_> {
    /// The records' topic, as the controller has it.
    pub(crate) async fn record_topic(&self) -> Result<TopicInfo, Failure> {
        let records = self.records.as_ref();
        let records = records.ok_or_else(no_brokers)?;
        Ok(patient(&self.observer).call(&api::topic(records.topic())).await?)
    }

    /// Where the brokers listen for Kafka's protocol.
    pub(crate) async fn kafka_addresses(&self) -> Result<Vec<Address>, Failure> {
        kafka_addresses(&self.observer).await
    }

    /// All partitions of the records' topic.
    pub(crate) fn record_partitions(&self) -> Vec<PartitionId> {
        self.records.as_ref().map(RecordWorkload::partitions).unwrap_or_default()
    }

    /// Waits until a record that was sent after the fault took effect is acknowledged in each of these partitions, and
    /// another one shown to the consumer; notes how long after the beginning of the fault that was. To be called once the
    /// fault is in effect.
    pub(crate) async fn record_outage(
        &mut self,
        fault: Instant,
        partitions: &[PartitionId],
    ) -> Result<(), Failure> {
        let since = self.record_mark()?;
        let (written, read) = self.records_again(&since, partitions).await?;
        self.time("producers' outage", written.duration_since(fault));
        self.time("consumer's outage", read.duration_since(fault));
        Ok(())
    }

    /// Marks this moment in the records' history.
    pub(crate) fn record_mark(&self) -> Result<Mark, Failure> {
        let records = self.records.as_ref().ok_or_else(no_brokers)?;
        Ok(records.history().mark())
    }

    /// Waits until a record that was sent after the mark is acknowledged in each of these partitions, and another one shown
    /// to the consumer: when that was.
    pub(crate) async fn records_again(
        &self,
        since: &Mark,
        partitions: &[PartitionId],
    ) -> Result<(Instant, Instant), Failure> {
        let records = self.records.as_ref().ok_or_else(no_brokers)?;
        let written = records.wait(DEADLINE, |history| history.all_acknowledged(partitions, since)).await;
        let read = records.wait(DEADLINE, |history| history.all_shown(partitions, since)).await;
        let late =
            |what| Failure::failed(format!("no record is {what} {} s after the fault", DEADLINE.as_secs()));
        Ok((written.ok_or_else(|| late("acknowledged"))?, read.ok_or_else(|| late("read"))?))
    }

    /// Begins to move every partition of the records' topic to other brokers, drawn at random from those that are online.
    pub(crate) async fn move_records(&self, random: &mut fastrand::Rng) -> Result<(), Failure> {
        let topic = self.record_topic().await?;
        let brokers = patient(&self.observer).call(&api::brokers()).await?.into_iter();
        let online = brokers.filter(|broker| broker.status == BrokerStatus::Online);
        let online: Vec<BrokerId> = online.map(|broker| broker.broker_id).collect();
        let reassignments = topic.partitions.iter().map(|partition| ReassignmentRequest {
            topic_name: topic.topic_name.clone(),
            partition: partition.id,
            replicas: Some(random.choose_multiple(&online, REPLICAS).into_iter().copied().collect()),
        });
        let request = ReassignRequest { reassignments: reassignments.collect() };
        let answer = patient(&self.observer).call(&api::reassign_partitions(&request)).await?;
        let problems = answer.results.into_iter().filter_map(|result| result.problem);
        // A broker may have been found dead meanwhile: the partition stays where it is.
        match problems.into_iter().find(|problem| problem.code != ErrorCode::InvalidAssignment) {
            Some(problem) => Err(Failure::failed(problem)),
            None => Ok(()),
        }
    }

    /// Waits until all replicas of the records' topic are in sync.
    pub(crate) async fn in_sync(&self) -> Result<(), Failure> {
        if self.records.is_none() {
            return Ok(());
        }
        let brokers = self.target.brokers()?.len();
        let wait = wait_for("all replicas are in sync", DEADLINE, async || {
            let topic = self.record_topic().await.map_err(|failure| failure.message)?;
            let behind: Vec<_> =
                topic.partitions.iter().filter(|one| one.isr.len() != REPLICAS.min(brokers)).collect();
            if behind.is_empty() { Ok(()) } else { Err(format!("{behind:?}")) }
        });
        wait.await.map_err(Failure::failed)
    }
}
