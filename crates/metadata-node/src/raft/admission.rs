//! First start: forming a cluster, joining one, or finding out that this node must not.
//!
//! A database that is empty may mean three things: the cluster is new, this node is new, or this node has lost its
//! disk. In the last case it has forgotten what it voted for and what it acknowledged, and taking part under its old
//! id could undo what the cluster has acknowledged to its clients (openraft's FAQ, etcd's "data-dir" rule). So a node
//! with an empty database asks before it takes part, and until it knows it answers no RPC:
//!
//! - Every database draws a *storage id* when it is created. The leader records each member's in the membership, by a
//!   committed entry. A member that comes back with another one is refused, by itself and by everybody else.
//! - A node whose storage id is not recorded waits for the leader to do so, before it votes or acknowledges anything.
//! - A cluster is formed only when so many of the others say that they are new as well that none of them could have
//!   been told of anything this node once acknowledged: `n - quorum + 1` of them, for three nodes both.
//! - Every founder writes the same first entry, so it does not matter who is first (Raft needs no more: it has the
//!   same log id and the same content everywhere). Founders whose `services.json` differ refuse to form a cluster.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::NodeId;
use futures_util::future::join_all;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{InitializeError, RaftError};
use tokio::time::Instant;
use uuid::Uuid;

use super::consensus::{Consensus, Inner};
use super::types::Member;
use super::wire::{Hello, Standing};

/// How long one node may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_millis(500);
/// Pause between two rounds of questions, at first and when it takes long.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_LATER: Duration = Duration::from_millis(200);
/// After so long, pauses become longer and the wait is logged.
const LATER: Duration = Duration::from_secs(2);
/// How long the other founders wait for the first one to form the cluster, and how often they look.
const FORM_PATIENCE: Duration = Duration::from_millis(300);
const FORM_PAUSE: Duration = Duration::from_millis(5);
/// How often a wait is logged.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Why this node must not take part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// It lost its disk.
    #[error(
        "node {id} has an empty database, but node {witness} knows it by another one ({known}): this node has lost \
         its disk, and with it what it voted for and acknowledged. It must not come back under its old id. Remove \
         it (DELETE /api/v1/raft/members/{id} at the leader, or `dmq raft members remove {id}`), give it an id that \
         was never used, and add it (POST /api/v1/raft/members). If its old database still exists, start it with that"
    )]
    LostDisk {
        /// This node.
        id: NodeId,
        /// Who knows.
        witness: NodeId,
        /// The database it is known by.
        known: Uuid,
    },
    /// It was removed.
    #[error(
        "node {id} was removed from the quorum, says node {witness}; ids are never used again: give this node one \
         that was never used, and add it (POST /api/v1/raft/members)"
    )]
    Removed {
        /// This node.
        id: NodeId,
        /// Who knows.
        witness: NodeId,
    },
    /// Founders that do not agree on who they are.
    #[error(
        "node {witness} would form the cluster of {theirs:?}, this node of {ours:?}: make their services.json the same"
    )]
    OtherFounders {
        /// Who.
        witness: NodeId,
        /// Its founders.
        theirs: BTreeMap<NodeId, String>,
        /// Ours.
        ours: BTreeMap<NodeId, String>,
    },
    /// The Raft core stopped.
    #[error("the Raft core stopped: {0}")]
    Stopped(String),
}

/// What a round of questions leads to.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// Form the cluster.
    Form,
    /// Take part: the membership records this database.
    Join,
    /// Ask again.
    Wait(String),
}

/// Decides from what others said. Pure; `founders` includes this node.
fn decide(
    id: NodeId,
    storage_id: Uuid,
    founders: &BTreeMap<NodeId, String>,
    answers: &[Hello],
) -> Result<Decision, AdmissionError> {
    for hello in answers {
        let witness = hello.node_id;
        let recorded = match hello.committed {
            Standing::Removed => return Err(AdmissionError::Removed { id, witness }),
            Standing::Member { storage_id } => storage_id,
            Standing::Unknown => None,
        };
        if let Some(known) = recorded.or(hello.in_log).filter(|known| *known != storage_id) {
            return Err(AdmissionError::LostDisk { id, witness, known });
        }
        if recorded.is_some() {
            return Ok(Decision::Join);
        }
    }
    let running = answers.iter().find(|hello| hello.initialized && !hello.forming);
    if let Some(hello) = running {
        return Ok(Decision::Wait(match hello.committed {
            Standing::Unknown => format!(
                "node {id} is no member of the cluster that runs: add it (POST /api/v1/raft/members at the leader, \
                 or `dmq raft members add`)"
            ),
            _ => "the leader has not recorded this node's database yet".to_owned(),
        }));
    }
    let voters = founders.len();
    if !founders.contains_key(&id) {
        return Ok(Decision::Wait("no node of the cluster answers yet".to_owned()));
    }
    if let Some(hello) = answers.iter().find(|hello| hello.founders != *founders) {
        return Err(AdmissionError::OtherFounders {
            witness: hello.node_id,
            theirs: hello.founders.clone(),
            ours: founders.clone(),
        });
    }
    let needed = witnesses(voters);
    if answers.len() >= needed {
        return Ok(Decision::Form);
    }
    let missing: Vec<String> = founders
        .iter()
        .filter(|(node, _)| **node != id && answers.iter().all(|hello| hello.node_id != **node))
        .map(|(node, url)| format!("{node} ({url})"))
        .collect();
    let text =
        format!("a new cluster is formed once {needed} other nodes answer; missing: {}", missing.join(", "));
    Ok(Decision::Wait(text))
}

