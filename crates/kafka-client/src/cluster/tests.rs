//! What users of one cluster do to each other.

use std::{pin::pin, time::Duration};

use tokio::{net::TcpListener, time::timeout};

use super::{Cluster, ClusterOptions};
use crate::address::Address;

#[tokio::test]
async fn who_asks_and_does_not_look_holds_nobody_up() {
    // It accepts connections, and answers nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    let options = ClusterOptions { metadata_timeout: Duration::from_millis(20), ..ClusterOptions::default() };
    let cluster = Cluster::new([address], options);
    let mut left = pin!(cluster.refresh([], 0));
    assert!(futures_util::poll!(&mut left).is_pending());
    tokio::task::yield_now().await;
    let asked = timeout(Duration::from_secs(10), cluster.refresh_all()).await;
    assert!(asked.expect("it has its turn").is_err());
    assert!(left.await.is_err());
}
