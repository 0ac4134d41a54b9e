//! How large records may get. What no log takes is refused when it is asked for, before anything has changed: once decided,
//! it could only be forgotten together with everything else.
//!
//! Only records that grow with what clients say are looked at. Sizes are estimates from above: how records are written is not
//! known here.

use common::limits::GROUP_ID_BYTES_MAX;

use crate::{
    GroupError, Settings,
    api::{ConsumerGroupHeartbeat, JoinGroup, Protocol},
    assignment::Assignment,
    records::GroupMetadataValue,
};

/// A record without the texts that a client has a say in, and with the batch around it; in bytes.
const RECORD_BYTES: usize = 512 + GROUP_ID_BYTES_MAX;

/// What a text or a list takes beside its own bytes.
const FIELD_BYTES: usize = 8;

/// The longest name of a topic.
const TOPIC_NAME_BYTES: usize = 249;

impl Settings {
    /// That the log takes a record of so many bytes.
    pub(crate) fn check_record(&self, bytes: usize) -> Result<(), GroupError> {
        let max = self.record_bytes_max;
        if bytes > max { Err(GroupError::RecordTooLarge { bytes, max }) } else { Ok(()) }
    }
}

/// The record of a classic group.
pub(crate) fn of_group(value: &GroupMetadataValue) -> usize {
    let members = value.members.iter().map(|member| {
        let instance = member.group_instance_id.as_ref().map_or(0, |id| id.as_str().len());
        let names = member.member_id.as_str().len() + member.client_id.len() + member.client_host.len();
        instance + names + member.subscription.len() + member.assignment.len() + 8 * FIELD_BYTES
    });
    RECORD_BYTES + value.protocol_type.len() + members.sum::<usize>()
}

/// The record of a member of a consumer group that sends this heartbeat.
pub(crate) fn of_consumer(request: &ConsumerGroupHeartbeat) -> usize {
    let names = request.subscribed_topic_names.iter().flatten().map(|name| name.len() + FIELD_BYTES);
    let expression = request.subscribed_topic_regex.as_ref().map_or(0, String::len);
    of_names([&request.client_id, &request.client_host]) + names.sum::<usize>() + expression
}

/// The record of a member of a consumer group that joins by the classic protocol: the topics that it reads are written twice.
pub(crate) fn of_classic_consumer(request: &JoinGroup) -> usize {
    of_names([&request.client_id, &request.client_host]) + of_protocols(&request.protocols)
}

/// What a member says under its protocols, and what is taken out of the first.
pub(crate) fn of_protocols(protocols: &[Protocol]) -> usize {
    let each =
        protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len() + 2 * FIELD_BYTES);
    // Names have two bytes of length there, and eight here.
    let topics = protocols.first().map_or(0, |protocol| 4 * protocol.metadata.len());
    RECORD_BYTES + each.sum::<usize>() + topics
}

/// A share, written as the classic protocol does.
pub(crate) fn of_share(assignment: &Assignment) -> usize {
    let topics = assignment.topics().map(|(_, partitions)| TOPIC_NAME_BYTES + 4 * partitions.len());
    topics.map(|topic| topic + FIELD_BYTES).sum()
}

fn of_names(names: [&String; 2]) -> usize {
    RECORD_BYTES + names.into_iter().map(String::len).sum::<usize>()
}
