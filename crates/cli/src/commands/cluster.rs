//! `dmq cluster status`: the whole cluster on one screen, and in the exit code whether it is well. `dmq cluster config`: what is
//! kept for all brokers.

use std::io::{self, Write};

use clap::Subcommand;
use client::api;
use common::BrokerStatus;
use http_api::{BrokerInfo, ClusterImage, RaftStatus};
use serde::Serialize;

use super::{
    configs::{ConfigArgs, Owner},
    raft::QuorumView,
};
use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    output::{Render, Table, or_dash},
};

/// What to ask about the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show controllers, brokers and topics in short. Exit code 0: all is well; 1: something is not; 4: no controller
    Status,
    /// Show or change the settings that are kept for all brokers, and taken on while they run
    Config(ConfigArgs),
}

impl ClusterCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        match self {
            Self::Status => status(connection).await,
            Self::Config(change) => change.run(Owner::Brokers(None), connection).await,
        }
    }
}

/// Shows the cluster in short.
async fn status(connection: &ConnectionArgs) -> Result<(), Failure> {
    let http = connection.http();
    let quorum = QuorumView::fetch(&http, &connection.nodes()?).await;
    // The image of the node with the newest metadata; the leader's, if there is one.
    let newest = quorum
        .0
        .iter()
        .filter_map(|node| Some((node.status.as_ref()?, &node.url)))
        .max_by_key(|(status, _)| (status.is_leader, status.last_applied));
    let Some((_, url)) = newest else {
        connection.output.emit(&quorum)?;
        return Err(Failure::new(Exit::Unavailable, "no metadata node answers"));
    };
    let image = api::cluster().send(&http, url).await?;
    let status = ClusterView::new(quorum, image);
    connection.output.emit(&status)?;
    match status {
        ClusterView { controller: None, .. } => {
            Err(Failure::new(Exit::Unavailable, "no node leads: nothing can be changed"))
        }
        ClusterView { problems, .. } if !problems.is_empty() => {
            Err(Failure::new(Exit::Failed, String::new()))
        }
        _ => Ok(()),
    }
}

/// The cluster in short.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterView {
    cluster_id: String,
    metadata_version: u64,
    controller: Option<u64>,
    nodes: QuorumView,
    brokers: Vec<BrokerInfo>,
    topics: usize,
    partitions: usize,
    offline_partitions: usize,
    under_replicated_partitions: usize,
    /// What is not as it should be, in words.
    problems: Vec<String>,
}

impl ClusterView {
    fn new(nodes: QuorumView, image: ClusterImage) -> Self {
        let partitions = || image.topics.iter().flat_map(|topic| &topic.partitions);
        let mut view = Self {
            cluster_id: image.cluster_id.to_string(),
            metadata_version: image.version.0,
            controller: nodes.leader().map(|status| status.node_id.0),
            topics: image.topics.len(),
            partitions: image.total_partitions,
            offline_partitions: partitions().filter(|partition| partition.leader.is_none()).count(),
            under_replicated_partitions: partitions().filter(|p| p.isr.len() < p.settled_replicas()).count(),
            nodes,
            brokers: image.brokers,
            problems: Vec::new(),
        };
        view.problems = view.find_problems();
        view
    }

    fn find_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.controller.is_none() {
            problems.push("no metadata node leads".to_owned());
        }
        for node in &self.nodes.0 {
            if let Some(error) = &node.error {
                problems.push(format!("metadata node at {} does not answer: {error}", node.url));
            }
        }
        for broker in &self.brokers {
            if broker.status != BrokerStatus::Online {
                problems.push(format!("broker {} is {}", broker.broker_id, super::name_of(&broker.status)));
            }
        }
        if self.offline_partitions > 0 {
            problems.push(format!("{} partitions have no leader", self.offline_partitions));
        }
        if self.under_replicated_partitions > 0 {
            problems.push(format!("{} partitions are under-replicated", self.under_replicated_partitions));
        }
        problems
    }
}

impl Render for ClusterView {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "cluster {}  metadata version {}  controller {}",
            self.cluster_id,
            self.metadata_version,
            or_dash(self.controller)
        )?;
        writeln!(
            out,
            "{} topics, {} partitions, {} without leader, {} under-replicated\n",
            self.topics, self.partitions, self.offline_partitions, self.under_replicated_partitions
        )?;
        let mut nodes = Table::new(["NODE", "STATE", "TERM", "APPLIED", "BEHIND", "URL"]);
        let head = self.nodes.leader().map_or(0, |leader: &RaftStatus| leader.commit_index);
        for node in &self.nodes.0 {
            let status = node.status.as_ref();
            nodes.row([
                or_dash(status.map(|status| status.node_id)),
                node.state(),
                or_dash(status.map(|status| status.current_term)),
                or_dash(status.map(|status| status.last_applied)),
                or_dash(status.map(|status| head.saturating_sub(status.last_applied))),
                node.url.clone(),
            ]);
        }
        nodes.write(out)?;
        writeln!(out)?;
        let mut brokers = Table::new(["BROKER", "STATUS", "RACK", "LEADS", "REPLICAS", "URL"]);
        for broker in &self.brokers {
            brokers.row([
                broker.broker_id.to_string(),
                super::name_of(&broker.status),
                or_dash(broker.rack.as_ref()),
                broker.leader_partitions.to_string(),
                broker.replica_partitions.to_string(),
                broker.url(),
            ]);
        }
        brokers.write(out)?;
        if !self.problems.is_empty() {
            writeln!(out, "\nproblems:")?;
        }
        for problem in &self.problems {
            writeln!(out, "  {problem}")?;
        }
        Ok(())
    }
}
