//! A poll at the group's coordinator, which keeps the leases, finds the leaders and reads there. Three steps: look what nobody
//! has and where the logs are, read it, lease it. While there is nothing, no record is held back for those who wait: who is
//! faster has it, and the others wait on. They wait in [lines](super::line), so that one record wakes one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{Offset, PartitionId, TopicName};
use coordinator::api::{LeaseId, LeasePlace, LeasePositions, LeaseRecords, LeasedRead, Positions};
use http_api::{
    ErrorCode, Problem,
    group_reading::{POLL_PARTITIONS_MAX, PollRequest, PollResponse, PollStart, PolledRecord},
    records::{ReadRecord, WantedFormat},
};
use kafka_client::{Consumer, ConsumerOptions, IsolationLevel, StartAt, TopicPartition};
use runtime::clock;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::{
    lag::{self, Bounds},
    line::{First, Place},
    promise::Promise,
    route,
};
use crate::http::{records::problems, router::Context};

/// How long the leaders may take together to give what they have.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// From one look at what is free to the next, while there is nothing: at most and at least.
const LOOK: Duration = Duration::from_millis(500);
const LOOK_MIN: Duration = Duration::from_millis(10);

/// Bytes of records after which no further partition is read, as they are shown.
const POLL_BYTES: usize = 8 << 20;

/// A poll.
pub(super) struct Reading<'a> {
    pub(super) context: &'a Context,
    pub(super) group_id: &'a str,
    pub(super) request: &'a PollRequest,
}

/// What there is to read.
struct Look {
    /// Where each partition goes on, if the group has begun there.
    free: BTreeMap<TopicPartition, Offset>,
    /// When the next lease ends: then something else is free.
    next_expiry: Option<Duration>,
    bounds: Bounds,
    /// A partition that cannot be read now.
    trouble: Option<Problem>,
}

/// How standing in line ended.
enum Stood {
    First(First),
    /// Everybody is to look for itself.
    BrokenUp,
    /// The time is over, or the broker about to end.
    Over,
}

/// What was read of a partition.
struct Read {
    leased: LeasedRead,
    records: Vec<ReadRecord>,
}

