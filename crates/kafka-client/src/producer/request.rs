//! Produce and InitProducerId as requests, and what their answers say.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use commit_log::{Offset, ProducerId, batch::BuildError};
use common::{BrokerId, LeaderEpoch};
use kafka_wire::{
    ErrorCode, Records,
    messages::{
        InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
        produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData},
    },
};

use super::{
    Acks,
    accumulator::Place,
    handle::Shared,
    queue::{Batch, Identity},
};
use crate::{
    address::Address,
    cluster::{Cluster, ClusterError, Leader, LeaderHint, TopicMetadata},
    connection::{CallError, Connection, Pending, Unanswered},
};

/// The last version of Produce that names topics by their names.
const VERSION_WITH_NAMES: i16 = 12;

/// The batches of one request: at most one of each partition.
#[derive(Debug, Default)]
pub(super) struct Sent {
    batches: Vec<(Place, Batch)>,
    size: usize,
}

/// A request, with the highest version that can carry it.
#[derive(Debug)]
pub(super) struct Outgoing {
    produce: ProduceRequest,
    version_max: i16,
}

/// What a broker says of a partition.
#[derive(Debug, Clone)]
pub(super) struct PartitionAnswer {
    pub(super) code: ErrorCode,
    pub(super) message: Option<Arc<str>>,
    pub(super) base_offset: Option<Offset>,
    pub(super) hint: Option<LeaderHint>,
    /// The broker says that the batch is certainly not in its log.
    pub(super) nothing_appended: bool,
}

impl Sent {
    /// Whether another batch fits in; the first always does.
    pub(super) fn has_room(&self, request_bytes_max: usize) -> bool {
        self.size < request_bytes_max
    }

