//! Blocks of producer ids (KIP-730).

use common::{BrokerEpoch, BrokerId, limits::PRODUCER_ID_BLOCK_SIZE};

use super::Decision;
use crate::{Event, Outcome, Rejection, State};

/// Hands out the next block.
pub(super) fn allocate(state: &State, broker_id: BrokerId, broker_epoch: BrokerEpoch) -> Decision {
    state.current_broker(broker_id, broker_epoch)?;
    let (first, count) = (state.next_producer_id(), PRODUCER_ID_BLOCK_SIZE);
    let next_producer_id = first.checked_add(count.into()).ok_or_else(|| Rejection::LimitExceeded {
        what: "producer ids".to_owned(),
        value: first.unsigned_abs() + u64::from(count.unsigned_abs()),
        bound: i64::MAX.unsigned_abs(),
    })?;
    let allocated = Event::ProducerIdsAllocated { broker_id, next_producer_id };
    Ok((Outcome::ProducerIds { first, count }, vec![allocated]))
}
