//! Changing the quorum: add, remove, hand over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::NodeId;
use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use tokio::time::{Instant, timeout};

use super::consensus::Consensus;
use super::types::{Member, TypeConfig};
use super::wire::Standing;
use super::{LeaderHint, MembershipError, RaftStatus};

/// How long a new node may take to say who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a new node may take to catch up before the request is given up; it stays a learner then.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);

impl Consensus {
    /// Adds a node: as a learner until it keeps up, then, if it is to vote, as a voter. The node must run, with an
    /// empty database and an id that was never used.
    pub async fn add_member(
        &self,
        id: NodeId,
        url: String,
        voter: bool,
    ) -> Result<RaftStatus, MembershipError> {
        self.ensure_leader()?;
        let url = url.trim_end_matches('/').to_owned();
        let known = self.inner.raft.server_metrics();
        let member = known.borrow_watched().membership_config.membership().get_node(&id).cloned();
        let is_voter = known.borrow_watched().membership_config.voter_ids().any(|voter| voter == id);
        match member {
            // A learner that is to vote from now on, or a former attempt that was given up.
            Some(member) if member.url == url && voter && !is_voter => {}
            Some(_) => return Err(MembershipError::AlreadyMember(id)),
            None => {
                let member = self.check_newcomer(id, &url).await?;
                let change = ChangeMembers::AddNodes(BTreeMap::from([(id, member)]));
                self.change(change, true).await?;
            }
        }
        self.wait_until_caught_up(id, &url).await?;
        if voter {
            self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])), true).await?;
        }
        tracing::info!(event = "raft.member_added", node = %id, %url, voter, "added a node to the quorum");
        Ok(self.status())
    }

    /// Removes a node for ever: its id is never used again. A leader may remove itself; it hands over then.
    pub async fn remove_member(&self, id: NodeId) -> Result<RaftStatus, MembershipError> {
        self.ensure_leader()?;
        let known = self.inner.raft.server_metrics();
        let membership = known.borrow_watched().membership_config.membership().clone();
        if membership.get_node(&id).is_none() {
            return Err(MembershipError::UnknownMember(id));
        }
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        if voters.len() == 1 && voters.contains(&id) {
            return Err(MembershipError::LastVoter(id));
        }
        if voters.contains(&id) {
            self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id])), false).await?;
        } else {
            self.change(ChangeMembers::RemoveNodes(BTreeSet::from([id])), false).await?;
        }
        tracing::info!(event = "raft.member_removed", node = %id, "removed a node from the quorum");
        Ok(self.status())
    }

    /// Hands leadership to `to`, or to the voter whose log is most complete, and waits until it leads.
    pub async fn transfer_leader(&self, to: Option<NodeId>) -> Result<LeaderHint, MembershipError> {
        self.ensure_leader()?;
        let to = self.successor(to)?;
        let raft = &self.inner.raft;
        raft.trigger().transfer_leader(to).await.map_err(|_| MembershipError::ShuttingDown)?;
        let mut hints = self.watch_leader();
        let patience = self.inner.timings.election_max * 4;
        let handed_over = hints.wait_for(|hint| hint.is(to));
        match timeout(patience, handed_over).await {
            Ok(Ok(hint)) => Ok(hint.clone()),
            Ok(Err(_)) => Err(MembershipError::ShuttingDown),
            Err(_) => Err(MembershipError::CannotLead {
                id: to,
                reason: format!("it did not take over within {} ms", patience.as_millis()),
            }),
        }
    }

    /// Before a stop: hands leadership over if this node leads and somebody else can, so that writes pause for
    /// milliseconds instead of an election timeout.
    pub(crate) async fn hand_over(&self) {
        if !self.leader().is_self {
            return;
        }
        match self.transfer_leader(None).await {
            Ok(hint) => {
                let to = hint.leader.map(|leader| leader.id.0);
                tracing::info!(event = "raft.handed_over", to, "handed leadership over");
            }
            Err(error) => {
                tracing::warn!(event = "raft.not_handed_over", %error, "leadership was not handed over")
            }
        }
    }

    /// Whom leadership may go to.
    fn successor(&self, to: Option<NodeId>) -> Result<NodeId, MembershipError> {
        let status = self.status();
        let matched = |id: NodeId| status.replication.get(&id).copied().unwrap_or(0);
        let me = self.node_id();
        match to {
            Some(id) => {
                let cannot = |reason: &str| MembershipError::CannotLead { id, reason: reason.to_owned() };
                let member = status.members.iter().find(|member| member.node_id == id);
                let member = member.ok_or(MembershipError::UnknownMember(id))?;
                if !member.voter {
                    return Err(cannot("it is a learner"));
                }
                if id == me {
                    return Err(cannot("it leads already"));
                }
                Ok(id)
            }
            None => status
                .members
                .iter()
                .filter(|member| member.voter && member.node_id != me)
                .map(|member| member.node_id)
                .max_by_key(|id| (matched(*id), std::cmp::Reverse(*id)))
                .ok_or_else(|| MembershipError::CannotLead {
                    id: me,
                    reason: "there is no other voter".to_owned(),
                }),
        }
    }

    fn ensure_leader(&self) -> Result<(), MembershipError> {
        if self.leader().is_self {
            Ok(())
        } else {
            Err(MembershipError::NotController(self.inner.other_leader()))
        }
    }

    /// Says hello to a node that is to be added.
    async fn check_newcomer(&self, id: NodeId, url: &str) -> Result<Member, MembershipError> {
        let used = self.inner.published.read(|applied| applied.used_ids.contains(&id));
        if used {
            return Err(MembershipError::IdUsed(id));
        }
        let unusable = |reason: String| MembershipError::Unusable { id, url: url.to_owned(), reason };
        let member = Member { url: url.to_owned(), storage_id: None };
        let hello = self.inner.peers.client(id, member).hello(HELLO_TIMEOUT).await;
        let hello = hello.map_err(|error| unusable(error.to_string()))?;
        if hello.node_id != id || hello.cluster_id != *self.cluster_id() {
            return Err(unusable(format!("it is node {} of cluster `{}`", hello.node_id, hello.cluster_id)));
        }
        if hello.initialized || hello.committed != Standing::Unknown {
            return Err(unusable("its database is not empty: it has taken part in a cluster".to_owned()));
        }
        Ok(Member { url: url.to_owned(), storage_id: Some(hello.storage_id) })
    }

    async fn wait_until_caught_up(&self, id: NodeId, url: &str) -> Result<(), MembershipError> {
        let mut metrics = self.inner.raft.data_metrics();
        let target = metrics.borrow_watched().last_log.map_or(0, |last| last.index);
        let caught_up = async {
            loop {
                {
                    let now = metrics.borrow_and_update();
                    let matched = now.replication.as_ref().and_then(|map| map.get(&id).copied().flatten());
                    if matched.is_some_and(|matched| matched.index >= target) {
                        return Ok(());
                    }
                }
                self.ensure_leader()?;
                metrics.changed().await.map_err(|_| MembershipError::ShuttingDown)?;
            }
        };
        timeout(CATCH_UP_TIMEOUT, caught_up).await.unwrap_or_else(|_| {
            Err(MembershipError::Unusable {
                id,
                url: url.to_owned(),
                reason: format!(
                    "it did not catch up within {} s; it stays a learner",
                    CATCH_UP_TIMEOUT.as_secs()
                ),
            })
        })
    }

    async fn change(
        &self,
        change: ChangeMembers<NodeId, Member>,
        retain: bool,
    ) -> Result<(), MembershipError> {
        let started = Instant::now();
        let unknown = || {
            let waited_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            MembershipError::OutcomeUnknown { waited_ms }
        };
        let patience = self.inner.timings.wait_max();
        let Ok(_one_by_one) = timeout(patience, self.inner.changing_members.lock()).await else {
            return Err(MembershipError::InProgress);
        };
        let changed = self.inner.raft.change_membership(change, retain);
        let Ok(changed) = timeout(patience, changed).await else {
            return Err(unknown());
        };
        match changed {
            Ok(_) => Ok(()),
            Err(RaftError::Fatal(_)) => Err(MembershipError::ShuttingDown),
            Err(RaftError::APIError(error)) => Err(self.change_refused(error).unwrap_or_else(unknown)),
        }
    }

    /// What a refusal means; `None`: the change was proposed, and its fate is unknown.
    fn change_refused(&self, error: ClientWriteError<TypeConfig>) -> Option<MembershipError> {
        match error {
            ClientWriteError::ForwardToLeader(_) => {
                Some(MembershipError::NotController(self.inner.other_leader()))
            }
            ClientWriteError::ChangeMembershipError(ChangeMembershipError::LearnerNotFound(missing)) => {
                Some(MembershipError::UnknownMember(missing.node_id))
            }
            ClientWriteError::ChangeMembershipError(ChangeMembershipError::EmptyMembership(_)) => {
                Some(MembershipError::LastVoter(self.node_id()))
            }
            ClientWriteError::ChangeMembershipError(_) => Some(MembershipError::InProgress),
            ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_) => None,
        }
    }
}
