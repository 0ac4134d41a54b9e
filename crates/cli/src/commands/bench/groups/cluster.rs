//! The cluster that is measured, and how its brokers are killed.

use std::{
    process::Stdio,
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

use common::BrokerId;
use kafka_client::{Address, Cluster, ClusterOptions, ConnectionOptions, NewTopic};
use local_cluster::wait_for;

use crate::{
    drill::{
        stage_records::kafka_addresses,
        target::{Target, broker_name},
    },
    exit::Failure,
};

/// How long things may take that happen between two measurements.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// The topic that keeps offsets.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A cluster.
pub(super) struct GroupsCluster {
    bootstrap: Vec<Address>,
    processes: Processes,
    /// The partition of the topic of offsets that the next figure uses.
    next_partition: AtomicI32,
}

/// Whoever can kill its brokers.
enum Processes {
    ThrowAway(Box<Target>),
    Hook(String),
    Nobody,
}

impl GroupsCluster {
    /// A throw-away one.
    pub(super) async fn throw_away(target: Target) -> Result<Self, Failure> {
        let bootstrap = kafka_addresses(&target.observer()?).await?;
        let processes = Processes::ThrowAway(Box::new(target));
        Ok(Self { bootstrap, processes, next_partition: AtomicI32::new(0) })
    }

    /// Any other one.
    pub(super) fn other(bootstrap: Vec<Address>, hook: Option<String>) -> Self {
        let processes = hook.map_or(Processes::Nobody, Processes::Hook);
        Self { bootstrap, processes, next_partition: AtomicI32::new(0) }
    }

    /// Whether brokers can be killed.
    pub(super) fn can_kill(&self) -> bool {
        !matches!(self.processes, Processes::Nobody)
    }

    /// A client, as impatient as those of the drills.
    pub(super) fn client(&self) -> Cluster {
        let connection = ConnectionOptions {
            client_id: "bench-groups".to_owned(),
            connection_setup_timeout: Duration::from_millis(500),
            request_timeout: Duration::from_secs(1),
            ..ConnectionOptions::default()
        };
        let options = ClusterOptions {
            connection,
            metadata_timeout: Duration::from_millis(500),
            max_block: DEADLINE,
            // What is measured are the brokers' pauses, not its own.
            retry_backoff: Duration::from_millis(10),
            retry_backoff_max: Duration::from_millis(10),
            ..ClusterOptions::default()
        };
        Cluster::new(self.bootstrap.iter().cloned(), options)
    }

    /// A client that waits for whatever takes its time, as Kafka's own do.
    pub(super) fn patient_client(&self) -> Cluster {
        let patient = ClusterOptions { max_block: DEADLINE, ..ClusterOptions::default() };
        Cluster::new(self.bootstrap.iter().cloned(), patient)
    }

    /// A new topic whose partitions have leaders.
    pub(super) async fn topic(&self, partitions: usize) -> Result<String, Failure> {
        let name = format!("bench-groups-{}", uuid::Uuid::new_v4().simple());
        let cluster = self.patient_client();
        let topic = NewTopic {
            name: name.clone(),
            partitions: i32::try_from(partitions).ok(),
            ..NewTopic::default()
        };
        cluster.create_topic(&topic).await?;
        for id in cluster.topic(&name).await?.partition_ids() {
            cluster.await_leader(&name, id).await?;
        }
        Ok(name)
    }

    /// Names for groups that are in one partition of the topic of offsets, in which no figure has any that was measured before. A
    /// coordinator that takes over reads all of a partition, and that is no matter of other figures.
    pub(super) async fn group_ids(&self) -> Result<impl Iterator<Item = String> + use<>, Failure> {
        let partitions = self.patient_client().topic(OFFSETS_TOPIC).await?.partitions.len();
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX).max(1);
        let partition = self.next_partition.fetch_add(1, Ordering::Relaxed) % partitions;
        let tag = uuid::Uuid::new_v4().simple().to_string();
        let names = (0..).map(move |number: u64| format!("bench-groups-{tag}-{number}"));
        Ok(names.filter(move |name| coordinator::partition_of(name, partitions) == partition))
    }

    /// Waits until there are coordinators: the topic of offsets is made when the first is looked for.
    pub(super) async fn has_coordinators(&self) -> Result<(), Failure> {
        let client = self.client();
        let there = wait_for("there are coordinators", DEADLINE, async || {
            client.coordinator("bench-groups").await.map(drop).map_err(|error| error.to_string())
        });
        there.await.map_err(Failure::failed)
    }

    /// SIGKILL to a broker.
    pub(super) async fn kill(&mut self, broker: BrokerId) -> Result<(), Failure> {
        match &mut self.processes {
            Processes::ThrowAway(target) => target.kill(&broker_name(broker)).await,
            Processes::Hook(hook) => run(hook, "kill", broker).await,
            Processes::Nobody => Err(Failure::usage("brokers can be killed with --ephemeral or --hook")),
        }
    }

    /// Starts it again, and waits until it is in sync again.
    pub(super) async fn start(&mut self, broker: BrokerId) -> Result<(), Failure> {
        match &mut self.processes {
            Processes::ThrowAway(target) => target.start(&broker_name(broker)).await?,
            Processes::Hook(hook) => run(hook, "start", broker).await?,
            Processes::Nobody => {}
        }
        let in_sync = wait_for("all replicas are in sync", DEADLINE, async || {
            let cluster = self.client();
            let topic = cluster.look_up(OFFSETS_TOPIC).await.map_err(|error| error.to_string())?;
            let behind = topic.partitions.iter().filter(|one| one.isr.len() < one.replicas.len()).count();
            if behind == 0 { Ok(()) } else { Err(format!("{behind} partitions have replicas that are not")) }
        });
        in_sync.await.map_err(Failure::failed)
    }
}

async fn run(hook: &str, action: &str, broker: BrokerId) -> Result<(), Failure> {
    let command = format!("{hook} {action} {broker}");
    let status =
        tokio::process::Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).status().await?;
    if status.success() { Ok(()) } else { Err(Failure::failed(format!("`{command}` ended with {status}"))) }
}
