//! `range`: of each topic, each reader has a range of neighbouring partitions.
//!
//! The ranges of a topic go to its readers in an order that is the same for all topics, so that who has partition 3 of one
//! has partition 3 of another, if these have equally many partitions and readers. If all read the same, the order is that
//! of the ranges until now, those who had none at the end: then a member that comes or goes moves the others' borders, but not
//! their places. Else it is the order of the names.

use super::Spec;
use crate::assignment::Assignment;

pub(super) fn assign(spec: &Spec<'_>) -> Vec<Assignment> {
    let mut places: Vec<(i32, &str, usize)> = Vec::with_capacity(spec.members.len());
    for (number, member) in spec.members.iter().enumerate() {
        let first = member.target.iter().map(|(_, partition)| partition).min().unwrap_or(i32::MAX);
        let begins = if spec.subscriptions.len() == 1 { first } else { 0 };
        // A static member is known by its instance id over all its lives.
        let name = member.instance_id.map_or(member.member_id.as_str(), |id| id.as_str());
        places.push((begins, name, number));
    }
    places.sort_unstable();
    let mut place_of = vec![0; places.len()];
    for (place, (_, _, number)) in places.into_iter().enumerate() {
        if let Some(slot) = place_of.get_mut(number) {
            *slot = place;
        }
    }
    let mut targets = vec![Assignment::default(); spec.members.len()];
    for mut topic in spec.topics() {
        topic.readers.sort_unstable_by_key(|reader| place_of.get(*reader));
        let readers = i32::try_from(topic.readers.len()).unwrap_or(i32::MAX).max(1);
        let (size, larger) = (topic.partitions / readers, topic.partitions % readers);
        let mut partitions = 0..topic.partitions;
        for (place, reader) in (0_i32..).zip(&topic.readers) {
            let own = size + i32::from(place < larger);
            let Ok(own) = usize::try_from(own) else { continue };
            let Some(target) = targets.get_mut(*reader) else { continue };
            for partition in partitions.by_ref().take(own) {
                target.insert(topic.id, partition);
            }
        }
    }
    targets
}
