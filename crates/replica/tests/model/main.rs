//! Three replicas and the real rules of the controllers, under any order of messages, crashes, fencings and elections.
//!
//! What is checked after every step stands in `checks`; what happens, in `cluster`. The long form:
//! `PROPTEST_CASES=20000 cargo test -p replica --release --test model`.

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod cluster;
mod controller;

use cluster::{Cluster, Step};
use proptest::prelude::*;

/// Any steps, the frequent ones more often.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<u8>();
    let node = 0..3_u8;
    let step = prop_oneof![
        20 => (node.clone(), 1..4_u8).prop_map(|(node, records)| Step::Produce { node, records }),
        14 => node.clone().prop_map(|node| Step::Flush { node }),
        30 => node.clone().prop_map(|node| Step::Replicate { node }),
        6 => Just(Step::Settle),
        10 => node.clone().prop_map(|node| Step::Fetch { node }),
        20 => index.prop_map(|message| Step::Deliver { message }),
        4 => index.prop_map(|message| Step::Repeat { message }),
        2 => index.prop_map(|message| Step::Lose { message }),
        8 => node.clone().prop_map(|node| Step::Learn { node }),
        5 => (1..8_u8).prop_map(|seconds| Step::Wait { seconds }),
        3 => node.clone().prop_map(|node| Step::Propose { node }),
        2 => (node.clone(), index).prop_map(|(node, kept)| Step::Crash { node, kept }),
        5 => node.clone().prop_map(|node| Step::Start { node }),
        2 => node.clone().prop_map(|node| Step::Break { node }),
        4 => node.clone().prop_map(|node| Step::Leave { node }),
        4 => node.clone().prop_map(|node| Step::Renew { node }),
        4 => (node.clone(), index).prop_map(|(node, kept)| Step::Mend { node, kept }),
        2 => node.clone().prop_map(|node| Step::Fence { node }),
        5 => node.clone().prop_map(|node| Step::Unfence { node }),
        1 => node.clone().prop_map(|node| Step::Drain { node }),
        2 => Just(Step::ElectPreferred),
        1 => (node, 1..4_u8).prop_map(|(node, records)| Step::DeleteOld { node, records }),
    ];
    prop::collection::vec(step, 60..160)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_was_acknowledged_is_lost(min_insync_replicas in 1..=3_usize, steps in steps()) {
        let mut cluster = Cluster::new(min_insync_replicas);
        for step in &steps {
            cluster.step(*step);
            cluster.check();
        }
        cluster.heal();
    }
}