    pub(super) fn push(&mut self, place: Place, batch: Batch) {
        self.size += batch.size;
        self.batches.push((place, batch));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn into_batches(self) -> impl ExactSizeIterator<Item = (Place, Batch)> {
        self.batches.into_iter()
    }

    /// Makes the bytes of all batches; gives back those that cannot be made.
    pub(super) fn build(&mut self) -> Vec<(Place, Batch, BuildError)> {
        let mut failed = Vec::new();
        for (place, mut batch) in std::mem::take(&mut self.batches) {
            match batch.bytes() {
                Ok(_) => self.batches.push((place, batch)),
                Err(error) => failed.push((place, batch, error)),
            }
        }
        failed
    }

    /// The request.
    pub(super) fn request(
        &mut self,
        shared: &Shared,
        topic: impl Fn(Place) -> Option<Arc<TopicMetadata>>,
    ) -> Outgoing {
        self.batches.sort_by_key(|(place, _)| (place.topic, place.partition));
        let timeout_ms = shared.cluster.options().connection.request_timeout.as_millis();
        let mut produce = ProduceRequest {
            transactional_id: None,
            acks: shared.options.acks.code(),
            timeout_ms: i32::try_from(timeout_ms).unwrap_or(i32::MAX),
            topic_data: Vec::new(),
        };
        let mut version_max = i16::MAX;
        let mut last = None;
        for (place, batch) in &mut self.batches {
            if last != Some(place.topic) {
                let metadata = topic(*place);
                let topic_id = metadata.as_ref().map(|metadata| metadata.id).unwrap_or_default();
                let name = metadata.map(|metadata| metadata.name.to_string()).unwrap_or_default();
                if topic_id.is_nil() {
                    version_max = VERSION_WITH_NAMES;
                }
                produce.topic_data.push(TopicProduceData { name, topic_id, partition_data: Vec::new() });
                last = Some(place.topic);
            }
            let index = i32::try_from(place.partition).unwrap_or(-1);
            // Made before, or it would not be here.
            let records = Records::from(batch.bytes().unwrap_or_else(|_| Bytes::new()));
            if let Some(topic) = produce.topic_data.last_mut() {
                topic.partition_data.push(PartitionProduceData { index, records });
            }
        }
        Outgoing { produce, version_max }
    }

    /// What the response says of each batch, in their order; `None`: nothing.
    pub(super) fn answers(
        &self,
        request: &Outgoing,
        response: ProduceResponse,
    ) -> Vec<Option<PartitionAnswer>> {
        let ProduceResponse { responses, node_endpoints, .. } = response;
        let address = |broker: i32| {
            let node = node_endpoints.iter().find(|node| node.node_id == broker)?;
            Address::advertised(&node.host, node.port)
        };
        let partitions = request
            .produce
            .topic_data
            .iter()
            .flat_map(|topic| topic.partition_data.iter().map(move |partition| (topic, partition.index)));
        let answers = partitions.map(|(topic, index)| {
            let told = responses.iter().find(|told| {
                if told.name.is_empty() { told.topic_id == topic.topic_id } else { told.name == topic.name }
            })?;
            let told = told.partition_responses.iter().find(|partition| partition.index == index)?;
            Some(PartitionAnswer::of(told, address))
        });
        answers.collect()
    }
}

impl PartitionAnswer {
    fn of(told: &PartitionProduceResponse, address: impl Fn(i32) -> Option<Address>) -> Self {
        let current = &told.current_leader;
        let leader = Leader { broker: BrokerId(current.leader_id), epoch: LeaderEpoch(current.leader_epoch) };
        let hint =
            (current.leader_id >= 0).then(|| LeaderHint { leader, address: address(current.leader_id) });
        let message = told.error_message.as_deref().or_else(|| {
            // The message of a single record says more than none.
            told.record_errors.iter().find_map(|error| error.batch_index_error_message.as_deref())
        });
        Self {
            code: told.error_code,
            message: message.map(Into::into),
            base_offset: (told.error_code.is_none() && told.base_offset >= 0)
                .then_some(Offset(told.base_offset)),
            hint,
            nothing_appended: told.nothing_appended,
        }
    }
}

/// A request that is on its way.
#[derive(Debug)]
pub(super) enum OnItsWay {
    Answered(Pending<ProduceRequest>),
    Unanswered(Unanswered),
}

/// Sends a request.
pub(super) async fn send(
    connection: &Connection,
    request: &Outgoing,
    acks: Acks,
) -> Result<OnItsWay, CallError> {
    let Outgoing { produce, version_max } = request;
    if acks == Acks::None {
        return connection.start_unanswered(produce, *version_max).await.map(OnItsWay::Unanswered);
    }
    connection.start(produce, *version_max, Duration::ZERO).await.map(OnItsWay::Answered)
}

impl OnItsWay {
    /// The answer; `None` with `acks=0`, when the request is written.
    pub(super) async fn answer(self) -> Result<Option<ProduceResponse>, CallError> {
        match self {
            Self::Answered(pending) => pending.answer().await.map(Some),
            Self::Unanswered(unanswered) => unanswered.written().await.map(|()| None),
        }
    }
}

/// Asks for an identity until there is one, or none can be had.
pub(super) async fn identify(cluster: &Cluster) -> Result<Identity, ClusterError> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
    };
    let mut patience = cluster.patience();
    loop {
        match ask(cluster, &request).await {
            Ok(InitProducerIdResponse { error_code, producer_id, producer_epoch, .. }) => {
                if error_code.is_none() {
                    return Ok(Identity { id: ProducerId(producer_id), epoch: producer_epoch });
                }
                let what = "InitProducerId".to_owned();
                patience.after(ClusterError::Refused { what, code: error_code, message: None }).await?;
            }
            Err(error) => patience.after(error).await?,
        }
    }
}

async fn ask(
    cluster: &Cluster,
    request: &InitProducerIdRequest,
) -> Result<InitProducerIdResponse, ClusterError> {
    Ok(cluster.any().await?.call(request).await?)
}
