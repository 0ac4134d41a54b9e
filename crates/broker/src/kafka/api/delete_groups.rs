//! DeleteGroups (42), versions 0 to 2: groups without members go, with their offsets.

use std::sync::Arc;

use coordinator::api::DeleteGroup;
use kafka_wire::{
    ErrorCode,
    messages::{DeleteGroupsRequest, DeleteGroupsResponse, delete_groups::DeletableGroupResult},
};

use super::Call;
use crate::kafka::errors;

pub(super) async fn handle(call: Arc<Call>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let error_code = match call.ask(&group_id, DeleteGroup { group_id: group_id.as_str().into() }).await {
            Ok(Ok(())) => ErrorCode::NONE,
            Ok(Err(error)) => errors::of_group(&error),
            Err(unavailable) => errors::of_unavailable(unavailable),
        };
        results.push(DeletableGroupResult { group_id, error_code });
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}
