//! A broker that coordinates groups.

use broker::broker_config::BrokerConfig;
use kafka_wire::messages::{DescribeGroupsRequest, FindCoordinatorRequest};
use tempfile::TempDir;

use super::{BrokerFixture, Quorum, eventually, kafka::Client};

/// Settings of most tests: nobody waits for others to come.
pub(crate) const AT_ONCE: &[&str] = &["group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=3"];

/// So many groups are looked at until all partitions of `__consumer_offsets` are likely to have been.
const GROUPS: usize = 40;

/// A broker that coordinates all groups, with a topic `orders` of two partitions.
pub(crate) async fn coordinating(quorum: &Quorum, dir: &TempDir, config: &[&str]) -> BrokerFixture {
    let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
    settings.kafka_port = Some(0);
    settings.config = BrokerConfig::parse(config.iter().copied()).unwrap();
    let broker = BrokerFixture::following(settings).await;
    if quorum.core().state.topic("orders").is_none() {
        quorum.create_topic("orders", 2, &[101]);
    }
    let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    eventually("it coordinates", async || {
        let mut client = Client::new(&broker);
        let found = client.call(6, &find);
        let groups = ["g".to_owned(), "h".to_owned()].into_iter();
        let groups = groups.chain((0..GROUPS).map(|n| format!("group-{n}"))).collect();
        let describe = DescribeGroupsRequest { groups, ..Default::default() };
        found.coordinators[0].node_id == 101
            && client.call(5, &describe).groups.iter().all(|group| group.error_code.is_none())
    })
    .await;
    broker
}
