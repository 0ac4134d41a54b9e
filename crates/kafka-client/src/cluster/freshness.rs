//! When whoever works on topics all the time asks for their metadata again.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Cluster, ClusterError, TopicMetadata};

/// How fresh the metadata are that a producer or a consumer works with.
#[derive(Debug)]
pub(crate) struct Freshness {
    cluster: Cluster,
    /// When they came.
    since: Instant,
    /// They are known to be out of date.
    is_stale: bool,
    is_asking: bool,
    not_before: Instant,
    /// Answers in a row that had nothing new, or were none.
    fruitless: u32,
}

/// What came of asking: whether anything is otherwise than it was known.
pub(crate) type Refreshed = Result<bool, ClusterError>;

impl Freshness {
    /// As if everything had come just now.
    pub(crate) fn new(cluster: Cluster) -> Self {
        let now = Instant::now();
        Self { cluster, since: now, is_stale: false, is_asking: false, not_before: now, fruitless: 0 }
    }

    /// Something does not fit what is known.
    pub(crate) fn doubt(&mut self) {
        self.is_stale = true;
    }

    /// When to [ask](Self::ask), at once if that is `now` or before; `None`: an answer is under way. `wanted`: something that is
    /// needed is not known.
    pub(crate) fn due(&self, wanted: bool) -> Option<Instant> {
        let at = if wanted || self.is_stale {
            self.not_before
        } else {
            self.not_before.max(self.since + self.cluster.options().metadata_max_age)
        };
        (!self.is_asking).then_some(at)
    }

    /// Asks for these topics.
    pub(crate) fn ask(
        &mut self,
        topics: Vec<Arc<str>>,
        now: Instant,
    ) -> impl Future<Output = Refreshed> + Send + use<> {
        (self.is_asking, self.is_stale) = (true, false);
        if now > self.not_before + self.cluster.options().retry_backoff_max {
            // Whatever it is, it is not what it was then.
            self.fruitless = 0;
        }
        self.not_before = now + self.cluster.backoff(self.fruitless + 1);
        let (cluster, seen) = (self.cluster.clone(), self.cluster.generation());
        async move {
            let known = || -> Vec<Option<Arc<TopicMetadata>>> {
                topics.iter().map(|topic| cluster.known_topic(topic)).collect()
            };
            let before = known();
            cluster.refresh(topics.iter().map(|topic| &**topic), seen).await?;
            Ok(known() != before)
        }
    }

    /// Takes in what came of it.
    pub(crate) fn asked(&mut self, refreshed: &Refreshed, now: Instant) {
        self.is_asking = false;
        match refreshed {
            Ok(_) => self.since = now,
            Err(_) => self.is_stale = true,
        }
        let is_news = *refreshed.as_ref().unwrap_or(&false);
        self.fruitless = if is_news { 0 } else { self.fruitless.saturating_add(1) };
    }
}
