//! How far a group is behind: in records, by asking the leaders where logs end; in time, by looking at the first record that
//! it has not read.

use std::{collections::BTreeMap, time::Duration};

use client::HttpRequest;
use common::PartitionId;
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
/// in time are left out.
pub(super) async fn bounds(
    context: &Context,
    isolation: IsolationLevel,
    places: &[TopicPartition],
) -> Bounds {
    let Ok(cluster) = context.records.cluster() else { return Bounds::new() };
    let of = |spec| places.iter().map(move |place| (place.clone(), spec));
    let ask = |spec| cluster.offsets_within(isolation, of(spec), PATIENCE);
    let (earliest, latest) = tokio::join!(ask(OffsetSpec::Earliest), ask(OffsetSpec::Latest));
    let both = latest.into_iter().filter_map(|(place, latest)| {
        let earliest = earliest.get(&place).copied().flatten()?;
        Some((place, (earliest.0, latest?.0)))
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
    Some(now_ms.saturating_sub(page.records.first()?.timestamp).max(0))
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
        let leader = state.topic(topic)?.partitions.get(index)?.leader?;
        state.broker(leader).map(|it| format!("http://{}:{}", it.host, it.port))
    });
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
