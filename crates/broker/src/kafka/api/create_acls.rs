//! CreateAcls (30), versions 1 to 3: refused, each of them, as there are none. See [`describe_acls`](super::describe_acls).

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{CreateAclsRequest, CreateAclsResponse, create_acls::AclCreationResult},
};

use super::{Call, describe_acls::NO_ACLS};

pub(super) async fn handle(_: Arc<Call>, request: CreateAclsRequest) -> CreateAclsResponse {
    let refused = || AclCreationResult {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some(NO_ACLS.to_owned()),
    };
    let results = request.creations.iter().map(|_| refused()).collect();
    CreateAclsResponse { results, ..CreateAclsResponse::default() }
}
