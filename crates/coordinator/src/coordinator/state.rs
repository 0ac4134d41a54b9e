//! What a coordinator has, and which request goes where.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    GroupId, Now, Outcome, Record, Reply, Request, Settings, Token, Topics,
    context::Context,
    group::{ClassicGroup, Group},
    leases::{LeaseBudget, Leases},
    offsets::Offsets,
    timers::{Timer, Timers},
};

/// Groups and offsets of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) settings: Settings,
    pub(super) topics: Arc<Topics>,
    /// Every group that has members, offsets or a record.
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) offsets: Offsets,
    /// Of groups that are read by those who are no members. In memory only.
    pub(super) leases: Leases,
    pub(super) timers: Timers,
    /// The last group that was searched for expired offsets, while a search is under way.
    pub(super) searched: Option<GroupId>,
}

impl Coordinator {
    /// One that knows nothing yet: the records of its partition are to be replayed.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            topics: Arc::default(),
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            leases: Leases::default(),
            timers: Timers::default(),
            searched: None,
        }
    }

    /// Its leases take no more than this, together with those of others that share it.
    #[must_use]
    pub fn with_lease_budget(mut self, budget: LeaseBudget) -> Self {
        self.leases = Leases::within(budget);
        self
    }

    /// The settings changed. They hold for what comes from now on; what has expired by them goes with the next
    /// [`tick`](Self::tick).
    pub fn set_settings(&mut self, settings: Settings) {
        let retention = |settings: &Settings| {
            (settings.offsets_retention_ms, settings.offsets_retention_check_interval_ms)
        };
        if retention(&settings) != retention(&self.settings) && self.timers.is_set(&Timer::Retention) {
            self.timers.set(Timer::Retention, i64::MIN);
        }
        self.settings = settings;
    }

    /// When [`tick`](Self::tick) has something to do next, by the monotonic clock, in ms.
    pub fn next_deadline(&self) -> Option<i64> {
        self.timers.next_deadline()
    }

    /// Answers a request, now or later, and whatever else comes of it.
    pub fn handle(&mut self, token: Token, request: Request, now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        let out = &mut outcome;
        let reply = match request {
            Request::JoinGroup(request) => {
                self.join_group(out, token, request, now);
                None
            }
            Request::SyncGroup(request) => {
                self.sync_group(out, token, request, now);
                None
            }
            Request::Heartbeat(request) => Some(Reply::Heartbeat(self.heartbeat(out, &request, now))),
            Request::LeaveGroup(request) => Some(Reply::LeaveGroup(self.leave_group(out, request, now))),
            Request::OffsetCommit(request) => {
                Some(Reply::OffsetCommit(self.commit_offsets(out, request, now)))
            }
            Request::TxnOffsetCommit(request) => {
                Some(Reply::TxnOffsetCommit(self.commit_transactional(out, request, now)))
            }
            Request::OffsetFetch(request) => Some(Reply::OffsetFetch(self.fetch_offsets(request))),
            Request::OffsetDelete(request) => Some(Reply::OffsetDelete(self.delete_offsets(out, request))),
            Request::DescribeGroup(request) => Some(Reply::DescribeGroup(self.describe_group(&request, now))),
            Request::ListGroups(request) => Some(Reply::ListGroups(self.list_groups(&request))),
            Request::LeasePositions(request) => {
                Some(Reply::LeasePositions(self.lease_positions(out, request, now)))
            }
            Request::LeaseRecords(request) => {
                Some(Reply::LeaseRecords(self.lease_records(out, request, now)))
            }
            Request::LeaseAck(request) => Some(Reply::LeaseAck(self.lease_ack(out, &request, now))),
            Request::Survey(request) => Some(Reply::Survey(self.survey(&request))),
            Request::DeleteGroup(request) => Some(Reply::DeleteGroup(self.delete_group(out, &request, now))),
            Request::ConsumerGroupHeartbeat(request) => {
                Some(Reply::ConsumerGroupHeartbeat(self.consumer_group_heartbeat(out, request, now)))
            }
            Request::ConsumerGroupDescribe(request) => {
                Some(Reply::ConsumerGroupDescribe(self.describe_consumer_group(&request)))
            }
        };
        out.replies.extend(reply.map(|reply| (token, reply)));
        outcome
    }

    /// The group, and what it needs for a step.
    pub(super) fn group<'a>(
        &'a mut self,
        outcome: &'a mut Outcome,
        group_id: &GroupId,
        now: Now,
    ) -> Option<(&'a mut Group, Context<'a>)> {
        let group = self.groups.get_mut(group_id)?;
        let ctx = Context {
            now,
            settings: &self.settings,
            topics: &self.topics,
            timers: &mut self.timers,
            outcome,
        };
        Some((group, ctx))
    }

    /// A group that somebody joins or commits to for the first time.
    pub(super) fn ensure_group(&mut self, group_id: &GroupId, now_unix_ms: i64) {
        if !self.groups.contains_key(group_id) {
            let group = ClassicGroup::new(group_id.clone(), now_unix_ms);
            self.groups.insert(group_id.clone(), Group::Classic(group));
        }
    }

    /// Forgets a group that has neither members nor offsets nor a record.
    pub(super) fn forget_if_nothing_is_left(&mut self, group_id: &GroupId) {
        let is_forgettable = self.groups.get(group_id).is_some_and(Group::is_forgettable);
        if is_forgettable && !self.offsets.has_group(group_id) {
            self.groups.remove(group_id);
        }
    }

    /// Writes that a group is no more.
    pub(super) fn bury(&mut self, outcome: &mut Outcome, group_id: &GroupId, now: Now) {
        match self.group(outcome, group_id, now) {
            Some((group, _)) if group.is_forgettable() => {}
            Some((Group::Classic(_), ctx)) => {
                let record = Record::GroupMetadata { group_id: group_id.clone(), value: None };
                ctx.outcome.records.push(record);
            }
            Some((Group::Consumer(group), mut ctx)) => group.write_end(&mut ctx),
            None => {}
        }
        self.groups.remove(group_id);
    }
}
