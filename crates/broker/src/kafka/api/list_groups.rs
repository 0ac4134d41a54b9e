//! ListGroups (16), versions 0 to 5: the groups that this broker coordinates. Clients ask every broker.

use std::sync::Arc;

use coordinator::{GroupState, GroupType, api};
use kafka_wire::messages::{ListGroupsRequest, ListGroupsResponse, list_groups::ListedGroup};

use super::Call;
use crate::kafka::errors;

pub(super) async fn handle(call: Arc<Call>, request: ListGroupsRequest) -> ListGroupsResponse {
    let states: Vec<_> = request.states_filter.iter().filter_map(|name| GroupState::parse(name)).collect();
    let types: Vec<_> = request.types_filter.iter().filter_map(|name| GroupType::parse(name)).collect();
    // Nothing is in a state, or of a type, that does not exist; an empty filter would be none.
    if (states.is_empty() && !request.states_filter.is_empty())
        || (types.is_empty() && !request.types_filter.is_empty())
    {
        return ListGroupsResponse::default();
    }
    match call.server.groups.ask_all(&api::ListGroups { states, types }).await {
        Ok(groups) => ListGroupsResponse {
            groups: groups.into_iter().flatten().map(listed).collect(),
            ..ListGroupsResponse::default()
        },
        Err(unavailable) => ListGroupsResponse {
            error_code: errors::of_unavailable(unavailable),
            ..ListGroupsResponse::default()
        },
    }
}

fn listed(group: api::ListedGroup) -> ListedGroup {
    ListedGroup {
        group_id: group.group_id.as_str().to_owned(),
        protocol_type: group.protocol_type,
        group_state: group.state.as_str().to_owned(),
        group_type: group.group_type.as_str().to_owned(),
    }
}
