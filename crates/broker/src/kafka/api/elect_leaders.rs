//! ElectLeaders (43), versions 0 to 2: gives partitions back to their preferred leaders, or gives those that have no
//! leader one that may lack records. Who asks for all partitions is told of those that needed it, as far as this broker knew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use client::api;
use common::{Partition, PartitionId, Topic, TopicId, TopicName};
use http_api::elections::{ElectLeadersRequest as Wish, PartitionRef};
use kafka_wire::{
    ErrorCode,
    messages::{
        ElectLeadersRequest, ElectLeadersResponse,
        elect_leaders::{PartitionResult, ReplicaElectionResult, TopicPartitions},
    },
};
use metadata_core::outcome::Election;

use super::{Call, KNOWN_WAIT};
use crate::kafka::errors;

/// `ElectionType` of elections that may lose records.
const UNCLEAN: i8 = 1;

/// Since this version the answer has an error of its own.
const ERROR_SINCE: i16 = 1;

/// What came of elections, by topic.
type Answers = BTreeMap<String, Vec<PartitionResult>>;

pub(super) async fn handle(call: Arc<Call>, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let unclean = request.election_type == UNCLEAN;
    let (error_code, answers) = match request.topic_partitions {
        Some(topics) => elect_named(&call, topics, unclean).await,
        None => elect_all(&call, unclean).await,
    };
    let topics = answers.into_iter();
    let replica_election_results =
        topics.map(|(topic, partition_result)| ReplicaElectionResult { topic, partition_result }).collect();
    // Before, the answer has no error of its own.
    let error_code = if call.version() >= ERROR_SINCE { error_code } else { ErrorCode::NONE };
    ElectLeadersResponse { error_code, replica_election_results, ..ElectLeadersResponse::default() }
}

async fn elect_named(call: &Call, topics: Vec<TopicPartitions>, unclean: bool) -> (ErrorCode, Answers) {
    let mut answers = Answers::new();
    let mut partitions = Vec::new();
    for topic in topics {
        for index in topic.partitions {
            match TopicName::new(&topic.topic).ok().filter(|name| exists(call, name, index)) {
                Some(topic_name) => {
                    partitions.push(PartitionRef { topic_name, partition: PartitionId(index) });
                }
                None => {
                    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                    answers.entry(topic.topic.clone()).or_default().push(result(index, code, None));
                }
            }
        }
    }
    // An empty list would mean all.
    if partitions.is_empty() {
        return (ErrorCode::NONE, answers);
    }
    let wish = Wish { partitions: partitions.clone(), unclean };
    match call.server.metadata.call(&api::elect_leaders(&wish)).await {
        Ok(elected) => {
            for election in elected.results {
                let code = code_of(election.result, unclean);
                let topic = election.topic_name.as_str().to_owned();
                answers.entry(topic).or_default().push(result(election.partition.0, code, None));
            }
        }
        Err(error) => {
            let (code, message) = (errors::of_call(&error), error.to_string());
            for PartitionRef { topic_name, partition } in partitions {
                let failed = result(partition.0, code, Some(message.clone()));
                answers.entry(topic_name.as_str().to_owned()).or_default().push(failed);
            }
        }
    }
    (ErrorCode::NONE, answers)
}

/// The controllers elect, wherever it is needed. What came of it, the metadata show.
async fn elect_all(call: &Call, unclean: bool) -> (ErrorCode, Answers) {
    let image = &call.server.image;
    let is_fine = |partition: &Partition| match unclean {
        true => partition.leader.is_some(),
        false => partition.leader == partition.replicas.first().copied(),
    };
    let needed: Vec<(TopicId, BTreeSet<PartitionId>)> = image.read(|state| {
        let needed = |topic: &Arc<Topic>| {
            let partitions = topic.partitions.iter().filter(|partition| !is_fine(partition));
            (topic.topic_id, partitions.map(|partition| partition.id).collect())
        };
        state
            .topics()
            .map(needed)
            .filter(|(_, partitions): &(_, BTreeSet<_>)| !partitions.is_empty())
            .collect()
    });
    let wish = Wish { partitions: Vec::new(), unclean };
    let elected = match call.server.metadata.call(&api::elect_leaders(&wish)).await {
        Ok(elected) => elected,
        Err(error) => return (errors::of_call(&error), Answers::new()),
    };
    let known = image.wait_for(|state| (state.version() >= elected.metadata_version).then_some(()));
    if tokio::time::timeout(KNOWN_WAIT, known).await.is_err() {
        return (ErrorCode::REQUEST_TIMED_OUT, Answers::new());
    }
    let answers = image.read(|state| {
        let answers = needed.iter().filter_map(|(id, partitions)| {
            let topic = state.topic_by_id(*id)?;
            let is_wanted = |partition: &&Partition| partitions.contains(&partition.id);
            let results = topic.partitions.iter().filter(is_wanted).map(|partition| {
                let election = if is_fine(partition) { Election::Elected } else { Election::NotAvailable };
                result(partition.id.0, code_of(election, unclean), None)
            });
            Some((topic.topic_name.as_str().to_owned(), results.collect()))
        });
        answers.collect()
    });
    (ErrorCode::NONE, answers)
}

fn exists(call: &Call, topic: &TopicName, index: i32) -> bool {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    call.server.image.read(|state| state.topic(topic.as_str()).is_some_and(|it| index < it.partitions.len()))
}

fn code_of(election: Election, unclean: bool) -> ErrorCode {
    match election {
        Election::Elected => ErrorCode::NONE,
        Election::NotNeeded => ErrorCode::ELECTION_NOT_NEEDED,
        Election::NotAvailable if unclean => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
        Election::NotAvailable => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
    }
}

fn result(partition_id: i32, error_code: ErrorCode, message: Option<String>) -> PartitionResult {
    PartitionResult { partition_id, error_code, error_message: message }
}
