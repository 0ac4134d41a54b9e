//! Proposals of ISRs to the controllers: all that wait at one time go in one call, and the next call is made when it is
//! answered.

use std::sync::Arc;

use client::{CallError, MetadataClient, api};
use common::{BrokerEpoch, limits::ISR_CHANGES_PER_COMMAND_MAX};
use http_api::{
    ErrorCode,
    isr::{AlterIsrRequest, AlterIsrResponse, IsrChangeResult},
};
use metadata_core::command::{IsrChange, IsrMember};
use replica::{IsrAnswer, IsrProposal};

use super::{ReplicationFigures, ReplicationOptions, followed::backoff};
use crate::{
    follower::Follower,
    partition::{Partition, Services},
};

/// Takes what leaders want to the controllers.
#[derive(Debug)]
pub(super) struct Proposer {
    pub(super) options: ReplicationOptions,
    pub(super) services: Arc<Services>,
    pub(super) link: Follower,
    pub(super) metadata: MetadataClient,
    pub(super) figures: ReplicationFigures,
}

type Proposed = (Arc<Partition>, IsrProposal);

impl Proposer {
    /// Runs for ever.
    pub(super) async fn run(self) {
        loop {
            let wanted = self.services.proposals().take().await.into_iter();
            let proposed: Vec<Proposed> = wanted
                .filter_map(|partition| Some((partition.isr_proposal()?, partition)))
                .map(swap)
                .collect();
            for batch in proposed.chunks(ISR_CHANGES_PER_COMMAND_MAX) {
                self.propose(batch).await;
            }
        }
    }

    async fn propose(&self, batch: &[Proposed]) {
        let Some(broker_epoch) = self.link.status().broker_epoch else {
            // Not registered: then nothing is led either, or soon not any more.
            return answer_all(batch, &IsrAnswer::Refused);
        };
        let request = self.request(batch, broker_epoch);
        match self.ask(batch, &request).await {
            Some(Ok(response)) => {
                for ((partition, proposal), result) in batch.iter().zip(response.results) {
                    self.figures.isr_answered(result.state.is_some());
                    partition.isr_answered(proposal, understood(partition, result));
                }
            }
            Some(Err(error)) => {
                tracing::warn!(event = "replication.isr_refused", %error, "the controller takes no ISR changes");
                self.figures.isr_answered(false);
                answer_all(batch, &IsrAnswer::Refused);
            }
            None => {}
        }
    }

    /// Asks under one idempotency key until there is an answer that settles it, or nobody wants it any more.
    async fn ask(
        &self,
        batch: &[Proposed],
        request: &AlterIsrRequest,
    ) -> Option<Result<AlterIsrResponse, CallError>> {
        let call = api::alter_isr(request);
        let mut failures = 0;
        loop {
            let error = match self.metadata.call(&call).await {
                Ok(response) => return Some(Ok(response)),
                Err(error @ CallError::Problem(_)) => return Some(Err(error)),
                Err(error) => error,
            };
            tracing::debug!(event = "replication.isr_unanswered", %error, "asking again");
            let wanted =
                |(partition, proposal): &Proposed| partition.isr_proposal().as_ref() == Some(proposal);
            if !batch.iter().any(wanted) {
                return None;
            }
            tokio::time::sleep(backoff(failures)).await;
            failures = failures.saturating_add(1);
        }
    }

    fn request(&self, batch: &[Proposed], broker_epoch: BrokerEpoch) -> AlterIsrRequest {
        let change = |(partition, proposal): &Proposed| {
            let name = partition.name();
            let member = |member: &replica::IsrMember| IsrMember {
                broker_id: member.broker_id,
                broker_epoch: member.broker_epoch,
            };
            IsrChange {
                topic_name: name.topic.clone(),
                topic_id: name.topic_id,
                partition: name.partition,
                leader_epoch: proposal.leader_epoch,
                partition_epoch: proposal.partition_epoch,
                new_isr: proposal.new_isr.iter().map(member).collect(),
            }
        };
        let changes = batch.iter().map(change).collect();
        AlterIsrRequest { broker_id: self.options.broker_id, broker_epoch, changes }
    }
}

fn swap((proposal, partition): (IsrProposal, Arc<Partition>)) -> Proposed {
    (partition, proposal)
}

fn answer_all(batch: &[Proposed], answer: &IsrAnswer) {
    for (partition, proposal) in batch {
        partition.isr_answered(proposal, answer.clone());
    }
}

fn understood(partition: &Partition, result: IsrChangeResult) -> IsrAnswer {
    match (result.state, result.problem) {
        (Some(state), _) => {
            let members = state.isr.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            tracing::info!(event = "replication.isr_changed", partition = %partition.name(), isr = %members, "ISR changed");
            IsrAnswer::Committed(state)
        }
        (None, problem) => {
            let code = problem.as_ref().map(|problem| problem.code);
            let detail = problem.map(|problem| problem.detail).unwrap_or_default();
            tracing::info!(event = "replication.isr_refused", partition = %partition.name(), "{detail}");
            match code {
                Some(ErrorCode::FencedLeaderEpoch | ErrorCode::InvalidUpdateVersion) => IsrAnswer::OutOfDate,
                _ => IsrAnswer::Refused,
            }
        }
    }
}
