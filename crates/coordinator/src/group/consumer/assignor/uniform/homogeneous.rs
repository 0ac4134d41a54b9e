//! Everybody reads the same: each has its quota.

use std::collections::BTreeSet;

use common::TopicId;

use super::super::Spec;
use crate::assignment::Assignment;

/// Keeps of each member as much as its quota allows, and gives the rest to those who have less.
pub(super) fn assign(topics: &[(TopicId, i32)], spec: &Spec<'_>) -> Vec<Assignment> {
    let mut unassigned: BTreeSet<(TopicId, i32)> =
        topics.iter().flat_map(|(id, count)| (0..*count).map(|partition| (*id, partition))).collect();
    let quota = unassigned.len() / spec.members.len();
    // So many members have one more than the quota.
    let mut larger = unassigned.len() % spec.members.len();
    let mut targets = Vec::with_capacity(spec.members.len());
    for member in &spec.members {
        let mut kept = Vec::new();
        for partition in member.target.iter().filter(|partition| unassigned.contains(partition)) {
            let is_one_more = kept.len() == quota;
            if kept.len() > quota || is_one_more && larger == 0 {
                break;
            }
            larger -= usize::from(is_one_more);
            kept.push(partition);
        }
        for partition in &kept {
            unassigned.remove(partition);
        }
        targets.push(kept);
    }
    let mut rest = unassigned.into_iter();
    for target in &mut targets {
        if target.len() < quota {
            let missing = quota - target.len();
            target.extend(rest.by_ref().take(missing));
        }
    }
    // As many are left as there are members that may have one more and do not.
    for (target, partition) in targets.iter_mut().filter(|target| target.len() == quota).zip(rest) {
        target.push(partition);
    }
    targets.into_iter().map(|target| target.into_iter().collect()).collect()
}
