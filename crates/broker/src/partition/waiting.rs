//! Producers that wait for their records to be safe enough.

use std::collections::BTreeMap;

use common::Offset;
use tokio::sync::oneshot;

use super::PartitionError;

/// What a waiting producer is told: nothing was lost, or why nobody can say so.
pub type Acknowledged = Result<(), PartitionError>;

/// An answer that is still to come.
pub type Ack = oneshot::Receiver<Acknowledged>;

/// Who waits for what. An entry is told once, and its producer may have gone by then.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By the offset that the high watermark, or the leader's own log, must reach. The number keeps entries of one
    /// offset apart: a batch that is sent twice waits twice.
    entries: [BTreeMap<(Offset, u64), oneshot::Sender<Acknowledged>>; 2],
    next: u64,
}

/// What an entry waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The leader's own log.
    Own,
    /// The high watermark.
    HighWatermark,
}

impl Waiting {
    /// Waits until everything below `end` is there.
    pub(super) fn add(&mut self, reason: For, end: Offset) -> Ack {
        let (sender, receiver) = oneshot::channel();
        self.next += 1;
        let number = self.next;
        self.of(reason).insert((end, number), sender);
        receiver
    }

    /// Everything below `reached` is there.
    pub(super) fn reached(&mut self, reason: For, reached: Offset) {
        let waiting = self.of(reason);
        while let Some(first) = waiting.first_entry()
            && first.key().0 <= reached
        {
            // A producer that has gone misses nothing.
            let _ = first.remove().send(Ok(()));
        }
    }

    /// It will not come.
    pub(super) fn fail(&mut self, error: &PartitionError) {
        for (_, sender) in self.entries.iter_mut().flat_map(std::mem::take) {
            let _ = sender.send(Err(error.clone()));
        }
    }

    /// Forgets those who gave up.
    pub(super) fn forget_gone(&mut self) {
        for waiting in &mut self.entries {
            waiting.retain(|_, sender| !sender.is_closed());
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.entries.iter().map(BTreeMap::len).sum()
    }

    fn of(&mut self, reason: For) -> &mut BTreeMap<(Offset, u64), oneshot::Sender<Acknowledged>> {
        let [own, high_watermark] = &mut self.entries;
        match reason {
            For::Own => own,
            For::HighWatermark => high_watermark,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_in_order_and_once() {
        let mut waiting = Waiting::default();
        let mut acks: Vec<Ack> = [5, 3, 5, 9].map(|end| waiting.add(For::HighWatermark, Offset(end))).into();
        waiting.reached(For::Own, Offset(100));
        assert_eq!(waiting.len(), 4);
        waiting.reached(For::HighWatermark, Offset(5));
        for ack in &mut acks[..3] {
            assert_eq!(ack.try_recv(), Ok(Ok(())));
        }
        let error = PartitionError::NotLeader;
        waiting.fail(&error);
        assert_eq!(acks[3].try_recv(), Ok(Err(error)));
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn those_who_gave_up_are_forgotten() {
        let mut waiting = Waiting::default();
        drop(waiting.add(For::Own, Offset(1)));
        let _stays = waiting.add(For::Own, Offset(1));
        waiting.forget_gone();
        assert_eq!(waiting.len(), 1);
    }
}
