//! ElectLeaders (43), versions 0 to 2: gives partitions back to their preferred leaders, or gives those that have no
//! leader one that may lack records.

use std::{collections::BTreeMap, sync::Arc};

use client::api;
use common::{PartitionId, TopicName};
use http_api::elections::{ElectLeadersRequest as Wish, PartitionRef};
use kafka_wire::{
    ErrorCode,
    messages::{
        ElectLeadersRequest, ElectLeadersResponse,
        elect_leaders::{PartitionResult, ReplicaElectionResult},
    },
};
use metadata_core::outcome::Election;

use super::Call;
use crate::kafka::errors;

/// `ElectionType` of elections that may lose records.
const UNCLEAN: i8 = 1;

/// Since this version the answer has an error of its own.
const ERROR_SINCE: i16 = 1;

pub(super) async fn handle(call: Arc<Call>, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let unclean = request.election_type == UNCLEAN;
    let mut answers: BTreeMap<String, Vec<PartitionResult>> = BTreeMap::new();
    let mut partitions = Vec::new();
    let named = request.topic_partitions.is_some();
    for topic in request.topic_partitions.unwrap_or_default() {
        for index in topic.partitions {
            match TopicName::new(&topic.topic).ok().filter(|name| exists(&call, name, index)) {
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
    let mut error_code = ErrorCode::NONE;
    // An empty list would mean all.
    if !named || !partitions.is_empty() {
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
                error_code =
                    if call.version() >= ERROR_SINCE && partitions.is_empty() { code } else { error_code };
                for PartitionRef { topic_name, partition } in partitions {
                    let failed = result(partition.0, code, Some(message.clone()));
                    answers.entry(topic_name.as_str().to_owned()).or_default().push(failed);
                }
            }
        }
    }
    let topics = answers.into_iter();
    let replica_election_results =
        topics.map(|(topic, partition_result)| ReplicaElectionResult { topic, partition_result }).collect();
    ElectLeadersResponse { error_code, replica_election_results, ..ElectLeadersResponse::default() }
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
