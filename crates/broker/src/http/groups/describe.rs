//! `GET /api/v1/groups/{group}`: a group with its members, its offsets, and how far it is behind.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use coordinator::api::{DescribeGroup, FetchedTopic, GroupDescription, OffsetFetch};
use http_api::{
    Problem,
    groups::{GroupInfo, GroupMember, GroupOffset, GroupSummary},
    paths,
};
use runtime::http::{NoParams, Refusal, Segments};

use super::{
    assignment::assigned_topics,
    lag,
    route::{self, Routed},
    words,
};
use crate::http::router::Context;

/// Partitions of which the time is told; for the rest of a very large group it is left out.
const LOOKS_MAX: usize = 1_000;

/// Describe a group
///
/// `stateText` says in words what the group is doing, and whom it waits for; `lag` is in records, `lagMs` in time.
#[utoipa::path(
    get,
    path = paths::GROUP,
    tag = "groups",
    operation_id = "getGroup",
    params(("group" = String, Path, description = "The group's id")),
    responses(
        (status = 200, body = GroupInfo),
        (status = 404, description = "No such group", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its coordinator does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn describe(
    State(context): State<Arc<Context>>,
    Segments(group_id): Segments<String>,
    _: NoParams,
    request_headers: HeaderMap,
) -> Result<Response, Refusal> {
    let routed = Routed::new(&context, &group_id, Method::GET, paths::group(&group_id), &request_headers);
    let local = || async {
        let (group, offsets) = look(&context, &group_id).await?;
        Ok(Json(info(&context, &group_id, group, offsets).await).into_response())
    };
    Ok(routed.answer(local).await?)
}

/// A group that this broker coordinates, and its offsets.
pub(super) async fn look(
    context: &Context,
    group_id: &str,
) -> Result<(GroupDescription, Vec<FetchedTopic>), Problem> {
    let group = route::ask(context, group_id, DescribeGroup { group_id: group_id.into() }).await?;
    let all = OffsetFetch {
        group_id: group_id.into(),
        member_id: None,
        member_epoch: -1,
        topics: None,
        require_stable: false,
    };
    Ok((group, route::ask(context, group_id, all).await?))
}

async fn info(
    context: &Context,
    group_id: &str,
    group: GroupDescription,
    committed: Vec<FetchedTopic>,
) -> GroupInfo {
    let state_text = words::state(&group);
    let members: Vec<GroupMember> = group
        .members
        .into_iter()
        .map(|member| GroupMember {
            member_id: member.member_id.as_str().to_owned(),
            instance_id: member.group_instance_id.map(|id| id.as_str().to_owned()),
            client_id: member.client_id,
            client_host: member.client_host,
            assignment: assigned_topics(&member.assignment),
        })
        .collect();
    let mut offsets = of_partitions(committed, &members);
    lag::fill_in(context, &mut offsets, LOOKS_MAX).await;
    GroupInfo {
        summary: GroupSummary {
            group_id: group_id.to_owned(),
            group_type: group.group_type.as_str().to_owned(),
            state: group.state.as_str().to_owned(),
            protocol_type: group.protocol_type,
            coordinator_id: context.broker_id,
        },
        state_text,
        protocol: group.protocol_name,
        generation: group.generation_id,
        leader: group.leader.map(|id| id.as_str().to_owned()),
        members,
        lag: offsets.iter().filter_map(|offset| offset.lag).sum(),
        offsets,
    }
}

/// Each partition that has an offset or a member, in order.
fn of_partitions(committed: Vec<FetchedTopic>, members: &[GroupMember]) -> Vec<GroupOffset> {
    let mut partitions: BTreeMap<(String, i32), GroupOffset> = BTreeMap::new();
    let place =
        |topic: &str, partition| GroupOffset { topic: topic.to_owned(), partition, ..GroupOffset::default() };
    for topic in committed {
        for fetched in topic.partitions {
            let Ok(Some(value)) = fetched.result else { continue };
            let name = topic.name.as_str();
            let offset = partitions
                .entry((name.to_owned(), fetched.partition))
                .or_insert_with(|| place(name, fetched.partition));
            offset.offset = Some(value.offset.0);
            offset.metadata = value.metadata;
            offset.committed_at = Some(value.commit_timestamp_ms);
        }
    }
    for member in members {
        for topic in &member.assignment {
            for partition in &topic.partitions {
                let offset = partitions
                    .entry((topic.topic.clone(), *partition))
                    .or_insert_with(|| place(&topic.topic, *partition));
                offset.member_id = Some(member.member_id.clone());
            }
        }
    }
    partitions.into_values().collect()
}
