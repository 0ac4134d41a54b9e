//! `GET /api/v1/groups`: all groups of the cluster.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State, http::HeaderMap};
use common::{BrokerId, topic_name::CONSUMER_OFFSETS_TOPIC};
use coordinator::api::{ListGroups, ListedGroup};
use futures_util::future::try_join_all;
use http_api::{ErrorCode, Problem, groups::GroupSummary, headers, paths};
use runtime::http::{NoParams, Refusal};

use super::route;
use crate::http::router::Context;

/// List groups
///
/// By id. Every coordinator is asked; one that does not answer fails the call.
#[utoipa::path(
    get,
    path = paths::GROUPS,
    tag = "groups",
    operation_id = "listGroups",
    responses(
        (status = 200, body = Vec<GroupSummary>),
        (status = 503, description = "A coordinator does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn list(
    State(context): State<Arc<Context>>,
    _: NoParams,
    request_headers: HeaderMap,
) -> Result<Json<Vec<GroupSummary>>, Refusal> {
    let (own, context) = (context.broker_id, &*context);
    let coordinators = if request_headers.contains_key(headers::FORWARDED_BY) {
        BTreeSet::from([own])
    } else {
        coordinators(context)
    };
    let asked = coordinators
        .into_iter()
        .map(|id| async move { if id == own { local(context).await } else { remote(context, id).await } });
    let mut groups: Vec<GroupSummary> = try_join_all(asked).await?.into_iter().flatten().collect();
    groups.sort_by(|one, other| one.group_id.cmp(&other.group_id));
    Ok(Json(groups))
}

/// The leaders of `__consumer_offsets`.
fn coordinators(context: &Context) -> BTreeSet<BrokerId> {
    let topic = context.image.read(|state| state.topic(CONSUMER_OFFSETS_TOPIC).cloned());
    topic.iter().flat_map(|topic| &topic.partitions).filter_map(|partition| partition.leader).collect()
}

async fn local(context: &Context) -> Result<Vec<GroupSummary>, Problem> {
    let groups = context.groups.ask_all(&ListGroups::default()).await;
    let groups = groups.map_err(|unavailable| {
        let problem = Problem::new(ErrorCode::CoordinatorNotAvailable, unavailable.to_string());
        route::explained(context, None, problem)
    })?;
    let summary = |group: ListedGroup| GroupSummary {
        group_id: group.group_id.as_str().to_owned(),
        group_type: group.group_type.as_str().to_owned(),
        state: group.state.as_str().to_owned(),
        protocol_type: group.protocol_type,
        coordinator_id: context.broker_id,
    };
    Ok(groups.into_iter().flatten().map(summary).collect())
}

async fn remote(context: &Context, coordinator: BrokerId) -> Result<Vec<GroupSummary>, Problem> {
    let reply = route::read(context, coordinator, paths::GROUPS).await?;
    if reply.status.is_success() {
        let unreadable = |error| Problem::new(ErrorCode::Internal, format!("broker {coordinator}: {error}"));
        return reply.json().map_err(unreadable);
    }
    let unreadable =
        || Problem::new(ErrorCode::CoordinatorNotAvailable, format!("broker {coordinator} failed"));
    Err(reply.json().unwrap_or_else(|_| unreadable()))
}
