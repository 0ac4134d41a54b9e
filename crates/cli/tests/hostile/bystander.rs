//! A client that does nothing wrong: it writes a record, waits for its acknowledgement, and writes the next one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::PartitionId;
use kafka_client::{Address, Cluster, ClusterOptions, NewRecord, Producer, ProducerOptions};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::TOPIC;

/// How long some records may take together.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    /// How many records were acknowledged.
    written: watch::Receiver<usize>,
    /// Gives the longest that one took.
    writing: JoinSet<Duration>,
}

impl Bystander {
    pub(crate) fn start(port: u16) -> Self {
        let cluster = Cluster::new([Address::new("127.0.0.1", port)], ClusterOptions::default());
        let producer = Producer::new(cluster, ProducerOptions::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (count, written) = watch::channel(0);
        let stopped = stop.clone();
        let mut writing = JoinSet::new();
        writing.spawn(async move {
            let mut slowest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let record = NewRecord { value: Some(b"well-behaved"), ..NewRecord::default() };
                let sent = producer.send(TOPIC, Some(PartitionId(0)), &record).await.unwrap();
                let ack = sent.acked().await.unwrap();
                assert_eq!(ack.offset.unwrap().0, *count.borrow() as i64, "each record is written once");
                slowest = slowest.max(begun.elapsed());
                count.send_modify(|count| *count += 1);
            }
            slowest
        });
        Self { stop, written, writing }
    }

    /// Waits until so many more records are written.
    pub(crate) async fn writes(&self, more: usize) {
        let mut written = self.written.clone();
        let goal = *written.borrow() + more;
        timeout(DEADLINE, written.wait_for(|count| *count >= goal))
            .await
            .expect("others are served")
            .unwrap();
    }

    /// The longest that a record took.
    pub(crate) async fn stop(mut self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.writing.join_next().await.unwrap().unwrap()
    }
}
