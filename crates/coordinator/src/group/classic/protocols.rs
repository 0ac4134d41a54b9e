//! Which protocols all members know, and which one they vote for.

use std::collections::BTreeMap;

use super::{group::ClassicGroup, member::Member};
use crate::api::{JoinGroup, Protocol};

/// How many members know each protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::group) struct Protocols {
    known_by: BTreeMap<String, usize>,
}

impl Protocols {
    pub(in crate::group) fn add(&mut self, member: &Member) {
        for protocol in &member.protocols {
            *self.known_by.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    pub(in crate::group) fn remove(&mut self, member: &Member) {
        for protocol in &member.protocols {
            if let Some(count) = self.known_by.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.known_by.remove(&protocol.name);
                }
            }
        }
    }

    fn is_known_by(&self, members: usize, name: &str) -> bool {
        self.known_by.get(name) == Some(&members)
    }
}

impl ClassicGroup {
    /// Whether a member that says this can be in the group: it is of the group's type, and there is a protocol that it and
    /// everybody else knows.
    pub(in crate::group) fn supports(&self, request: &JoinGroup) -> bool {
        if self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|protocol| self.is_known_by_all(protocol))
    }

    fn is_known_by_all(&self, protocol: &Protocol) -> bool {
        self.protocols.is_known_by(self.members.len(), &protocol.name)
    }

    /// The protocol with the most votes: each member votes for its best one that all know. The leader decides a tie.
    pub(in crate::group) fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(best) = member.protocols.iter().find(|protocol| self.is_known_by_all(protocol)) {
                *votes.entry(&best.name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        let winner = |name: &str| votes.get(name) == Some(&most);
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        let by_leader =
            leader.and_then(|leader| leader.protocols.iter().find(|protocol| winner(&protocol.name)));
        let name = by_leader.map(|protocol| protocol.name.as_str());
        name.or_else(|| votes.keys().copied().find(|name| winner(name))).map(str::to_owned)
    }
}
