//! What a request asks of several topics or other things: done for some of them at a time, and for none twice.

use std::{collections::BTreeSet, future::Future};

use futures_util::{StreamExt, stream};
use kafka_wire::ErrorCode;

use super::create_topics::Refusal;

/// So many topics of one request are worked on at a time. The controllers store what comes together in one step, so that
/// a hundred topics do not take a hundred round trips; and a request of thousands leaves them room for others.
const AT_A_TIME: usize = 16;

/// Carries out the parts of a request, several at a time. What comes of them is in their order.
pub(super) async fn in_order<F: Future>(parts: Vec<F>) -> Vec<F::Output> {
    stream::iter(parts).buffered(AT_A_TIME).collect().await
}

/// Those that are there more than once.
pub(super) fn repeated<K: Ord + Clone>(keys: impl IntoIterator<Item = K>) -> BTreeSet<K> {
    let mut seen = BTreeSet::new();
    keys.into_iter().filter(|key| !seen.insert(key.clone())).collect()
}

/// The answer for a topic or another thing that a request names more than once, as Kafka refuses it.
pub(super) fn named_twice() -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, "the request names it more than once")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn so_many_are_under_way_together_and_never_more() {
        let (under_way, all_there) = (AtomicUsize::new(0), Barrier::new(AT_A_TIME));
        let parts = (0..AT_A_TIME * 3).map(|part| {
            let (under_way, all_there) = (&under_way, &all_there);
            async move {
                assert!(under_way.fetch_add(1, Ordering::Relaxed) < AT_A_TIME);
                // None goes on before so many have come: one after another they would wait for ever.
                all_there.wait().await;
                under_way.fetch_sub(1, Ordering::Relaxed);
                part
            }
        });
        assert_eq!(in_order(parts.collect()).await, (0..AT_A_TIME * 3).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_there_more_than_once_is_named_once() {
        assert_eq!(repeated(["a", "b", "a", "c", "a", "c"]), BTreeSet::from(["a", "c"]));
        assert_eq!(repeated(["a", "b"]), BTreeSet::new());
    }
}
