//! `POST /api/v1/groups/{group}/offsets`: a group without members goes on elsewhere. A dry run unless it says otherwise; the
//! answer shows each partition either way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use common::{Offset, PartitionId, TopicName};
use coordinator::{
    GroupState,
    api::{FetchedTopic, OffsetCommit, OffsetCommitPartition, OffsetCommitTopic},
};
use http_api::{
    ErrorCode, Problem,
    groups::{ResetGroupRequest, ResetGroupResponse, ResetPartition, ResetTo, ResetTopic},
    paths,
};
use kafka_client::{IsolationLevel, OffsetSpec, TopicPartition};
use runtime::http::{JsonBody, NoParams, Refusal, Segments};

use super::{
    describe::look,
    lag::{self, Bounds},
    route::{self, Routed},
};
use crate::http::{records::problems, router::Context};

/// Reset a group
///
/// The group must have no members. Without `"dryRun": false` nothing is changed: the answer shows what would be.
#[utoipa::path(
    post,
    path = paths::GROUP_OFFSETS,
    tag = "groups",
    operation_id = "resetGroup",
    params(("group" = String, Path, description = "The group's id")),
    request_body = ResetGroupRequest,
    responses(
        (status = 200, body = ResetGroupResponse),
        (status = 404, description = "No such group, topic or partition", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The group has members", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its coordinator or a leader does not answer; nothing was changed", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Its coordinator was lost meanwhile: whether it was put there is not known", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn reset(
    State(context): State<Arc<Context>>,
    Segments(group_id): Segments<String>,
    _: NoParams,
    request_headers: HeaderMap,
    JsonBody(request): JsonBody<ResetGroupRequest>,
) -> Result<Response, Refusal> {
    let path = paths::group_offsets(&group_id);
    if request.topics.is_some() {
        // A group may begin by being put somewhere, and be the first of all.
        route::ensure_topic(&context).await?;
    }
    let routed = Routed::new(&context, &group_id, Method::POST, path, &request_headers)
        .with_body(|| &request)
        .changing(!request.dry_run);
    let local = || async {
        let partitions = plan(&context, &group_id, &request).await?;
        if !request.dry_run {
            commit(&context, &group_id, &partitions).await?;
            context.lines.stir(&group_id);
        }
        let (group_id, dry_run) = (group_id.clone(), request.dry_run);
        Ok(Json(ResetGroupResponse { group_id, dry_run, partitions }).into_response())
    };
    Ok(routed.answer(local).await?)
}

/// Where each partition would go on.
async fn plan(
    context: &Context,
    group_id: &str,
    request: &ResetGroupRequest,
) -> Result<Vec<ResetPartition>, Problem> {
    let (state, committed) = match look(context, group_id).await {
        Ok((group, committed)) => (group.state, committed),
        Err(problem) if problem.code == ErrorCode::UnknownGroup && request.topics.is_some() => {
            (GroupState::Empty, Vec::new())
        }
        Err(problem) => return Err(problem),
    };
    if state != GroupState::Empty {
        return Err(route::not_empty(group_id));
    }
    let committed = offsets_of(committed);
    let places = match &request.topics {
        None => committed.keys().cloned().collect(),
        Some(topics) => wanted(context, topics)?,
    };
    let bounds = lag::bounds(context, IsolationLevel::ReadUncommitted, &places).await;
    let at_time = at_time(context, request.to, &places).await?;
    let mut planned = Vec::with_capacity(places.len());
    for place in places {
        let from = committed.get(&place).copied();
        let to = target(request.to, &place, from, &bounds, &at_time)?;
        let change = from.map(|from| to.saturating_sub(from));
        planned.push(ResetPartition { topic: place.topic, partition: place.partition.0, from, to, change });
    }
    Ok(planned)
}

fn offsets_of(committed: Vec<FetchedTopic>) -> BTreeMap<TopicPartition, i64> {
    let mut offsets = BTreeMap::new();
    for topic in committed {
        for partition in topic.partitions {
            if let Ok(Some(value)) = partition.result {
                let place = TopicPartition::new(topic.name.as_str(), PartitionId(partition.partition));
                offsets.insert(place, value.offset.0);
            }
        }
    }
    offsets
}

/// The partitions that the request names; they must exist.
fn wanted(context: &Context, topics: &[ResetTopic]) -> Result<Vec<TopicPartition>, Problem> {
    let (mut places, mut whole) = (BTreeSet::new(), BTreeSet::new());
    for topic in topics {
        let name = topic.topic.as_str();
        let count = context.image.read(|state| state.topic(name).map(|topic| topic.partitions.len()));
        let count = count.ok_or_else(|| problems::unknown_topic(name))?;
        let ids = 0..i32::try_from(count).unwrap_or(i32::MAX);
        let place = |id| TopicPartition::new(name, PartitionId(id));
        match &topic.partitions {
            // However often it is named, it is taken once.
            None if whole.insert(name) => places.extend(ids.map(place)),
            None => {}
            Some(wanted) => {
                if let Some(id) = wanted.iter().find(|id| !ids.contains(id)) {
                    return Err(problems::unknown_partition(name, PartitionId(*id), count));
                }
                places.extend(wanted.iter().copied().map(place));
            }
        }
    }
    Ok(places.into_iter().collect())
}

type AtTime = BTreeMap<TopicPartition, Option<Offset>>;

/// The first offsets since a time, if that is what is wanted.
async fn at_time(context: &Context, to: ResetTo, places: &[TopicPartition]) -> Result<AtTime, Problem> {
    let ResetTo::Timestamp(time_ms) = to else { return Ok(AtTime::new()) };
    let asked = places.iter().map(|place| (place.clone(), OffsetSpec::Timestamp(time_ms)));
    Ok(context.records.cluster()?.offsets_within(IsolationLevel::ReadUncommitted, asked, lag::PATIENCE).await)
}

fn target(
    to: ResetTo,
    place: &TopicPartition,
    from: Option<i64>,
    bounds: &Bounds,
    at_time: &AtTime,
) -> Result<i64, Problem> {
    let silent = || {
        let detail = format!("the leader of {}-{} does not answer", place.topic, place.partition);
        Problem::new(ErrorCode::LeaderUnreachable, detail)
    };
    let (start, end) = *bounds.get(place).ok_or_else(silent)?;
    Ok(match to {
        ResetTo::Earliest => start,
        ResetTo::Latest => end,
        ResetTo::Timestamp(_) => at_time.get(place).ok_or_else(silent)?.map_or(end, |offset| offset.0),
        ResetTo::Offset(offset) => offset.clamp(start, end),
        ResetTo::Shift(by) => from.unwrap_or(start).saturating_add(by).clamp(start, end),
    })
}

async fn commit(context: &Context, group_id: &str, partitions: &[ResetPartition]) -> Result<(), Problem> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitPartition>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(partition.topic.as_str()).or_default().push(OffsetCommitPartition {
            partition: partition.partition,
            offset: Offset(partition.to),
            leader_epoch: -1,
            metadata: String::new(),
        });
    }
    let topic = |(name, partitions): (&str, Vec<OffsetCommitPartition>)| {
        let topic_id = context.image.read(|state| state.topic(name).map(|topic| topic.topic_id));
        Some(OffsetCommitTopic { name: TopicName::new(name).ok()?, topic_id, partitions })
    };
    let commit = OffsetCommit {
        group_id: group_id.into(),
        member_id: "".into(),
        group_instance_id: None,
        generation_id_or_member_epoch: -1,
        supports_member_epochs: true,
        retention_time_ms: None,
        topics: topics.into_iter().filter_map(topic).collect(),
    };
    let committed = route::change(context, group_id, commit).await?;
    let results = committed.into_iter().flat_map(|topic| topic.partitions).map(|partition| partition.result);
    results.collect::<Result<(), _>>().map_err(|error| route::refused(group_id, &error))
}
