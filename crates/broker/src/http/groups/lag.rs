//! How far a group is behind: in records, by asking the leaders where logs end; in time, by looking at the first record that
//! it has not read.

use std::{collections::BTreeMap, time::Duration};

use client::HttpRequest;
use common::{Offset, PartitionId};
use futures_util::{StreamExt, stream};
use http_api::{ErrorCode, Problem, groups::GroupOffset, paths, records::RecordPage};
use kafka_client::{IsolationLevel, OffsetSpec, TopicPartition};
use runtime::clock;

use crate::http::router::Context;

/// How long leaders are asked.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Records that are looked at, at the same time.
const LOOKS: usize = 16;

/// Where logs begin and end.
pub(super) type Bounds = BTreeMap<TopicPartition, (i64, i64)>;

/// Asks the leaders for the bounds of these partitions, as a reader of this isolation sees them. Those of which none answers
/// in time are left out, and so are those that do not exist: what members say that they have may be anything.
pub(super) async fn bounds(
    context: &Context,
    isolation: IsolationLevel,
    places: &[TopicPartition],
) -> Bounds {
    let Ok(cluster) = context.records.cluster() else { return Bounds::new() };
    let places: Vec<&TopicPartition> = context.image.read(|state| {
        let count = |topic: &str| state.topic(topic).map_or(0, |topic| topic.partitions.len());
        let is_there =
            |at: &TopicPartition| usize::try_from(at.partition.0).is_ok_and(|index| index < count(&at.topic));
        places.iter().filter(|place| is_there(place)).collect()
    });
    let of = |spec| places.iter().map(move |place| ((*place).clone(), spec));
    let ask = |spec| cluster.offsets_within(isolation, of(spec), PATIENCE);
    let (earliest, latest) = tokio::join!(ask(OffsetSpec::Earliest), ask(OffsetSpec::Latest));
    let both = latest.into_iter().filter_map(|(place, latest)| {
        let earliest = earliest.get(&place).copied().flatten()?.0;
        // They were told one after the other: the log may have moved on in between.
        Some((place, (earliest, latest?.0.max(earliest))))
    });
    both.collect()
}

/// Fills in what is known of the log, and the time of the first partitions that are behind.
pub(super) async fn fill_in(context: &Context, offsets: &mut [GroupOffset], looks_max: usize) {
    let place =
        |offset: &GroupOffset| TopicPartition::new(offset.topic.clone(), PartitionId(offset.partition));
    let places: Vec<TopicPartition> = offsets.iter().map(place).collect();
    let bounds = bounds(context, IsolationLevel::ReadUncommitted, &places).await;
    for offset in offsets.iter_mut() {
        let Some((start, end)) = bounds.get(&place(offset)) else { continue };
        (offset.log_start_offset, offset.log_end_offset) = (Some(*start), Some(*end));
        // What retention has removed cannot be read any more, and is not behind.
        offset.lag = offset.offset.map(|committed| (end - committed.max(*start)).max(0));
    }
    for offset in offsets.iter_mut() {
        offset.lag_ms = offset.lag.filter(|lag| *lag == 0);
    }
    let behind = offsets.iter_mut().filter(|offset| offset.lag.is_some_and(|lag| lag > 0));
    let looks = stream::iter(behind.take(looks_max)).for_each_concurrent(LOOKS, |offset| async {
        offset.lag_ms = since_first_unread(context, offset).await;
    });
    // What is not known by then is left out.
    let _ = tokio::time::timeout(PATIENCE, looks).await;
}

/// How long ago the first record was written that the group has not read.
async fn since_first_unread(context: &Context, offset: &GroupOffset) -> Option<i64> {
    let from = offset.offset?.max(offset.log_start_offset?);
    let query = format!("offset={from}&maxRecords=1");
    let (page, _) =
        page(context, &offset.topic, PartitionId(offset.partition), &query, PATIENCE).await.ok()?;
    let now_ms = i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX);
    age_of_first(&page, Offset(offset.log_end_offset?), now_ms)
}

/// How old the first record is, in ms; 0 if up to `end` there is none: compaction took them, or they are nothing that consumers see.
/// None if it bears no time.
fn age_of_first(page: &RecordPage, end: Offset, now_ms: i64) -> Option<i64> {
    match page.records.first() {
        Some(first) => (first.timestamp >= 0).then(|| now_ms.saturating_sub(first.timestamp).max(0)),
        None => (page.next_offset >= end).then_some(0),
    }
}

/// Records of a partition, read from its leader without waiting for more; and how many bytes they took on the way.
pub(super) async fn page(
    context: &Context,
    topic: &str,
    partition: PartitionId,
    query: &str,
    patience: Duration,
) -> Result<(RecordPage, usize), Problem> {
    let silent = |detail: String| Problem::new(ErrorCode::LeaderUnreachable, detail);
    let leader = context.image.read(|state| {
        let index = usize::try_from(partition.0).ok()?;
        state.topic(topic)?.partitions.get(index)?.leader
    });
    let leader = leader.and_then(|leader| context.image.url_of(leader));
    let leader = leader.ok_or_else(|| silent(format!("{topic}-{partition} has no leader")))?;
    let path = paths::partition_records(topic, partition);
    let request = HttpRequest::get(format!("{leader}{path}?{query}")).timeout(patience);
    let reply = context.records.http.send(request).await;
    let reply = reply.map_err(|error| silent(format!("the leader of {topic}-{partition}: {error}")))?;
    let unreadable = || silent(format!("the leader of {topic}-{partition} gave no records"));
    if reply.status.is_success() {
        let bytes = reply.body.len();
        return reply.json().map(|page| (page, bytes)).map_err(|_| unreadable());
    }
    Err(reply.json().unwrap_or_else(|_| unreadable()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_age_of_what_is_unread_is_that_of_the_first_record_that_is_there() {
        let age = |timestamps: &[i64], next: i64| {
            let record = |timestamp: &i64| json!({"partition": 0, "offset": 5, "timestamp": timestamp, "key": null, "value": "v", "headers": []});
            let records: Vec<_> = timestamps.iter().map(record).collect();
            let page = json!({"records": records, "highWatermark": 9, "lastStableOffset": 9, "logStartOffset": 0, "nextOffset": next});
            age_of_first(&serde_json::from_value(page).unwrap(), Offset(9), 10_000)
        };
        assert_eq!(age(&[4_000, 9_000], 7), Some(6_000));
        assert_eq!(age(&[11_000], 7), Some(0), "its writer's clock is ahead");
        assert_eq!(age(&[-1], 7), None, "it has no time");
        assert_eq!(age(&[], 9), Some(0), "nothing is left of what is unread");
        assert_eq!(age(&[], 8), None);
    }
}
