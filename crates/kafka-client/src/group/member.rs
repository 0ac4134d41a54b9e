//! The handle of a member.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::Offset;
use kafka_wire::messages::{ConsumerGroupHeartbeatRequest, LeaveGroupRequest, leave_group::MemberIdentity};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    GroupError, GroupOptions, GroupProtocol, Partitions, link::Link, membership::Membership, offsets,
    session::Session,
};
use crate::{cluster::Cluster, offsets::TopicPartition};

/// Changes that the user has not asked for yet.
const CHANGES: usize = 16;

/// Epochs by which a member of KIP-848 says that it goes, and that a static one comes back.
const LEAVES: i32 = -1;
const LEAVES_FOR_A_WHILE: i32 = -2;

/// A member of a group. A task of its own keeps it in the group; dropped, it vanishes without a word, as if its process had
/// died.
#[derive(Debug)]
pub struct GroupMember {
    options: GroupOptions,
    membership: Arc<Membership>,
    /// For commits, which may take their time: heartbeats do not wait behind them.
    link: Arc<Link>,
    changes: mpsc::Receiver<Change>,
    task: JoinSet<GroupError>,
}

/// What a member owns changes. Dropped, it is carried out.
#[derive(Debug)]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// Which partitions.
    pub partitions: Partitions,
    /// In which generation or member epoch; -1: in none any more.
    pub epoch: i32,
    /// Of the member when this was so.
    pub(super) life: u64,
    pub(super) _done: oneshot::Sender<()>,
}

/// How it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// These are the member's from now on.
    Assigned,
    /// These are to be given up: nothing of them may be worked on when the [`Change`] is dropped, and until then offsets can be
    /// committed.
    Revoked,
    /// These are gone already: nothing may be worked on, and commits are refused. Some of them may be about to be given up: for
    /// that there is no time any more. Some may never have been told to be assigned.
    Lost,
}

impl GroupMember {
    /// Joins a group, and stays in it through whatever happens to its coordinators.
    pub fn join(cluster: Cluster, options: GroupOptions) -> Self {
        let (sender, changes) = mpsc::channel(CHANGES);
        let membership = Arc::new(Membership::new(options.session_timeout));
        let link = || Link::new(cluster.clone(), options.group_id.clone());
        let session = Session {
            cluster: cluster.clone(),
            options: options.clone(),
            membership: Arc::clone(&membership),
            owned: Partitions::new(),
            link: link(),
            parking: link(),
            changes: sender,
        };
        let link = Arc::new(link());
        let mut task = JoinSet::new();
        task.spawn(session.run());
        Self { options, membership, link, changes, task }
    }

    /// Its id, as the coordinator knows it; empty before that.
    pub fn id(&self) -> String {
        self.membership.identity().member_id
    }

    /// Its generation or member epoch; -1 while it is in none.
    pub fn epoch(&self) -> i32 {
        self.membership.identity().epoch
    }

    /// What it was told.
    pub fn options(&self) -> &GroupOptions {
        &self.options
    }

    /// Whether it is in its group at this moment, by its own clock: what it was assigned, and not told to give up, is its own.
    /// A process that was stopped for longer than a session hears of that by [`Change`]s only after it runs again. Whoever must
    /// do nothing that a successor may be doing as well asks this before; commits do.
    pub fn is_in_group(&self) -> bool {
        self.membership.in_group().is_some()
    }

    /// The next change of what it owns. Nothing is assigned that is lost already: it is told to be lost alone. Cancel safe.
    ///
    /// # Errors
    /// Why it is no member any more, for good.
    pub async fn next(&mut self) -> Result<Change, GroupError> {
        while let Some(change) = self.changes.recv().await {
            if change.kind != ChangeKind::Assigned || self.membership.lives(change.life) {
                return Ok(change);
            }
        }
        match self.task.join_next().await {
            Some(Ok(error)) => Err(error),
            _ => Err(GroupError::Ended { group_id: self.options.group_id.clone() }),
        }
    }

    /// Commits the next offsets to be read, once. The future has nothing of the member's, so that this can be watched meanwhile.
    ///
    /// # Errors
    /// If the member is not in its group now: nothing was asked then. If the coordinator refuses or does not answer;
    /// [`GroupError::is_retriable`] tells whether to try again. Without an answer they may be committed nonetheless.
    pub fn commit(
        &self,
        offsets: BTreeMap<TopicPartition, Offset>,
    ) -> impl Future<Output = Result<(), GroupError>> + Send + use<> {
        let (link, identity) = (self.link.clone(), self.membership.in_group());
        let (group_id, instance_id) = (self.options.group_id.clone(), self.options.instance_id.clone());
        async move {
            // Without an epoch it would be taken for somebody from outside, who may commit while a group is empty.
            let Some(identity) = identity else { return Err(GroupError::NotInGroup { group_id }) };
            offsets::commit(&link, &group_id, &identity, instance_id.as_deref(), &offsets).await
        }
    }

    /// Reads the group's offsets of these partitions, once; those that it never committed are left out.
    ///
    /// # Errors
    /// As [`GroupMember::commit`].
    pub fn committed(
        &self,
        partitions: Partitions,
    ) -> impl Future<Output = Result<BTreeMap<TopicPartition, Offset>, GroupError>> + Send + use<> {
        let (link, group_id) = (self.link.clone(), self.options.group_id.clone());
        async move { offsets::fetch(&link, &group_id, &partitions).await }
    }

    /// Leaves, as a client does that ends in good order: a static member of a classic group says nothing, one of the other
    /// protocol that it will be back. Asks once.
    ///
    /// # Errors
    /// If the coordinator was not reached: then it finds out when the session ends.
    pub async fn leave(mut self) -> Result<(), GroupError> {
        self.task.shutdown().await;
        let (identity, group_id) = (self.membership.identity(), self.options.group_id.clone());
        let instance_id = self.options.instance_id.clone();
        match (self.options.protocol, &instance_id) {
            (GroupProtocol::Classic(_), Some(_)) => Ok(()),
            (GroupProtocol::Classic(_), None) => {
                let member_id = identity.member_id;
                let leaving = MemberIdentity { member_id: member_id.clone(), ..MemberIdentity::default() };
                let mut request = LeaveGroupRequest { group_id, ..LeaveGroupRequest::default() };
                request.members = vec![leaving];
                self.link.call(&request, i16::MAX, Duration::ZERO, |told| told.error_code).await.map(drop)
            }
            (GroupProtocol::Consumer, _) => {
                let member_epoch = if instance_id.is_some() { LEAVES_FOR_A_WHILE } else { LEAVES };
                let request = ConsumerGroupHeartbeatRequest {
                    group_id,
                    member_id: identity.member_id,
                    member_epoch,
                    instance_id,
                    ..ConsumerGroupHeartbeatRequest::default()
                };
                self.link.call(&request, i16::MAX, Duration::ZERO, |told| told.error_code).await.map(drop)
            }
        }
    }
}