/// How many of the other voters must say that they are new, so that nothing can have been acknowledged by a majority
/// that none of them knows of.
fn witnesses(voters: usize) -> usize {
    let quorum = voters / 2 + 1;
    if voters == 1 { 0 } else { voters - quorum + 1 }
}

impl Consensus {
    /// Finds out whether and how this node takes part, and waits until that is known.
    pub(crate) async fn admit(&self) -> Result<(), AdmissionError> {
        let inner = &*self.inner;
        if !inner.has_history {
            inner.ask_until_clear().await?;
        }
        inner.admitted.send_replace(true);
        inner.warn_of_shared_servers().await;
        Ok(())
    }
}

impl Inner {
    async fn ask_until_clear(&self) -> Result<(), AdmissionError> {
        let id = self.identity.node_id();
        let started = Instant::now();
        let mut logged: Option<Instant> = None;
        loop {
            let answers = self.ask_everybody().await;
            match decide(id, self.identity.storage_id(), &self.founders, &answers)? {
                Decision::Join => {
                    tracing::info!(event = "raft.admitted", "this node joins the quorum that is there");
                    return Ok(());
                }
                Decision::Form => {
                    self.has_founded.store(true, Ordering::Relaxed);
                    return self.form().await;
                }
                Decision::Wait(reason) => {
                    let late = started.elapsed() > LATER;
                    if late && logged.is_none_or(|logged| logged.elapsed() > LOG_EVERY) {
                        logged = Some(Instant::now());
                        tracing::warn!(event = "raft.admission_waits", %reason, "this node does not take part yet");
                    }
                    tokio::time::sleep(if late { PAUSE_LATER } else { PAUSE }).await;
                }
            }
        }
    }

    /// All voters on one database server are as available, and as durable, as this server alone.
    async fn warn_of_shared_servers(&self) {
        let Some(server_id) = self.server_id else { return };
        for hello in self.ask_everybody().await {
            if hello.server_id == Some(server_id) {
                tracing::warn!(
                    event = "raft.shared_database_server",
                    node = %hello.node_id,
                    server_id,
                    "another voter's log is on the same Postgres server: the quorum survives the loss of that server \
                     no better than one node would"
                );
            }
        }
    }