impl Reading<'_> {
    /// Records, once there are some; none when the time is over. A partition that cannot be read is in nobody's way: only who
    /// gets nothing at all is told of it.
    ///
    /// Who comes looks, whoever waits already, and then stands in line.
    pub(super) async fn poll(&self, deadline: Instant) -> Result<PollResponse, Problem> {
        let lines = &self.context.lines;
        let mut place = lines.place(self.group_id, &self.request.topics);
        let mut first = place.try_first();
        let mut counted = None;
        loop {
            let look = match self.attempt().await {
                Ok(Ok(polled)) => return Ok(polled),
                Ok(Err(look)) => look,
                Err(problem) => {
                    if first.is_some() {
                        // Nobody in line can get anything either, now or here.
                        place.break_up();
                    }
                    return Err(problem);
                }
            };
            counted.get_or_insert_with(|| lines.count());
            let goes_on = match &first {
                Some(_) => self.wait(&place, &look, deadline).await,
                None => match self.stand(&place, deadline).await {
                    Stood::First(turn) => {
                        first = Some(turn);
                        true
                    }
                    Stood::BrokenUp => {
                        place = lines.place(self.group_id, &self.request.topics);
                        true
                    }
                    // What was in the way may be over: the first would know.
                    Stood::Over if look.trouble.is_some() => return self.last_attempt().await,
                    Stood::Over => false,
                },
            };
            if !goes_on {
                return nothing(look);
            }
        }
    }

    async fn last_attempt(&self) -> Result<PollResponse, Problem> {
        match self.attempt().await? {
            Ok(polled) => Ok(polled),
            Err(look) => nothing(look),
        }
    }

    /// What there is now; or, if there is nothing, what it looks like.
    async fn attempt(&self) -> Result<Result<PollResponse, Look>, Problem> {
        let mut look = self.look().await?;
        let reads = self.read(&mut look).await?;
        if reads.is_empty() {
            return Ok(Err(look));
        }
        let polled = self.lease(reads).await?;
        Ok(if polled.records.is_empty() { Err(look) } else { Ok(polled) })
    }

    /// Until this poll is the first of those who wait for the same.
    async fn stand(&self, place: &Place, deadline: Instant) -> Stood {
        tokio::select! {
            biased;
            () = sleep_until(deadline) => Stood::Over,
            () = self.context.records.stopping() => Stood::Over,
            first = place.first() => first.map_or(Stood::BrokenUp, Stood::First),
        }
    }

    async fn look(&self) -> Result<Look, Problem> {
        let places = self.places()?;
        let bounds = self.bounds(&places).await;
        let silent = places.iter().find(|place| !bounds.contains_key(place));
        let trouble = silent.map(|place| {
            let detail = format!("the leader of {}-{} does not answer", place.topic, place.partition);
            Problem::new(ErrorCode::LeaderUnreachable, detail)
        });
        let (free, next_expiry) = self.free(places, &bounds).await?;
        Ok(Look { free, next_expiry, bounds, trouble })
    }

    /// Where logs begin, and where what is decided ends.
    async fn bounds(&self, places: &[TopicPartition]) -> Bounds {
        lag::bounds(self.context, IsolationLevel::ReadCommitted, places).await
    }

    /// The partitions that are to be read, in order.
    fn places(&self) -> Result<Vec<TopicPartition>, Problem> {
        let names: BTreeSet<&String> = self.request.topics.iter().collect();
        let count = |name: &String| {
            let count =
                self.context.image.read(|state| state.topic(name).map(|topic| topic.partitions.len()));
            count.ok_or_else(|| problems::unknown_topic(name))
        };
        let counted = names.into_iter().map(|name| Ok((name, count(name)?)));
        let counted: Vec<(&String, usize)> = counted.collect::<Result<_, Problem>>()?;
        let partitions: usize = counted.iter().map(|(_, count)| count).sum();
        if partitions > POLL_PARTITIONS_MAX {
            let detail =
                format!("`topics` have {partitions} partitions; at most {POLL_PARTITIONS_MAX} are allowed");
            return Err(Problem::new(ErrorCode::InvalidRequest, detail).with("field", "topics"));
        }
        let places = counted.into_iter().flat_map(|(name, count)| {
            let ids = 0..i32::try_from(count).unwrap_or(i32::MAX);
            ids.map(|id| TopicPartition::new(name.clone(), PartitionId(id)))
        });
        Ok(places.collect())
    }

    /// Where each partition may be read on, and when more may be. A group that has not begun in one does so now, if it is
    /// known where.
    async fn free(
        &self,
        places: Vec<TopicPartition>,
        bounds: &Bounds,
    ) -> Result<(BTreeMap<TopicPartition, Offset>, Option<Duration>), Problem> {
        let start = |place: &TopicPartition| {
            let (start, end) = bounds.get(place)?;
            Some(Offset(if self.request.start == PollStart::Earliest { *start } else { *end }))
        };
        let (places, asked): (Vec<_>, Vec<_>) = places
            .into_iter()
            .filter_map(|place| {
                let topic = TopicName::new(&place.topic).ok()?;
                let asked = LeasePlace { topic, partition: place.partition.0, start: start(&place) };
                Some((place, asked))
            })
            .unzip();
        let asked = LeasePositions { group_id: self.group_id.into(), places: asked };
        let Positions { free, next_expiry_ms } = route::ask(self.context, self.group_id, asked).await?;
        let free = places.into_iter().zip(free).filter_map(|(place, free)| Some((place, free?)));
        let next_expiry = next_expiry_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        Ok((free.collect(), next_expiry))
    }

    /// Reads what there is, beginning with another partition each time.
    async fn read(&self, look: &mut Look) -> Result<Vec<Read>, Problem> {
        let mut ready = self.ready(look).await?;
        let turn = usize::try_from(clock::unix_ms()).unwrap_or(0) % ready.len().max(1);
        ready.rotate_left(turn);
        let deadline = Instant::now() + READ_PATIENCE;
        let (mut left, mut bytes) = (self.request.max_records, 0);
        let mut reads = Vec::new();
        for (place, from, at) in ready {
            let patience = deadline.saturating_duration_since(Instant::now());
            if left == 0 || bytes >= POLL_BYTES || patience.is_zero() {
                break;
            }
            let query =
                format!("offset={at}&maxRecords={left}&isolation=readCommitted&format={}", self.format());
            let read = lag::page(self.context, &place.topic, place.partition, &query, patience).await;
            let (page, page_bytes) = match read {
                Ok(read) => read,
                Err(problem) => {
                    // There is something, and no news of it would help: it is tried again after a while.
                    look.bounds.remove(&place);
                    look.trouble.get_or_insert(problem);
                    continue;
                }
            };
            (left, bytes) = (left.saturating_sub(page.records.len()), bytes + page_bytes);
            let Ok(topic) = TopicName::new(&place.topic) else { continue };
            let offsets = page.records.iter().map(|record| record.offset).collect();
            let leased =
                LeasedRead { topic, partition: place.partition.0, from, to: page.next_offset, offsets };
            reads.push(Read { leased, records: page.records });
        }
        Ok(reads)
    }

    /// The partitions that have something, from where it is free, and from where it is there.
    async fn ready(&self, look: &Look) -> Result<Vec<(TopicPartition, Offset, Offset)>, Problem> {
        let mut ready = Vec::new();
        for (place, from) in &look.free {
            let Some((start, end)) = look.bounds.get(place) else { continue };
            if from.0 < *end {
                ready.push((place.clone(), *from, Offset(from.0.max(*start))));
            } else if from.0 > *end {
                // Others may have written and read since it was looked where the log ends.
                let now = self.bounds(std::slice::from_ref(place)).await;
                if let Some((start, end)) = now.get(place).filter(|(_, end)| from.0 > *end) {
                    return Err(out_of_range(self.group_id, place, *from, *start..*end));
                }
            }
        }
        Ok(ready)
    }

    fn format(&self) -> &'static str {
        match self.request.format {
            WantedFormat::Auto => "auto",
            WantedFormat::Base64 => "base64",
        }
    }

    /// Leases what nobody was faster to get.
    async fn lease(&self, reads: Vec<Read>) -> Result<PollResponse, Problem> {
        let lease = LeaseId(Uuid::new_v4());
        let (leased, pages): (Vec<_>, Vec<_>) = reads.into_iter().map(|it| (it.leased, it.records)).unzip();
        let topics: Vec<String> = leased.iter().map(|read| read.topic.to_string()).collect();
        let lease_ms = self.request.lease_ms;
        let request = LeaseRecords { group_id: self.group_id.into(), lease, lease_ms, reads: leased };
        let promise = Promise::new(self.context, self.group_id, lease);
        let granted = route::ask(self.context, self.group_id, request).await;
        promise.keep();
        let granted = granted?;
        let mut records = Vec::new();
        for ((topic, page), granted) in topics.into_iter().zip(pages).zip(granted) {
            let own = page.into_iter().filter(|record| granted.binary_search(&record.offset).is_ok());
            records.extend(own.map(|record| PolledRecord { topic: topic.clone(), record }));
        }
        let expires_at = i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX).saturating_add(lease_ms);
        let has_some = !records.is_empty();
        Ok(PollResponse {
            lease: has_some.then_some(lease.0),
            expires_at: has_some.then_some(expires_at),
            records,
        })
    }

    /// Until there may be something to read: somebody wrote, or something else is free. Gives whether that is so.
    async fn wait(&self, place: &Place, look: &Look, deadline: Instant) -> bool {
        tokio::select! {
            () = place.stirred() => true,
            () = self.news(look) => true,
            () = self.changes(look) => true,
            () = sleep_until(deadline) => false,
            () = self.context.records.stopping() => false,
        }
    }

    /// Until somebody writes to one of the partitions that can be read. What is wrong with a partition is told when it is read.
    async fn news(&self, look: &Look) {
        let records = &self.context.records;
        if let (Ok(cluster), Some(_room)) = (records.cluster(), records.room_for_watch()) {
            let options = ConsumerOptions {
                fetch_max_bytes: 1,
                isolation_level: IsolationLevel::ReadCommitted,
                ..ConsumerOptions::default()
            };
            let mut consumer = Consumer::new(cluster.clone(), options);
            let led = look.free.iter().filter(|(place, _)| look.bounds.contains_key(place));
            let starts: Vec<_> = led.map(|(place, from)| (place.clone(), StartAt::Offset(*from))).collect();
            if consumer.assign(starts).await.is_ok() && consumer.next().await.is_ok() {
                return;
            }
        }
        // Nobody tells: it has to be looked.
        sleep(LOOK).await;
    }

    /// Until other records are free: leases end, are given back, or moved on; or until it may be better where there was trouble.
    async fn changes(&self, look: &Look) {
        let again = look.trouble.as_ref().map(|_| Instant::now() + LOOK);
        let mut next_expiry = look.next_expiry;
        loop {
            sleep(next_expiry.map_or(LOOK, |expiry| expiry.clamp(LOOK_MIN, LOOK))).await;
            let Ok(places) = self.places() else { return };
            match self.free(places, &look.bounds).await {
                Ok((free, expiry)) if free == look.free => next_expiry = expiry,
                _ => return,
            }
            if again.is_some_and(|again| again <= Instant::now()) {
                return;
            }
        }
    }
}

/// The answer of a poll whose time is over.
fn nothing(look: Look) -> Result<PollResponse, Problem> {
    let nothing = PollResponse { lease: None, expires_at: None, records: Vec::new() };
    look.trouble.map_or(Ok(nothing), Err)
}

/// A log that ends before what the group has read: records were lost, or the group was put there.
fn out_of_range(group_id: &str, place: &TopicPartition, at: Offset, log: std::ops::Range<i64>) -> Problem {
    let detail = format!(
        "group `{group_id}` is at offset {at} of {}-{}, which has {} to {}: reset the group",
        place.topic, place.partition, log.start, log.end
    );
    Problem::new(ErrorCode::OffsetOutOfRange, detail)
        .with("topicName", place.topic.clone())
        .with("partition", place.partition.0)
        .with("value", at.0)
        .with("logStartOffset", log.start)
        .with("logEndOffset", log.end)
}
