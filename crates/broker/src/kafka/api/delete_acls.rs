//! DeleteAcls (31), versions 1 to 3: refused, each filter, as there are none. See [`describe_acls`](super::describe_acls).

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{DeleteAclsRequest, DeleteAclsResponse, delete_acls::DeleteAclsFilterResult},
};

use super::{Call, describe_acls::NO_ACLS};

pub(super) async fn handle(_: Arc<Call>, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = || DeleteAclsFilterResult {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some(NO_ACLS.to_owned()),
        ..DeleteAclsFilterResult::default()
    };
    let filter_results = request.filters.iter().map(|_| refused()).collect();
    DeleteAclsResponse { filter_results, ..DeleteAclsResponse::default() }
}
