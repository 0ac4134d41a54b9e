//! Waiting until a group is stable again: it says so, it lists exactly the members that live, they have what it says, and
//! together everything.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use common::PartitionId;
use kafka_client::{GroupView, group::GroupDescription};
use local_cluster::wait_for;

use super::group::{Group, REBALANCE_TIMEOUT};

/// A group that was disturbed must be stable again so long after its rebalance timeout. Its session timeout is shorter.
const SLACK: Duration = Duration::from_secs(5);

/// How long a drill waits beyond that, to tell how long it took.
const PATIENCE: Duration = Duration::from_secs(30);

/// Within what time a group must be stable again.
pub(crate) const CALM_WITHIN: Duration = REBALANCE_TIMEOUT.saturating_add(SLACK);

impl Group {
    /// Waits until the group is stable: how long that was after it was last disturbed.
    pub(crate) async fn calm(&self) -> Result<Duration, String> {
        let view = GroupView::new(self.cluster(), self.id.clone());
        let what = format!("group {} is stable", self.kind.name());
        wait_for(&what, PATIENCE, async || {
            let described = view.describe().await.map_err(|error| error.to_string())?;
            self.is_calm(&described)
        })
        .await
        .map_err(|error| error.to_string())?;
        Ok(Instant::now().duration_since(self.disturbed))
    }

    fn is_calm(&self, described: &GroupDescription) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {described:?}; living: {}", self.show_living()));
        if described.state != "Stable" {
            return wrong("it is not stable");
        }
        let living: BTreeSet<String> = self.living.iter().map(super::member::Living::id).collect();
        if living != described.members.keys().cloned().collect() || living.len() != self.living.len() {
            return wrong("its members are not those that live");
        }
        let mut all = BTreeSet::new();
        for living in &self.living {
            let told = described.members.get(&living.id()).into_iter().flatten();
            let told: BTreeSet<PartitionId> = told.map(|place| place.partition).collect();
            if told != self.history.lock().has(&living.name) {
                return wrong("a member does not have what the group says");
            }
            if told.iter().any(|partition| !all.insert(*partition)) {
                return wrong("a partition is with two members");
            }
        }
        if all.len() != self.partitions.len() {
            return wrong("a partition is with nobody");
        }
        Ok(())
    }

    fn show_living(&self) -> String {
        let history = self.history.lock();
        let show = |living: &super::member::Living| {
            format!("{} `{}` has {:?}", living.name, living.id(), history.has(&living.name))
        };
        self.living.iter().map(show).collect::<Vec<_>>().join(", ")
    }
}
