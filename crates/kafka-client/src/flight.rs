//! Work that several want at the same time, done once.

use std::sync::{Mutex, PoisonError};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

/// What is under way. All who wait for it drive it together: whoever does not come round to polling, or gives up, is in nobody's
/// way, and when all have given up, it ends.
#[derive(Debug)]
pub(crate) struct Flight<T>(Mutex<Option<WeakShared<BoxFuture<'static, T>>>>);

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Flight<T> {
    /// Waits for what is under way, or begins `work` if nothing is. Tells as well whether it began.
    pub(crate) fn join(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> (Shared<BoxFuture<'static, T>>, bool) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has ended was done before this was wanted.
        let joined =
            under_way.as_ref().and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none());
        if let Some(flight) = joined {
            return (flight, false);
        }
        let flight = work.boxed().shared();
        *under_way = flight.downgrade();
        (flight, true)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;

    type Outcome = Result<u8, oneshot::error::RecvError>;

    /// Work that ends when it is told to.
    fn work() -> (oneshot::Sender<u8>, oneshot::Receiver<u8>) {
        oneshot::channel()
    }

    #[tokio::test]
    async fn what_is_wanted_by_two_is_done_once() {
        let flight = Flight::<Outcome>::default();
        let ((done, first_work), (_, second_work)) = (work(), work());
        let (first, began) = flight.join(first_work);
        let (second, began_too) = flight.join(second_work);
        assert_eq!((began, began_too), (true, false));
        done.send(7).unwrap();
        assert_eq!((second.await, first.await), (Ok(7), Ok(7)));
    }

    #[tokio::test]
    async fn who_began_and_looks_no_more_holds_nobody_up() {
        let flight = Flight::<Outcome>::default();
        let (done, first_work) = work();
        let (mut left, _) = flight.join(first_work);
        assert_eq!(poll!(&mut left), Poll::Pending);
        let (dropped, _) = flight.join(work().1);
        let (waits, began) = flight.join(work().1);
        drop(dropped);
        assert!(!began);
        done.send(7).unwrap();
        assert_eq!(waits.await, Ok(7), "though who began does not poll");
        let (_, began) = flight.join(work().1);
        assert!(began, "what has ended is not waited for, though somebody has not looked yet");
        assert_eq!(left.await, Ok(7));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends() {
        let flight = Flight::<Outcome>::default();
        let (mut done, given_up) = work();
        drop(flight.join(given_up));
        done.closed().await;
        let (_, began) = flight.join(work().1);
        assert!(began);
    }
}
