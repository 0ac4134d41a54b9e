//! The words of a command, and the sentences for answers that no client remembers.

use coordinator::{
    Reply,
    api::{CommittedTopic, FetchedTopic, GroupDescription, LeasedOffset, Positions},
};

use super::since;

/// The words of one line.
pub(crate) struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self(line.split_whitespace().collect())
    }

    pub(crate) fn command(&self) -> &'a str {
        self.0[0]
    }

    /// The word at a place; nothing past the end.
    pub(crate) fn at(&self, index: usize) -> &'a str {
        self.0.get(index).copied().unwrap_or_default()
    }

    pub(crate) fn rest(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().skip(1).copied()
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(|word| word.split_once('='))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

pub(crate) fn tell_data(name: &str, reply: Reply) -> String {
    match reply {
        Reply::OffsetCommit(Ok(topics)) | Reply::TxnOffsetCommit(Ok(topics)) => {
            tell_partitions(name, "noted", &topics)
        }
        Reply::OffsetCommit(Err(error)) | Reply::TxnOffsetCommit(Err(error)) => {
            format!("{name} cannot commit: {error}")
        }
        Reply::OffsetFetch(Ok(topics)) => tell_offsets(&topics),
        Reply::OffsetFetch(Err(error)) => format!("no offsets: {error}"),
        Reply::OffsetDelete(Ok(topics)) => tell_partitions(name, "forgotten", &topics),
        Reply::OffsetDelete(Err(error)) => format!("{name} cannot forget: {error}"),
        Reply::DescribeGroup(Ok(group)) => tell_group(&group),
        Reply::DescribeGroup(Err(error)) => error.to_string(),
        Reply::ListGroups(groups) => {
            let each = groups.iter().map(|group| {
                let (id, state, group_type) = (&group.group_id, group.state, group.group_type);
                format!("{id}: {state}, {group_type}, protocol type `{}`", group.protocol_type)
            });
            let lines: Vec<_> = each.collect();
            if lines.is_empty() { "no groups".to_owned() } else { lines.join("\n") }
        }
        Reply::LeasePositions(Ok(positions)) => tell_free(&positions),
        Reply::LeasePositions(Err(error)) => format!("{name} may not read: {error}"),
        Reply::LeaseRecords(Ok(reads)) => {
            let each = reads.iter().map(|offsets| {
                let each: Vec<_> = offsets.iter().map(ToString::to_string).collect();
                if each.is_empty() { "nothing".to_owned() } else { each.join(" ") }
            });
            format!("{name} has {}", each.collect::<Vec<_>>().join(", "))
        }
        Reply::LeaseRecords(Err(error)) => format!("{name} has nothing: {error}"),
        Reply::LeaseAck(Ok(acked)) => {
            let at =
                |at: &LeasedOffset| format!(", {}-{} is committed at {}", at.topic, at.partition, at.offset);
            let committed: String = acked.committed.iter().map(at).collect();
            format!("{name}: {} done, {} left{committed}", acked.acknowledged, acked.left)
        }
        Reply::LeaseAck(Err(error)) => format!("{name}: {error}"),
        Reply::DeleteGroup(Ok(())) => "deleted".to_owned(),
        Reply::DeleteGroup(Err(error)) => format!("not deleted: {error}"),
        other => panic!("no words for {other:?}"),
    }
}

/// `t-0`
pub(crate) fn partition(word: &str) -> Option<(&str, i32)> {
    let (topic, partition) = word.rsplit_once('-')?;
    Some((topic, partition.parse().ok()?))
}

/// A share as it is told: text, or the partitions of a share that a consumer reads (its versions say the same).
pub(crate) fn share(bytes: &[u8]) -> String {
    if !matches!(bytes, [0, 0..=3, ..]) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let number = |at: usize, width: usize| {
        bytes[at..at + width].iter().fold(0, |all, byte| all * 256 + usize::from(*byte))
    };
    let (mut at, mut told) = (6, Vec::new());
    for _ in 0..number(2, 4) {
        let name = String::from_utf8_lossy(&bytes[at + 2..at + 2 + number(at, 2)]).into_owned();
        at += 2 + name.len();
        let count = number(at, 4);
        told.extend((0..count).map(|index| format!("{name}-{}", number(at + 4 + 4 * index, 4))));
        at += 4 + 4 * count;
    }
    told.join(" ")
}

fn tell_partitions(name: &str, verb: &str, topics: &[CommittedTopic]) -> String {
    let each = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |asked| {
            let partition = format!("{}-{}", topic.name, asked.partition);
            match &asked.result {
                Ok(()) => format!("{name}: {partition} {verb}"),
                Err(error) => format!("{name}: {partition} not {verb}: {error}"),
            }
        })
    });
    each.collect::<Vec<_>>().join("\n")
}

fn tell_offsets(topics: &[FetchedTopic]) -> String {
    let each = topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |fetched| {
            let partition = format!("{}-{}", topic.name, fetched.partition);
            match &fetched.result {
                Ok(None) => format!("{partition}: none"),
                Ok(Some(committed)) => format!(
                    "{partition}: {} `{}` at {}",
                    committed.offset,
                    committed.metadata,
                    since(committed.commit_timestamp_ms)
                ),
                Err(error) => format!("{partition}: {error}"),
            }
        })
    });
    let lines: Vec<_> = each.collect();
    if lines.is_empty() { "no offsets".to_owned() } else { lines.join("\n") }
}

fn tell_free(positions: &Positions) -> String {
    let each = positions.free.iter().map(|free| free.map_or("not begun".to_owned(), |free| free.to_string()));
    let next = positions.next_expiry_ms.map_or(String::new(), |ms| format!("; a lease ends in {ms} ms"));
    format!("free: {}{next}", each.collect::<Vec<_>>().join(", "))
}

fn tell_group(group: &GroupDescription) -> String {
    let mut lines = vec![format!(
        "{} for {} ms, {}, generation {}, `{}` by `{}`",
        group.state,
        group.state_age_ms,
        group.group_type,
        group.generation_id,
        group.protocol_type,
        group.protocol_name
    )];
    for member in &group.members {
        let is_leader = group.leader.as_ref() == Some(&member.member_id);
        let instance =
            member.group_instance_id.as_ref().map_or_else(String::new, |id| format!(", instance {id}"));
        lines.push(format!(
            "  {}{}{instance} has `{}`",
            member.member_id,
            if is_leader { " (leader)" } else { "" },
            share(&member.assignment)
        ));
    }
    if !group.waiting_for.is_empty() {
        let names: Vec<_> = group.waiting_for.iter().map(ToString::to_string).collect();
        lines.push(format!("  waits for {}", names.join(" ")));
    }
    lines.join("\n")
}
