//! The state of a group in words.

use coordinator::{GroupState, api::GroupDescription};

/// Members that are named; of more only the number is told.
const NAMED_MAX: usize = 3;

/// What the group is doing, for how long, and whom it waits for.
pub(super) fn state(group: &GroupDescription) -> String {
    let age = age(group.state_age_ms);
    let waiting = waiting_for(group);
    match group.state {
        GroupState::Empty => format!("no members for {age}"),
        GroupState::Stable => format!("stable for {age}"),
        GroupState::PreparingRebalance => format!("rebalancing for {age}{waiting} to join"),
        GroupState::CompletingRebalance => {
            format!("rebalancing for {age}{waiting} to bring or fetch assignments")
        }
        GroupState::Assigning => format!("making a new assignment for {age}"),
        GroupState::Reconciling => format!("moving partitions for {age}{waiting} to give partitions up"),
        GroupState::Dead => "there is no such group".to_owned(),
    }
}

fn waiting_for(group: &GroupDescription) -> String {
    let names: Vec<&str> = group.waiting_for.iter().take(NAMED_MAX).map(|id| id.as_str()).collect();
    let more = group.waiting_for.len().saturating_sub(names.len());
    match (names.as_slice(), more) {
        ([], _) => ", waiting for members".to_owned(),
        ([one], 0) => format!(", waiting for member {one}"),
        (names, 0) => format!(", waiting for members {}", names.join(", ")),
        (names, more) => format!(", waiting for members {} and {more} more", names.join(", ")),
    }
}

/// A time as people say it.
fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..100 => format!("{seconds}.{} s", ms.max(0) % 1000 / 100),
        100..6_000 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use coordinator::GroupType;

    use super::*;

    fn group(state: GroupState, state_age_ms: i64, waiting_for: &[&str]) -> GroupDescription {
        GroupDescription {
            group_type: GroupType::Classic,
            state,
            state_age_ms,
            protocol_type: String::new(),
            protocol_name: String::new(),
            generation_id: 0,
            leader: None,
            members: Vec::new(),
            waiting_for: waiting_for.iter().map(|id| (*id).into()).collect(),
        }
    }

    #[test]
    fn who_is_waited_for_is_named() {
        let told = |state, ms, waiting: &[&str]| super::state(&group(state, ms, waiting));
        assert_eq!(
            told(GroupState::PreparingRebalance, 2_140, &["x"]),
            "rebalancing for 2.1 s, waiting for member x to join"
        );
        assert_eq!(
            told(GroupState::PreparingRebalance, 50, &["a", "b", "c", "d", "e"]),
            "rebalancing for 0.0 s, waiting for members a, b, c and 2 more to join"
        );
        assert_eq!(told(GroupState::Stable, 7_200_000, &[]), "stable for 2 h");
        assert_eq!(told(GroupState::Empty, 600_000, &[]), "no members for 10 min");
    }
}
