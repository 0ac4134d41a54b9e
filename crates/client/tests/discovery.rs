//! Finding the controller, with nodes that are down, silent, or behind the times.

mod support;

use std::time::{Duration, Instant};

use client::{ControllerDiscovery, HttpClient};
use common::{NodeId, Term};
use support::{Node, black_hole, nobody};

fn discovery(nodes: impl IntoIterator<Item = String>) -> ControllerDiscovery {
    ControllerDiscovery::new(HttpClient::default(), nodes)
}

/// A starting broker is to find a leader within this time. Waiting for a node costs a second each time; whatever else the
/// machine does holds some attempts up, but not all.
const GOAL: Duration = Duration::from_millis(200);
const ATTEMPTS: usize = 20;

#[tokio::test]
async fn the_highest_term_wins_whoever_answers_first() {
    let (old, new) = (Node::start().await, Node::start().await);
    old.names("http://old/", 1, 3);
    new.names("http://new/", 2, 4);
    for nodes in [[&old, &new], [&new, &old]] {
        let found = discovery(nodes.map(|node| node.url.clone())).find().await.unwrap();
        assert_eq!((found.id, found.term, found.url.as_str()), (NodeId(2), Term(4), "http://new"));
    }
}

#[tokio::test]
async fn nodes_that_are_down_or_silent_cost_no_time() {
    let (one, two) = (Node::start().await, Node::start().await);
    one.names("http://leader", 1, 7);
    two.names("http://leader", 1, 7);
    let (_listener, silent) = black_hole().await;
    let down = nobody().await;
    for nodes in [
        vec![one.url.clone(), two.url.clone(), silent.clone()],
        vec![silent.clone(), one.url.clone(), down.clone()],
        vec![down.clone(), down.clone(), one.url.clone()],
        vec![silent.clone(), silent.clone(), one.url.clone()],
    ] {
        let mut quickest = Duration::MAX;
        for _ in 0..ATTEMPTS {
            let begun = Instant::now();
            let found = discovery(nodes.clone()).find().await.unwrap();
            quickest = quickest.min(begun.elapsed());
            assert_eq!(found.term, Term(7));
            if quickest < GOAL {
                break;
            }
        }
        assert!(quickest < GOAL, "{quickest:?} with {nodes:?}");
    }
}

#[tokio::test]
async fn without_a_controller_every_answer_is_told() {
    let node = Node::start().await;
    let down = nobody().await;
    let error = discovery([node.url.clone(), down.clone()]).find().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("{} is not the controller; it knows none", node.url)), "{text}");
    assert!(text.contains(&format!("cannot connect to {down}")), "{text}");
}
