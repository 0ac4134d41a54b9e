//! Names and small files of the data directory, as Kafka has them.

use common::{PartitionId, TopicId, TopicName};
use uuid::Uuid;

/// The longest file name, in bytes, of the file systems we know.
const NAME_BYTES_MAX: usize = 255;

/// The file in a replica's directory that names its topic's id.
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";

/// Its first line; another number is another format.
const FORMAT_LINE: &str = "version: 0";

/// What a directory's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DirKind {
    /// A replica.
    Replica(TopicName, PartitionId),
    /// Data of a deleted topic.
    Deleted,
    /// Data that was in the way.
    Stray,
    /// None of ours.
    Other,
}

/// Why a directory was put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aside {
    Deleted,
    Stray,
}

impl Aside {
    fn suffix(self) -> &'static str {
        match self {
            Self::Deleted => "-delete",
            Self::Stray => "-stray",
        }
    }
}

/// `orders-0`. The grammar of topic names has no separators and no `..`, so this is one path segment.
pub(super) fn replica_dir_name(topic: &TopicName, partition: PartitionId) -> String {
    format!("{topic}-{partition}")
}

/// `orders-0.<uuid>-delete`; a long topic name is cut, as the uuid keeps it unique anyway.
pub(super) fn aside_dir_name(dir: &str, aside: Aside) -> String {
    let ending = format!(".{}{}", Uuid::new_v4().simple(), aside.suffix());
    let kept = dir.len().min(NAME_BYTES_MAX - ending.len());
    format!("{}{ending}", dir.get(..kept).unwrap_or_default())
}

/// What a name means. A replica's ends in a number, so no topic name can make it look like something else.
pub(super) fn dir_kind(name: &str) -> DirKind {
    if name.ends_with(Aside::Deleted.suffix()) {
        return DirKind::Deleted;
    }
    if name.ends_with(Aside::Stray.suffix()) {
        return DirKind::Stray;
    }
    let parsed = name.rsplit_once('-').and_then(|(topic, partition)| {
        let partition = partition.parse::<PartitionId>().ok().filter(|partition| partition.0 >= 0)?;
        Some((TopicName::new(topic).ok()?, partition))
    });
    match parsed {
        // `orders-007` is not how we write it.
        Some((topic, partition)) if replica_dir_name(&topic, partition) == name => {
            DirKind::Replica(topic, partition)
        }
        _ => DirKind::Other,
    }
}

/// The text of a [`PARTITION_METADATA`] file.
pub(super) fn partition_metadata(topic_id: TopicId) -> String {
    format!("{FORMAT_LINE}\ntopic_id: {topic_id}\n")
}

/// The topic id in such a text; `None` if it is torn or of another format.
pub(super) fn parse_partition_metadata(text: &str) -> Option<TopicId> {
    let complete = text.strip_suffix('\n')?;
    let (format, topic_id) = complete.split_once('\n')?;
    if format != FORMAT_LINE {
        return None;
    }
    topic_id.strip_prefix("topic_id: ")?.parse().ok()
}
