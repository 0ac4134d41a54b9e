//! What comes of fetches, and what it means for each partition.

use std::sync::Arc;

use common::{BrokerId, Offset};
use kafka_wire::{
    ErrorCode,
    messages::{FetchResponse, fetch::PartitionData},
};
use tokio::time::Instant;

use super::{
    ConsumeError, Consumer, Fetched,
    assigned::Failing,
    fetch::{self, Wanted},
    fetched::whole_batches,
    leaders::{Asked, Event, Leader, Link},
};
use crate::{connection::CallError, fetch_session::FetchSession};

impl Consumer {
    pub(super) fn handle(&mut self, event: Event) {
        self.changed = true;
        match event {
            Event::Connected(broker, Ok(connection)) => {
                let connection = Arc::new(connection);
                if let Some(leader) = self.leaders.get_mut(&broker) {
                    leader.link = Link::Up { connection, busy: false };
                }
            }
            Event::Connected(broker, Err(_)) => {
                self.set_down(broker);
                self.metadata.doubt();
            }
            Event::Refreshed(result) => self.metadata.asked(&result, Instant::now()),
            Event::Fetched(broker, asked, Ok(response)) => self.answered(broker, asked, &response),
            Event::Fetched(broker, Asked { wanted, .. }, Err(error)) => {
                self.set_down(broker);
                for want in &wanted {
                    self.failed(want, &error, wanted.len() == 1);
                }
            }
        }
    }

    /// Takes in what a broker answered.
    fn answered(&mut self, broker: BrokerId, asked: Asked, response: &FetchResponse) {
        let Asked { wanted, is_incremental } = asked;
        let code = response.error_code;
        let answers = fetch::Answers::of(response);
        // Whoever names everything is told of everything. A leader that leaves something out may remember it, or not.
        let is_whole = is_incremental || wanted.iter().all(|want| answers.about(want).is_some());
        if let Some(Leader { link, session }) = self.leaders.get_mut(&broker) {
            if let Link::Up { busy, .. } = link {
                *busy = false;
            }
            match code {
                ErrorCode::NONE => session.answered(response.session_id),
                code => session.refused(code),
            }
            if !is_whole {
                session.restart();
            }
        }
        // Once more at once, with everything; a broker that says so again is one that refuses.
        let begins_anew = is_incremental && FetchSession::is_over(code);
        for want in &wanted {
            match answers.about(want) {
                _ if begins_anew => self.free(want),
                _ if !code.is_none() => self.rest(want, code),
                Some(told) => self.take(want, response, told),
                None if is_incremental => self.went_well(want),
                None => self.rest(want, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            }
        }
    }

    /// Nothing came that was asked for.
    fn failed(&mut self, want: &Wanted, error: &CallError, was_alone: bool) {
        let CallError::TooLong { size_bytes, answer_bytes_max, .. } = *error else {
            return self.rest(want, ErrorCode::NETWORK_EXCEPTION);
        };
        if was_alone {
            let (topic, partition, offset) = (want.topic.clone(), want.partition, want.offset);
            let error = ConsumeError::TooLong { topic, partition, offset, size_bytes, answer_bytes_max };
            return self.stop(want, error);
        }
        // One of them has a batch that is too large: alone, each of them shows whether it is the one.
        self.free(want);
        if let Some(assigned) = self.partitions.get_mut(&want.index) {
            assigned.suspect = true;
        }
    }

    /// Takes in what a broker sent of a partition.
    fn take(&mut self, want: &Wanted, response: &FetchResponse, told: &PartitionData) {
        let (topic, partition, offset) = (want.topic.clone(), want.partition, want.offset);
        match told.error_code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                return self.stop(want, ConsumeError::OffsetOutOfRange { topic, partition, offset });
            }
            code => {
                let hint = fetch::hint(response, told);
                if hint.is_some_and(|hint| self.cluster.learn(&want.topic, want.partition, &hint)) {
                    return self.free(want);
                }
                return self.rest(want, code);
            }
        }
        self.went_well(want);
        let Some(assigned) = self.partitions.get_mut(&want.index) else { return };
        if assigned.position != want.offset {
            // It was sought meanwhile.
            return;
        }
        let batches = match told.records.bytes().map(whole_batches) {
            Some(Ok(Some(batches))) => batches,
            Some(Ok(None)) | None => return,
            Some(Err(source)) => {
                return self.stop(want, ConsumeError::Unreadable { topic, partition, offset, source });
            }
        };
        let (batches, next) = batches;
        if next <= offset {
            // Nothing but what was there before the offset: the same would come again for ever.
            let source = commit_log::batch::BatchError::Offsets { base: next, delta: 0 };
            return self.stop(want, ConsumeError::Unreadable { topic, partition, offset, source });
        }
        assigned.position = next;
        self.ready_bytes += batches.len();
        self.ready.push_back(Fetched {
            topic,
            partition,
            from: offset,
            next,
            high_watermark: Offset(told.high_watermark),
            batches,
            aborted: fetch::aborted(told),
            check_crcs: self.options.check_crcs,
            batch_bytes_max: self.options.batch_bytes_max,
        });
    }

    /// A partition can be fetched again.
    fn free(&mut self, want: &Wanted) {
        if let Some(assigned) = self.partitions.get_mut(&want.index) {
            assigned.under_way = false;
        }
    }

    /// A partition can be fetched again, and nothing is wrong with it.
    fn went_well(&mut self, want: &Wanted) {
        if let Some(assigned) = self.partitions.get_mut(&want.index) {
            (assigned.under_way, assigned.suspect, assigned.failing) = (false, false, None);
        }
    }

    /// A partition cannot be read for now; or at all, if it has been so for long.
    fn rest(&mut self, want: &Wanted, code: ErrorCode) {
        let now = Instant::now();
        self.free(want);
        self.metadata.doubt();
        let Some(assigned) = self.partitions.get_mut(&want.index) else { return };
        let failing = assigned.failing.get_or_insert(Failing { since: now, times: 0 });
        failing.times = failing.times.saturating_add(1);
        assigned.not_before = Some(now + self.cluster.backoff(failing.times));
        if !fetch::passes(code) || now.duration_since(failing.since) > self.cluster.options().max_block {
            let (topic, partition, offset) = (want.topic.clone(), want.partition, want.offset);
            self.stop(want, ConsumeError::Refused { topic, partition, offset, code });
        }
    }

    fn stop(&mut self, want: &Wanted, error: ConsumeError) {
        let Some(assigned) = self.partitions.get_mut(&want.index) else { return };
        (assigned.under_way, assigned.suspect) = (false, false);
        // If it was sought meanwhile, what happened before is of no interest.
        if assigned.position == want.offset {
            assigned.stopped = true;
            self.failed.push_back(error);
        }
    }
}
