//! DescribeAcls (29), versions 1 to 3: there are no ACLs, and whoever asks is told what a Kafka without an authorizer tells. Tools
//! know that answer, and go on without ACLs (MirrorMaker does, for one).

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{DescribeAclsRequest, DescribeAclsResponse},
};

use super::Call;

/// Why there is nothing to describe, to create or to delete.
pub(super) const NO_ACLS: &str = "there are no ACLs here: any client may do everything";

pub(super) async fn handle(_: Arc<Call>, _: DescribeAclsRequest) -> DescribeAclsResponse {
    DescribeAclsResponse {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some(NO_ACLS.to_owned()),
        ..DescribeAclsResponse::default()
    }
}