    /// Says hello to all founders but this node; those who do not answer are left out.
    async fn ask_everybody(&self) -> Vec<Hello> {
        let others = self.founders.iter().filter(|(id, _)| **id != self.identity.node_id());
        let asked = others.map(|(id, url)| async move {
            let member = Member { url: url.clone(), storage_id: None };
            match self.peers.client(*id, member).hello(HELLO_TIMEOUT).await {
                Ok(hello) => Some(hello),
                Err(error) => {
                    tracing::debug!(event = "raft.hello_failed", node = %id, %error);
                    None
                }
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Writes the first entry: the founders. Anybody may, but openraft asks for votes at once when it is written, so
    /// the first of the founders does it as soon as enough others take part, and the others only if it does not.
    async fn form(&self) -> Result<(), AdmissionError> {
        self.admitted.send_replace(true);
        let is_first = self.founders.keys().next() == Some(&self.identity.node_id());
        let deadline = Instant::now() + FORM_PATIENCE;
        while Instant::now() < deadline {
            if self.raft.metrics().borrow_watched().last_log_index.is_some() {
                return Ok(());
            }
            if is_first {
                let answers = self.ask_everybody().await;
                if answers.iter().filter(|hello| hello.admitted).count() >= witnesses(self.founders.len()) {
                    break;
                }
            }
            tokio::time::sleep(FORM_PAUSE).await;
        }
        let members: BTreeMap<NodeId, Member> = self
            .founders
            .iter()
            .map(|(id, url)| (*id, Member { url: url.clone(), storage_id: None }))
            .collect();
        match self.raft.initialize(members).await {
            Ok(()) => {
                let voters = self.founders.len();
                tracing::info!(event = "raft.formed", voters, "forming a new cluster");
                Ok(())
            }
            // Another founder was faster, and its entry is here: it is the same one.
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(error)) => Err(AdmissionError::Stopped(error.to_string())),
            Err(RaftError::Fatal(error)) => Err(AdmissionError::Stopped(error.to_string())),
        }
    }

    /// Waits until everything this node may have shown before its restart is applied again: until a commit of the
    /// cluster covers the log it found, and is applied.
    pub(super) async fn wait_for_recovery(&self) {
        let mut metrics = self.raft.metrics();
        let found = metrics.borrow_watched().last_log_index;
        let target = loop {
            {
                let now = metrics.borrow_and_update();
                let committed = now.cluster_committed.map(|id| id.index);
                if found.is_none() || committed >= found {
                    break found.unwrap_or(0);
                }
            }
            if metrics.changed().await.is_err() {
                return;
            }
        };
        let mut progress = self.published.watch_progress();
        if progress.wait_for(|progress| progress.index >= target).await.is_ok() {
            self.recovered.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::ClusterId;

    fn founders(count: u64) -> BTreeMap<NodeId, String> {
        (1..=count).map(|id| (NodeId(id), format!("http://h:{id}"))).collect()
    }

    fn hello(node: u64, founders: &BTreeMap<NodeId, String>) -> Hello {
        Hello {
            version: 1,
            cluster_id: ClusterId("c".into()),
            node_id: NodeId(node),
            storage_id: Uuid::from_u128(u128::from(node)),
            initialized: false,
            admitted: false,
            forming: false,
            server_id: None,
            founders: founders.clone(),
            committed: Standing::Unknown,
            in_log: None,
        }
    }

    const MINE: Uuid = Uuid::from_u128(99);

    #[test]
    fn a_cluster_is_formed_only_when_nobody_can_know_better() {
        for (count, needed) in [(1, 0), (3, 2), (5, 3), (7, 4)] {
            let founders = founders(count);
            let mut answers = Vec::new();
            for others in 0..=needed {
                let decision = decide(NodeId(1), MINE, &founders, &answers).unwrap();
                if others == needed {
                    assert_eq!(decision, Decision::Form, "{others} of {count}");
                } else {
                    assert!(matches!(decision, Decision::Wait(_)), "{others} of {count}");
                }
                answers.push(hello(others + 2, &founders));
            }
        }
    }

    #[test]
    fn founders_that_have_begun_already_count() {
        let founders = founders(3);
        let begun = Hello { initialized: true, forming: true, ..hello(2, &founders) };
        let decision = decide(NodeId(1), MINE, &founders, &[begun, hello(3, &founders)]);
        assert_eq!(decision, Ok(Decision::Form));
    }

    #[test]
    fn a_lost_disk_is_noticed_by_one_witness() {
        let founders = founders(3);
        let running = Hello { initialized: true, ..hello(2, &founders) };
        let known = Uuid::from_u128(7);
        for witness in [
            Hello { committed: Standing::Member { storage_id: Some(known) }, ..running.clone() },
            Hello { in_log: Some(known), ..running.clone() },
        ] {
            let decision = decide(NodeId(1), MINE, &founders, &[hello(3, &founders), witness]);
            assert_eq!(decision, Err(AdmissionError::LostDisk { id: NodeId(1), witness: NodeId(2), known }));
        }
        let removed = Hello { committed: Standing::Removed, ..running };
        assert!(matches!(
            decide(NodeId(1), MINE, &founders, &[removed]),
            Err(AdmissionError::Removed { .. })
        ));
    }

    #[test]
    fn a_late_founder_waits_until_its_database_is_recorded() {
        let founders = founders(3);
        let running = Hello { initialized: true, ..hello(2, &founders) };
        for standing in [Standing::Unknown, Standing::Member { storage_id: None }] {
            let witness = Hello { committed: standing, ..running.clone() };
            let decision = decide(NodeId(1), MINE, &founders, &[witness]).unwrap();
            assert!(matches!(decision, Decision::Wait(_)), "{standing:?}");
        }
        // In the log, but not committed: not yet.
        let witness = Hello { in_log: Some(MINE), ..running.clone() };
        assert!(matches!(decide(NodeId(1), MINE, &founders, &[witness]), Ok(Decision::Wait(_))));
        let witness = Hello { committed: Standing::Member { storage_id: Some(MINE) }, ..running };
        assert_eq!(decide(NodeId(1), MINE, &founders, &[witness]), Ok(Decision::Join));
    }

    #[test]
    fn a_new_node_waits_to_be_added() {
        let founders = founders(3);
        assert!(matches!(decide(NodeId(4), MINE, &founders, &[]), Ok(Decision::Wait(_))));
        let running = Hello { initialized: true, ..hello(2, &founders) };
        let waits = decide(NodeId(4), MINE, &founders, std::slice::from_ref(&running)).unwrap();
        assert!(matches!(waits, Decision::Wait(reason) if reason.contains("POST /api/v1/raft/members")));
        let added = Hello { committed: Standing::Member { storage_id: Some(MINE) }, ..running };
        assert_eq!(decide(NodeId(4), MINE, &founders, &[added]), Ok(Decision::Join));
    }

    #[test]
    fn founders_must_agree() {
        let ours = founders(3);
        let mut theirs = ours.clone();
        theirs.insert(NodeId(3), "http://elsewhere:3".into());
        let answers = [hello(2, &theirs), hello(3, &ours)];
        assert!(matches!(
            decide(NodeId(1), MINE, &ours, &answers),
            Err(AdmissionError::OtherFounders { .. })
        ));
    }
}
