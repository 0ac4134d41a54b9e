//! The full image of the metadata as bytes: written once per version and shared by all who ask, so that a herd of
//! brokers that pull after a failover costs one serialization (F11).

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Bytes;
use common::{ClusterId, MetadataVersion, NodeId, broker_config::Configs};
use http_api::{BrokerInfo, ControllerInfo, RaftMember, broker_configs::AllBrokerConfigs, topics::TopicRef};
use metadata_core::State;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{
    api::Api,
    brokers,
    refusal::{Answer, Refusal},
};

/// An image beyond so many partitions is written on a thread of its own: it takes milliseconds.
const PARTITIONS_INLINE_MAX: usize = 500;

/// The newest image that was asked for.
#[derive(Default)]
pub(crate) struct ImageCache {
    /// Held while an image is written, so that those who want the same one wait for it instead of writing it too.
    newest: tokio::sync::Mutex<Option<Image>>,
}

struct Image {
    /// What it shows: another version, controller or membership makes another image.
    shows: Shows,
    json: Bytes,
}

#[derive(PartialEq, Eq)]
struct Shows {
    version: MetadataVersion,
    controller: Option<(NodeId, u64)>,
    members: Vec<RaftMember>,
}

/// [`http_api::ClusterImage`] that borrows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageRef<'a> {
    cluster_id: &'a ClusterId,
    version: MetadataVersion,
    full: bool,
    controller_leader_id: Option<NodeId>,
    controller_info: Option<ControllerInfo>,
    brokers: Vec<BrokerInfo>,
    broker_configs: AllBrokerConfigs,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    group_configs: BTreeMap<&'a str, &'a Configs>,
    feature_level: u16,
    topics: TopicsOf<'a>,
    total_partitions: usize,
    active_metadata_nodes: Vec<RaftMember>,
}

/// The topics of a state, written one by one.
struct TopicsOf<'a>(&'a State);

impl Serialize for TopicsOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut topics = serializer.serialize_seq(Some(self.0.topic_count()))?;
        for topic in self.0.topics() {
            topics.serialize_element(&TopicRef::from(topic.as_ref()))?;
        }
        topics.end()
    }
}

/// The image of the applied state and its version.
pub(crate) async fn current(api: &Arc<Api>) -> Answer<(Bytes, MetadataVersion)> {
    let mut newest = api.images.newest.lock().await;
    let state = api.consensus.read(Clone::clone);
    let controller = api.controller_info();
    let shows = Shows {
        version: state.version(),
        controller: controller.as_ref().map(|info| (info.controller_id, info.controller_term.0)),
        members: api.consensus.status().members,
    };
    if let Some(image) = newest.as_ref()
        && image.shows == shows
    {
        return Ok((image.json.clone(), shows.version));
    }
    let members = shows.members.clone();
    // The next image is about as large as the last one.
    let begin_with = newest.as_ref().map_or(0, |image| image.json.len());
    let json = written(state, move |state| write(state, controller, members, begin_with)).await?;
    let version = shows.version;
    *newest = Some(Image { shows, json: json.clone() });
    Ok((json, version))
}

/// All topics of the applied state as JSON.
pub(crate) async fn topics(api: &Arc<Api>) -> Answer<Bytes> {
    let state = api.consensus.read(Clone::clone);
    written(state, |state| to_json(&TopicsOf(state), 0)).await
}

/// Has `write` write `state`, without holding up other requests if that takes long.
async fn written(state: State, write: impl FnOnce(&State) -> Bytes + Send + 'static) -> Answer<Bytes> {
    if state.total_partitions() <= PARTITIONS_INLINE_MAX {
        return Ok(write(&state));
    }
    let written = tokio::task::spawn_blocking(move || write(&state)).await;
    written.map_err(|error| Refusal::because(http_api::ErrorCode::Internal, error.to_string()))
}

fn to_json(value: &impl Serialize, bytes: usize) -> Bytes {
    let mut json = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut json, value).expect("plain structs with string keys have a JSON form");
    Bytes::from(json)
}

fn write(
    state: &State,
    controller: Option<ControllerInfo>,
    members: Vec<RaftMember>,
    begin_with: usize,
) -> Bytes {
    let image = ImageRef {
        cluster_id: state.cluster_id(),
        version: state.version(),
        full: true,
        controller_leader_id: controller.as_ref().map(|info| info.controller_id),
        controller_info: controller,
        brokers: state.brokers().map(|broker| brokers::shown(state, broker)).collect(),
        broker_configs: state.broker_configs().into(),
        group_configs: state.group_configs().iter().collect(),
        feature_level: state.feature_level(),
        topics: TopicsOf(state),
        total_partitions: state.total_partitions(),
        active_metadata_nodes: members,
    };
    to_json(&image, begin_with + begin_with / 8)
}
