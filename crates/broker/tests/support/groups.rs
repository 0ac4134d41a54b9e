//! A broker that coordinates groups.

use broker::broker_config::BrokerConfig;
use kafka_wire::messages::{DescribeGroupsRequest, FindCoordinatorRequest};
use tempfile::TempDir;

use super::{BrokerFixture, Quorum, eventually, kafka::Client};

/// Settings of most tests: nobody waits for others to come.
pub(crate) const AT_ONCE: &[&str] = &["group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=3"];

/// A broker that coordinates the groups `g` and `h`, with a topic `orders` of two partitions.
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
        let describe = DescribeGroupsRequest { groups: vec!["g".into(), "h".into()], ..Default::default() };
        found.coordinators[0].node_id == 101
            && client.call(5, &describe).groups.iter().all(|group| group.error_code.is_none())
    })
    .await;
    broker
}
