//! High watermarks on disk, so that a broker that starts knows what was committed before it has heard of anybody: a
//! leader that is alone serves its consumers, and a follower knows what it must not cut.
//!
//! One small file for all partitions, replaced now and then and at the end (Kafka: `replication-offset-checkpoint`). It may
//! be behind, or be gone: a high watermark that is too low only waits for followers to raise it. It is never ahead of what
//! was committed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{Offset, PartitionId, TopicId};
use runtime::atomic_file;

use super::{Partition, Partitions};

/// Name in the data directory.
const FILE_NAME: &str = "high-watermarks";

const FORMAT_VERSION: u32 = 1;

/// By topic and partition.
pub(super) type Marks = BTreeMap<(TopicId, PartitionId), Offset>;

/// The file, and what is in it.
#[derive(Debug, Clone)]
pub(super) struct HighWatermarks {
    path: PathBuf,
    written: Marks,
}

impl HighWatermarks {
    /// Reads what a former process noted. What cannot be read counts as not noted.
    pub(super) fn read(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE_NAME);
        let written = match atomic_file::read(&path, FORMAT_VERSION) {
            Ok(payload) => {
                payload.map_or_else(Marks::new, |payload| parse(&String::from_utf8_lossy(&payload)))
            }
            Err(error) => {
                tracing::warn!(event = "partition.no_high_watermarks", "{error}: beginning without");
                Marks::new()
            }
        };
        Self { path, written }
    }

    /// What was noted of a partition; 0: nothing.
    pub(super) fn of(&self, topic: TopicId, partition: PartitionId) -> Offset {
        self.written.get(&(topic, partition)).copied().unwrap_or_default()
    }

    /// What is known of these partitions now; where a log is not open yet, what was noted before.
    pub(super) fn of_all(&self, partitions: &Partitions) -> Marks {
        let mark = |partition: Arc<Partition>| {
            let name = partition.name();
            let key = (name.topic_id, name.partition);
            let mark = partition.high_watermark().or_else(|| self.written.get(&key).copied())?;
            Some((key, mark))
        };
        partitions.all().into_iter().filter_map(mark).collect()
    }

    /// Notes these, if they are new. Blocks.
    pub(super) fn write(&mut self, marks: Marks) {
        if marks == self.written {
            return;
        }
        match atomic_file::write(&self.path, FORMAT_VERSION, render(&marks).as_bytes()) {
            Ok(()) => self.written = marks,
            Err(error) => tracing::warn!(event = "partition.no_high_watermarks", "not noted: {error}"),
        }
    }
}

/// A line each: topic id, partition, offset.
fn render(marks: &Marks) -> String {
    marks.iter().map(|((topic, partition), offset)| format!("{topic} {partition} {offset}\n")).collect()
}

fn parse(text: &str) -> Marks {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        let topic = fields.next()?.parse().ok()?;
        let partition = fields.next()?.parse().ok()?;
        let offset = fields.next()?.parse().ok().filter(|offset| *offset >= 0)?;
        Some(((topic, partition), Offset(offset)))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_noted_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let topic = TopicId(Uuid::from_u128(5));
        let mut noted = HighWatermarks::read(dir.path());
        assert_eq!(noted.of(topic, PartitionId(1)), Offset(0));
        noted.write([((topic, PartitionId(1)), Offset(7)), ((topic, PartitionId(2)), Offset(9))].into());
        let found = HighWatermarks::read(dir.path());
        assert_eq!(
            (found.of(topic, PartitionId(1)), found.of(topic, PartitionId(2))),
            (Offset(7), Offset(9))
        );
        std::fs::write(dir.path().join(FILE_NAME), "rot").unwrap();
        assert_eq!(HighWatermarks::read(dir.path()).of(topic, PartitionId(1)), Offset(0));
    }
}
