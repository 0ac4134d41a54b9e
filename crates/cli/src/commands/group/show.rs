//! How groups are shown.

use std::io::{self, Write};

use http_api::groups::{GroupInfo, GroupMember, GroupOffset, GroupSummary, ResetGroupResponse};
use serde::Serialize;

use crate::output::{Render, Table, comma_separated, count, or_dash};

/// All of them in short.
#[derive(Serialize)]
pub(super) struct GroupList(pub(super) Vec<GroupSummary>);

impl Render for GroupList {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["GROUP", "STATE", "TYPE", "PROTOCOL", "COORDINATOR"]);
        for group in &self.0 {
            let protocol = Some(&group.protocol_type).filter(|it| !it.is_empty());
            table.row([
                group.group_id.clone(),
                group.state.clone(),
                group.group_type.clone(),
                or_dash(protocol),
                group.coordinator_id.to_string(),
            ]);
        }
        table.write(out)
    }
}

/// One of them.
#[derive(Serialize)]
pub(super) struct Description(pub(super) GroupInfo);

impl Render for Description {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self(group) = self;
        let summary = &group.summary;
        // These have no lag, however much is in them.
        let never = match group.offsets.iter().filter(|offset| offset.offset.is_none()).count() {
            0 => String::new(),
            never => format!(", nothing committed in {}", count(never, "partition")),
        };
        writeln!(out, "group {}  {}  generation {}", summary.group_id, group.state_text, group.generation)?;
        writeln!(
            out,
            "{} protocol, {}, coordinated by broker {}, {} behind{never}",
            summary.group_type,
            if group.protocol.is_empty() { "no assignor" } else { &group.protocol },
            summary.coordinator_id,
            count(group.lag, "record")
        )?;
        if !group.members.is_empty() {
            writeln!(out)?;
            members(&group.members, group.leader.as_deref()).write(out)?;
        }
        if !group.offsets.is_empty() {
            writeln!(out)?;
            offsets(&group.offsets).write(out)?;
        }
        Ok(())
    }
}

fn members(members: &[GroupMember], leader: Option<&str>) -> Table<4> {
    let mut table = Table::new(["MEMBER", "CLIENT", "HOST", "PARTITIONS"]);
    for member in members {
        let parts = member.assignment.iter();
        let parts = parts.map(|topic| format!("{}:{}", topic.topic, comma_separated(&topic.partitions)));
        let leads = if leader == Some(&member.member_id) { " (leader)" } else { "" };
        table.row([
            format!("{}{leads}", member.member_id),
            member.client_id.clone(),
            member.client_host.trim_start_matches('/').to_owned(),
            comma_separated(parts),
        ]);
    }
    table
}

fn offsets(offsets: &[GroupOffset]) -> Table<7> {
    let mut table = Table::new(["TOPIC", "PARTITION", "OFFSET", "END", "LAG", "BEHIND", "MEMBER"]);
    for offset in offsets {
        table.row([
            offset.topic.clone(),
            offset.partition.to_string(),
            or_dash(offset.offset),
            or_dash(offset.log_end_offset),
            or_dash(offset.lag),
            or_dash(offset.lag_ms.map(behind)),
            or_dash(offset.member_id.as_ref()),
        ]);
    }
    table
}

/// A time that a group is behind.
fn behind(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// Where one goes on, or would.
#[derive(Serialize)]
pub(super) struct Reset(pub(super) ResetGroupResponse);

impl Render for Reset {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["TOPIC", "PARTITION", "FROM", "TO", "CHANGE"]);
        for partition in &self.0.partitions {
            table.row([
                partition.topic.clone(),
                partition.partition.to_string(),
                or_dash(partition.from),
                partition.to.to_string(),
                or_dash(partition.change.map(|change| format!("{change:+}"))),
            ]);
        }
        table.write(out)
    }
}
