//! A bulk of records, one per line, of any length: read, written and forgotten line by line.

use std::collections::{BTreeMap, VecDeque};

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use common::{PartitionId, Topic};
use futures_util::StreamExt as _;
use http_api::{
    ErrorCode, Problem,
    records::{Acks, BulkOutcome, BulkPartition, BulkProblem, NewRecord, RecordOutcome, WrittenRecord},
};

use super::{gateway::Gateway, produce::Sent};

/// The longest line.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Records on their way at the same time.
const UNDER_WAY_MAX: usize = 4_096;

/// Records after which those without a key go to the next partition, and leaders that failed are asked again.
const TURN_RECORDS: u64 = 500;

/// Problems that are told one by one.
const PROBLEMS_MAX: usize = 100;

/// Writes every line of `body`, with `acks=all`. A line that is no record is a problem of its own; a body that breaks off
/// ends the bulk, and what was read of it is written.
pub(super) async fn write(gateway: &Gateway, topic: &Topic, body: Body) -> Result<BulkOutcome, Problem> {
    let mut lines = Lines { body: body.into_data_stream(), buffer: BytesMut::new(), ended: false };
    let mut bulk = Bulk::default();
    let mut sticky = gateway.next_partition(topic);
    let mut admissions = gateway.admissions();
    while let Some(line) = lines.next().await {
        let line = match line {
            Ok(line) => line,
            Err(problem) => {
                bulk.outcome.records += 1;
                bulk.problem(bulk.outcome.records, problem);
                break;
            }
        };
        bulk.outcome.records += 1;
        let number = bulk.outcome.records;
        if number.is_multiple_of(TURN_RECORDS) {
            (sticky, admissions) = (gateway.next_partition(topic), gateway.admissions());
        }
        let sent = match parse(&line) {
            Ok(record) => Sent::begin(gateway, &mut admissions, topic, &record, sticky, Acks::All).await,
            Err(problem) => Err(problem),
        };
        match sent {
            Ok(sent) => bulk.under_way.push_back((number, sent)),
            Err(problem) => bulk.problem(number, problem),
        }
        if bulk.under_way.len() >= UNDER_WAY_MAX {
            bulk.settle_one(gateway).await;
        }
    }
    while !bulk.under_way.is_empty() {
        bulk.settle_one(gateway).await;
    }
    bulk.outcome.partitions = bulk.partitions.into_values().collect();
    Ok(bulk.outcome)
}

/// A line as a record.
fn parse(line: &[u8]) -> Result<NewRecord, Problem> {
    serde_json::from_slice(line).map_err(|error| Problem::new(ErrorCode::InvalidRecord, error.to_string()))
}

#[derive(Default)]
struct Bulk {
    outcome: BulkOutcome,
    partitions: BTreeMap<PartitionId, BulkPartition>,
    under_way: VecDeque<(u64, Sent)>,
}

impl Bulk {
    async fn settle_one(&mut self, gateway: &Gateway) {
        let Some((line, sent)) = self.under_way.pop_front() else { return };
        match sent.outcome(gateway).await {
            RecordOutcome::Written(written) => self.written(&written),
            RecordOutcome::Problem { problem } => self.problem(line, *problem),
        }
    }

    fn written(&mut self, written: &WrittenRecord) {
        self.outcome.written += 1;
        let partition = self.partitions.entry(written.partition).or_insert(BulkPartition {
            partition: written.partition,
            written: 0,
            first_offset: written.offset,
            last_offset: written.offset,
        });
        partition.written += 1;
        partition.first_offset = partition.first_offset.min(written.offset).or(written.offset);
        partition.last_offset = partition.last_offset.max(written.offset);
    }

    fn problem(&mut self, line: u64, problem: Problem) {
        if self.outcome.problems.len() < PROBLEMS_MAX {
            self.outcome.problems.push(BulkProblem { line, problem });
        } else {
            self.outcome.problems_left_out += 1;
        }
    }
}

/// The lines of a body that are not empty.
struct Lines {
    body: BodyDataStream,
    buffer: BytesMut,
    ended: bool,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        let mut searched = 0;
        loop {
            let found = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n');
            let line = match found {
                Some(at) => self.buffer.split_to(searched + at + 1).freeze(),
                None if self.ended => std::mem::take(&mut self.buffer).freeze(),
                None => {
                    searched = self.buffer.len();
                    if searched > LINE_BYTES_MAX {
                        return Some(Err(self.too_long()));
                    }
                    match self.body.next().await {
                        Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                        Some(Err(error)) => {
                            self.ended = true;
                            self.buffer.clear();
                            let detail = format!("the body broke off: {error}");
                            return Some(Err(Problem::new(ErrorCode::InvalidRequest, detail)));
                        }
                        None => self.ended = true,
                    }
                    continue;
                }
            };
            searched = 0;
            let text = line.trim_ascii();
            if !text.is_empty() {
                return Some(Ok(line.slice_ref(text)));
            }
            if self.ended && self.buffer.is_empty() {
                return None;
            }
        }
    }

    /// Nothing is read behind such a line.
    fn too_long(&mut self) -> Problem {
        self.ended = true;
        self.buffer.clear();
        let detail = format!("a line is longer than {LINE_BYTES_MAX} bytes");
        Problem::new(ErrorCode::RecordTooLarge, detail).with("bound", LINE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(chunks: Vec<Vec<u8>>) -> Vec<Result<String, ErrorCode>> {
        let chunks = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        let mut lines = Lines { body: body.into_data_stream(), buffer: BytesMut::new(), ended: false };
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.push(match line {
                Ok(line) => Ok(String::from_utf8(line.to_vec()).unwrap()),
                Err(problem) => Err(problem.code),
            });
        }
        found
    }

    #[tokio::test]
    async fn lines_are_found_across_chunks_and_empty_ones_are_left_out() {
        let chunks = ["{\"a\"", ":1}\r\n\n{}\n", " \n[", "2]"];
        let found = lines(chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect()).await;
        assert_eq!(found, [Ok("{\"a\":1}".to_owned()), Ok("{}".to_owned()), Ok("[2]".to_owned())]);
        assert_eq!(lines(Vec::new()).await, []);
        assert_eq!(lines(vec![b"\n".to_vec()]).await, []);
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_refused_in_bounded_memory() {
        let half = vec![b'x'; LINE_BYTES_MAX / 2 + 100];
        let found = lines(vec![half.clone(), half, b"\n{}\n".to_vec()]).await;
        assert_eq!(found, [Err(ErrorCode::RecordTooLarge)]);
    }
}
