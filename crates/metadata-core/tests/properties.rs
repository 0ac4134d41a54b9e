//! What holds after any sequence of commands, hostile ones included.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

mod logs;
mod samples;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use common::{MetadataVersion, Partition, PartitionId, TopicId};
use logs::Logs;
use metadata_core::{ChangeLog, Event, Outcome, Proposal, Record, Rejection, State, snapshot::SnapshotError};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde::Serialize;
use support::{image, is_online, new_state, run, steps};

/// The properties below say little if the sequences never get anywhere: a thousand of them must reach every outcome
/// and every rejection but those that take more than the small worlds of these tests hold.
#[test]
fn the_sequences_reach_everything() {
    let beyond_small_worlds = ["LIMIT_EXCEEDED"];
    let mut reached = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..1_000 {
        let steps = steps(150).new_tree(&mut runner).unwrap().current();
        run(&steps, |_, _, applied, _| {
            reached.insert(match &applied.result {
                Ok(outcome) => tag(outcome, "type"),
                Err(rejection) => tag(rejection, "code"),
            });
            if let Ok(Outcome::IsrChanges { results } | Outcome::Reassignments { results }) = &applied.result
            {
                reached.extend(
                    results.iter().filter_map(|change| Some(tag(change.result.as_ref().err()?, "code"))),
                );
            }
            Ok(())
        })
        .unwrap();
    }
    let outcomes = samples::outcomes().into_iter().map(|(_, outcome)| tag(&outcome, "type"));
    let rejections = samples::rejections().into_iter().map(|(_, rejection)| tag(&rejection, "code"));
    let missing: Vec<_> = outcomes
        .chain(rejections)
        .filter(|tag| !reached.contains(tag) && !beyond_small_worlds.contains(&tag.as_str()))
        .collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

fn tag(value: &impl Serialize, field: &str) -> String {
    serde_json::to_value(value).unwrap()[field].as_str().unwrap().to_owned()
}

/// Every partition of the state, by topic id and partition id.
fn partitions(state: &State) -> BTreeMap<(TopicId, PartitionId), Partition> {
    let of_topic = |topic: &common::Topic| {
        let id = topic.topic_id;
        topic.partitions.iter().map(move |p| ((id, p.id), p.clone())).collect::<Vec<_>>()
    };
    state.topics().flat_map(|topic| of_topic(topic)).collect()
}

/// `PROPTEST_CASES=10000 cargo test -p metadata-core --test properties` is the long form.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(128)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_invariant_holds_after_every_command(steps in steps(150)) {
        run(&steps, |_, proposal, _, state| {
            let checked = state.check_invariants();
            prop_assert!(checked.is_ok(), "{proposal:?}\n{checked:?}");
            Ok(())
        })?;
    }

    /// Proposals that went through the log as JSON give another node the same answers, events and digest.
    #[test]
    fn the_same_commands_give_the_same_state(steps in steps(150)) {
        let (mut other, mut index) = (new_state(), 0);
        run(&steps, |_, proposal, applied, state| {
            index += 1;
            let read: Proposal = serde_json::from_str(&serde_json::to_string(proposal).unwrap()).unwrap();
            prop_assert_eq!(&read, proposal);
            prop_assert_eq!(&other.apply(MetadataVersion(index), &read), applied);
            prop_assert_eq!(other.digest(), state.digest());
            Ok(())
        })?;
    }

    /// A command that changes nothing leaves the version; one that does takes it to its own index, and its
    /// events name it and are numbered from 0.
    #[test]
    fn the_version_is_the_index_of_the_last_change(steps in steps(150)) {
        let mut index = 0;
        run(&steps, |before, _, applied, after| {
            index += 1;
            let expected = if applied.changes.is_empty() { before.version() } else { MetadataVersion(index) };
            prop_assert_eq!(after.version(), expected);
            prop_assert_eq!(applied.version, expected);
            for (seq, change) in (0..).zip(&applied.changes) {
                prop_assert_eq!((change.version, change.seq), (expected, seq));
            }
            prop_assert_eq!(image(before) == image(after), applied.changes.is_empty());
            prop_assert!(applied.result.is_ok() || applied.changes.is_empty());
            Ok(())
        })?;
    }

    /// Whoever has an older image and the events since has the image of now, wherever it joined; and events that
    /// come a second time change nothing.
    #[test]
    fn deltas_lead_from_any_image_to_the_present_one(steps in steps(120), join in 0_usize..120) {
        let mut log = ChangeLog::new(MetadataVersion(0), 10_000, usize::MAX);
        let (mut position, mut joined) = (0, new_state());
        let state = run(&steps, |before, _, applied, _| {
            if position == join {
                joined = before.clone();
            }
            position += 1;
            log.push(&applied.changes);
            Ok(())
        })?;
        let deltas = log.since(joined.version()).unwrap();
        for (version, event) in &deltas {
            let json = serde_json::to_string(event).unwrap();
            joined.evolve(*version, &serde_json::from_str(&json).unwrap());
            let once = image(&joined);
            joined.evolve(*version, event);
            prop_assert_eq!(image(&joined), once);
        }
        prop_assert_eq!(image(&joined), image(&state));
        prop_assert_eq!(joined.check_invariants(), Ok(()));
    }

    /// A clone taken at any time stays as it was, whatever happens to the state after it.
    #[test]
    fn clones_are_independent(steps in steps(100), at in 0_usize..100) {
        let (mut position, mut kept) = (0, None);
        run(&steps, |before, _, _, _| {
            if position == at {
                kept = Some((before.clone(), before.records().collect::<Vec<_>>()));
            }
            position += 1;
            Ok(())
        })?;
        if let Some((clone, records)) = kept {
            prop_assert_eq!(clone.records().collect::<Vec<_>>(), records);
            prop_assert_eq!(clone.check_invariants(), Ok(()));
        }
    }

    #[test]
    fn records_make_the_state_they_came_from(steps in steps(150)) {
        let state = run(&steps, |_, _, _, _| Ok(()))?;
        let lines: Vec<_> = state.records().map(|record| serde_json::to_string(&record).unwrap()).collect();
        let read = |lines: &[String]| {
            State::from_records(lines.iter().map(|line| serde_json::from_str::<Record>(line)))
        };
        let restored = read(&lines).unwrap();
        prop_assert_eq!(restored.digest(), state.digest());
        prop_assert!(restored.records().eq(state.records()));
        prop_assert_eq!(restored.check_invariants(), Ok(()));
        // Any record that is missing is missed.
        for missing in 0..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(missing);
            prop_assert!(read(&fewer).is_err());
        }
        let twice = [lines.clone(), lines[..1].to_vec()].concat();
        let misplaced = matches!(read(&twice), Err(SnapshotError::Misplaced { .. }));
        prop_assert!(misplaced);
    }

    /// A repeated request gets its recorded answer and changes nothing; its key with another command is refused.
    #[test]
    fn requests_are_applied_once(steps in steps(150), again in any::<prop::sample::Index>()) {
        let mut proposals = Vec::new();
        let mut state = run(&steps, |_, proposal, applied, _| {
            proposals.push((proposal.clone(), applied.clone()));
            Ok(())
        })?;
        let keyed = |(proposal, applied): &&(Proposal, metadata_core::Applied)| {
            proposal.request_id.is_some()
                && !matches!(applied.result, Err(Rejection::IdempotencyKeyReused { .. }))
        };
        let keyed: Vec<_> = proposals.iter().filter(keyed).collect();
        if keyed.is_empty() {
            return Ok(());
        }
        let (proposal, applied) = keyed[again.index(keyed.len())];
        let digest = state.digest();
        let repeated = state.apply(MetadataVersion(1_000), proposal);
        prop_assert_eq!(&repeated.result, &applied.result);
        prop_assert!(repeated.changes.is_empty());

        let mut other = proposal.clone();
        other.command = metadata_core::Command::SetFeatureLevel { level: 77, level_max: 77 };
        let refused = state.apply(MetadataVersion(1_001), &other).result;
        let reused = matches!(refused, Err(Rejection::IdempotencyKeyReused { .. }));
        prop_assert!(reused, "{refused:?}");
        prop_assert_eq!(state.digest(), digest);
    }

    /// Across any one command: epochs never fall, a new leader has a new epoch, any change has a new partition epoch.
    #[test]
    fn epochs_tell_of_every_change(steps in steps(200)) {
        run(&steps, |before, proposal, applied, after| {
            let olds = partitions(before);
            for (key, new) in partitions(after) {
                let Some(old) = olds.get(&key) else { continue };
                prop_assert!(new.leader_epoch >= old.leader_epoch && new.partition_epoch >= old.partition_epoch);
                prop_assert_eq!(&new == old, new.partition_epoch == old.partition_epoch, "{:?}", proposal);
                if new.leader != old.leader {
                    prop_assert!(new.leader_epoch > old.leader_epoch);
                }
                let registered = applied.changes.iter().any(|change| matches!(
                    &*change.event,
                    Event::BrokerRegistered { broker } if Some(broker.broker_id) == old.leader
                        && before.broker(broker.broker_id).is_some_and(|b| b.broker_epoch != broker.broker_epoch)
                ));
                if registered {
                    prop_assert!(new.leader_epoch > old.leader_epoch, "{:?}", proposal);
                }
                prop_assert!(new.isr.iter().all(|id| old.isr.contains(id) || is_online(after, *id)));
            }
            Ok(())
        })?;
    }

    /// Partitions as logs: whoever leads, is in an ISR or is eligible has every record that was ever acknowledged, unless
    /// an unclean election gave records up.
    #[test]
    fn leaders_have_every_acknowledged_record(steps in steps(250)) {
        let mut logs = Logs::default();
        run(&steps, |before, proposal, applied, after| logs.follow(before, proposal, applied, after))?;
    }
}
