//! Polls that wait, in lines: of those that wait for the same topics as the same group, the first looks and is told, and the
//! others stand behind it. A record wakes one of them, however many wait. Whoever goes, for whatever reason, makes the next
//! one the first, and that one looks before it waits; so no record lies there while somebody waits and nobody is awake.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A group, and topics in order.
type Key = (String, Vec<String>);

/// The lines of this broker. Clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    /// Those in which somebody stands.
    all: Arc<Mutex<BTreeMap<Key, Arc<Line>>>>,
    /// Polls that found nothing when they came.
    waiting: Gauge,
}

#[derive(Debug)]
struct Line {
    /// One permit, which the first has. Fair; closed when the line breaks up.
    turn: Arc<Semaphore>,
    /// Something may be free that was not.
    stir: Notify,
    /// Who stands in it. Changed under the lock of the table only.
    places: AtomicUsize,
}

impl Lines {
    /// Nobody waits yet. Who does is counted.
    pub(in crate::http) fn new(waiting: Gauge) -> Self {
        Self { waiting, ..Self::default() }
    }

    /// A place in the line of those who wait for these topics. Nobody is waited for yet.
    pub(super) fn place(&self, group_id: &str, topics: &[String]) -> Place {
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        topics.dedup();
        let key = (group_id.to_owned(), topics);
        let mut all = self.lock();
        let line = Arc::clone(all.entry(key.clone()).or_insert_with(|| Arc::new(Line::new())));
        line.places.fetch_add(1, Ordering::Relaxed);
        drop(all);
        Place { lines: self.clone(), key, line }
    }

    /// Records of a group may be free that were not: whoever is first looks.
    pub(super) fn stir(&self, group_id: &str) {
        let all = self.lock();
        let from = (group_id.to_owned(), Vec::new());
        for (_, line) in all.range(from..).take_while(|((of, _), _)| of == group_id) {
            line.stir.notify_one();
        }
    }

    /// Counts a poll that waits, until what it gives is dropped.
    pub(super) fn count(&self) -> Counted {
        self.waiting.inc();
        Counted(self.waiting.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Line>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn new() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), stir: Notify::new(), places: AtomicUsize::new(0) }
    }
}

/// A place in a line, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lines: Lines,
    key: Key,
    line: Arc<Line>,
}

/// Being the first of a line. Dropped, the next one is.
#[derive(Debug)]
pub(super) struct First(#[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit);

impl Place {
    /// Takes the first place, if nobody has it.
    pub(super) fn try_first(&self) -> Option<First> {
        Arc::clone(&self.line.turn).try_acquire_owned().ok().map(First)
    }

    /// Waits until this is the first; `None`: the line broke up, and everybody looks for itself. Cancel safe, but a place
    /// that is not waited for is passed over.
    pub(super) async fn first(&self) -> Option<First> {
        Arc::clone(&self.line.turn).acquire_owned().await.ok().map(First)
    }

    /// Waits until something may be free that was not. For the first.
    pub(super) async fn stirred(&self) {
        self.line.stir.notified().await;
    }

    /// What the first has found out concerns everybody: the others wait no longer, and who comes now begins another line.
    pub(super) fn break_up(&self) {
        self.line.turn.close();
        self.leave_table(&mut self.lines.lock());
    }

    /// The line is not found any more; another one of the same name is left alone.
    fn leave_table(&self, all: &mut BTreeMap<Key, Arc<Line>>) {
        if all.get(&self.key).is_some_and(|line| Arc::ptr_eq(line, &self.line)) {
            all.remove(&self.key);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.lines.lock();
        if self.line.places.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.leave_table(&mut all);
        }
    }
}

/// See [`Lines::count`].
#[derive(Debug)]
pub(super) struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::Pin};

    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    type Standing = Pin<Box<dyn Future<Output = (Place, Option<First>)> + Send>>;

    fn topics(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// A poll that stands in line.
    fn stands(lines: &Lines) -> Standing {
        let place = lines.place("g", &topics(&["b", "a"]));
        Box::pin(async move {
            let first = place.first().await;
            (place, first)
        })
    }

    #[test]
    fn only_the_same_topics_of_the_same_group_are_one_line() {
        let lines = Lines::default();
        let one = lines.place("g", &topics(&["a", "b"]));
        let first = one.try_first();
        assert!(first.is_some());
        assert!(lines.place("g", &topics(&["b", "a", "b"])).try_first().is_none());
        for (group_id, names) in [("g", &["a"][..]), ("h", &["a", "b"])] {
            assert!(lines.place(group_id, &topics(names)).try_first().is_some());
        }
        drop((one, first));
        assert!(lines.lock().is_empty());
    }

    #[test]
    fn a_line_that_breaks_up_sends_everybody_to_look_and_another_one_begins() {
        let lines = Lines::default();
        let place = lines.place("g", &topics(&["a", "b"]));
        let _first = place.try_first().unwrap();
        let (mut one, mut other) = (stands(&lines), stands(&lines));
        assert!((&mut one).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        place.break_up();
        for mut stood in [one, other] {
            assert!((&mut stood).now_or_never().unwrap().1.is_none());
        }
        let (next, first) = stands(&lines).now_or_never().unwrap();
        assert!(first.is_some());
        drop(place);
        assert_eq!(lines.lock().len(), 1, "a place of the former line leaves this one alone");
        drop(next);
        assert!(lines.lock().is_empty());
    }

    #[test]
    fn the_first_of_every_line_of_a_group_is_stirred_also_before_it_waits() {
        let lines = Lines::default();
        let [one, other] = [&["a"][..], &["a", "b"]].map(|names| lines.place("g", &topics(names)));
        let strange = lines.place("gg", &topics(&["a"]));
        lines.stir("g");
        assert!(one.stirred().now_or_never().is_some() && other.stirred().now_or_never().is_some());
        assert!(strange.stirred().now_or_never().is_none() && one.stirred().now_or_never().is_none());
    }

    #[test]
    fn those_who_go_at_the_same_time_leave_no_line_behind() {
        let lines = Lines::default();
        for round in 0..2_000 {
            let group_id = round.to_string();
            let [one, other] = [(); 2].map(|()| lines.place(&group_id, &topics(&["a"])));
            std::thread::scope(|scope| {
                scope.spawn(|| drop(one));
                scope.spawn(|| drop(other));
            });
        }
        assert!(lines.lock().is_empty());
    }

    proptest! {
        /// Whoever comes, goes, or is dropped while it stands: if somebody is there, exactly one is the first.
        #[test]
        fn somebody_is_always_the_first_and_nobody_else(steps in prop::collection::vec((0..4_u8, any::<usize>()), 1..60)) {
            let lines = Lines::default();
            let mut standing: Vec<Standing> = Vec::new();
            let mut first: Option<(Place, Option<First>)> = None;
            for (step, which) in steps {
                match step {
                    0 | 1 => standing.push(stands(&lines)),
                    2 if !standing.is_empty() => drop(standing.remove(which % standing.len())),
                    _ => drop(first.take()),
                }
                let mut index = 0;
                while let Some(one) = standing.get_mut(index) {
                    match one.now_or_never() {
                        Some(became) => {
                            prop_assert!(first.is_none() && became.1.is_some());
                            first = Some(became);
                            drop(standing.remove(index));
                        }
                        None => index += 1,
                    }
                }
                prop_assert!(first.is_some() || standing.is_empty());
                prop_assert_eq!(lines.lock().len(), usize::from(first.is_some()));
            }
        }
    }
}
