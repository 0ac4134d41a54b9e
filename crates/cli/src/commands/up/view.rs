//! What `dmq up` shows: the endpoints with something to try, and the processes' lines in colours.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use local_cluster::{LocalCluster, OutputLine};
use serde::Serialize;

use super::plan::Plan;
use crate::output::{Render, Table, count, or_dash};

/// A cluster that is ready.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpView {
    cluster_id: String,
    ready_ms: u64,
    metadata_nodes: Vec<Endpoint>,
    brokers: Vec<Endpoint>,
    directory: PathBuf,
    ephemeral: bool,
}

/// A process and where it is reached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    name: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<String>,
    pid: Option<u32>,
    log: PathBuf,
}

impl UpView {
    pub(super) fn new(cluster: &LocalCluster, plan: &Plan, took: Duration) -> Self {
        let config = cluster.config();
        let endpoint = |name: String, url: &str, kafka| {
            let member = cluster.process(&name).ok().map(local_cluster::Process::member);
            Endpoint {
                url: url.to_owned(),
                kafka,
                pid: member.as_ref().and_then(|member| member.pid),
                log: member.map(|member| shorter(&member.log)).unwrap_or_default(),
                name,
            }
        };
        let nodes = config.metadata_nodes.iter();
        let brokers = config.brokers.iter();
        Self {
            cluster_id: config.cluster_id.to_string(),
            ready_ms: runtime::clock::as_ms(took),
            metadata_nodes: nodes
                .map(|node| endpoint(format!("metadata-{}", node.id), &node.url, None))
                .collect(),
            brokers: brokers
                .map(|broker| {
                    let kafka = broker.kafka_port.map(|port| format!("{}:{port}", broker.host));
                    endpoint(format!("broker-{}", broker.id), &broker.url, kafka)
                })
                .collect(),
            directory: shorter(plan.directory()),
            ephemeral: plan.is_ephemeral(),
        }
    }

    /// Three commands to begin with.
    fn examples(&self) -> [String; 3] {
        let url = self.metadata_nodes.first().map(|node| node.url.as_str()).unwrap_or_default();
        let replicas = self.brokers.len().clamp(1, 3);
        [
            format!("curl -s {url}/api/v1/metadata/controller"),
            format!(
                "curl -sL '{url}/api/v1/metadata/topics?redirect=true' -H 'content-type: application/json' \\\n       -d '{{\"topicName\": \"orders\", \"numPartitions\": 6, \"replicationFactor\": {replicas}}}'"
            ),
            format!("curl -s {url}/api/v1/metadata/topics/orders"),
        ]
    }
}

impl Render for UpView {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "\nCluster {} is ready: {}, {}, {} ms.\n",
            self.cluster_id,
            count(self.metadata_nodes.len(), "metadata node"),
            count(self.brokers.len(), "broker"),
            self.ready_ms
        )?;
        let mut table = Table::new(["PROCESS", "REST", "KAFKA", "PID", "LOG"]);
        for endpoint in self.metadata_nodes.iter().chain(&self.brokers) {
            table.row([
                endpoint.name.clone(),
                endpoint.url.clone(),
                or_dash(endpoint.kafka.clone()),
                or_dash(endpoint.pid),
                endpoint.log.display().to_string(),
            ]);
        }
        table.write(out)?;
        writeln!(out, "\nTry:")?;
        for example in self.examples() {
            writeln!(out, "  {example}")?;
        }
        let fate = if self.ephemeral { "removes all data" } else { "keeps the data" };
        writeln!(out, "\nCtrl-C stops everything and {fate} ({}).\n", self.directory.display())
    }
}

/// A path as seen from the working directory, if it is below it.
fn shorter(path: &std::path::Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}

/// Colours, if the terminal has them and nobody objects.
pub(super) struct Painter {
    colored: bool,
}

/// The colours that are read well on dark and on light ground.
const COLORS: [u8; 6] = [36, 33, 32, 35, 34, 31];

impl Painter {
    pub(super) fn new() -> Self {
        Self { colored: runtime::telemetry::color_wanted() }
    }

    /// A line of a process with its name before it; each process keeps its colour.
    pub(super) fn line(&self, line: &OutputLine) -> String {
        let digits =
            line.name.chars().filter_map(|c| c.to_digit(10)).fold(0_usize, |id, digit| {
                id.wrapping_mul(10).wrapping_add(usize::try_from(digit).unwrap_or(0))
            });
        let turn = digits % 100 + if line.name.starts_with("broker") { 3 } else { 0 };
        let color = COLORS.get(turn.wrapping_sub(1) % COLORS.len()).copied().unwrap_or(0);
        format!("{} {}", self.paint(color, &format!("{:<11}|", line.name)), line.line)
    }

    /// The beginning of a warning.
    pub(super) fn warning(&self) -> String {
        self.paint(31, "warning:")
    }

    fn paint(&self, color: u8, text: &str) -> String {
        if self.colored { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_there_are_no_colours() {
        let line = OutputLine { name: "broker-101".to_owned(), line: "up".to_owned() };
        assert_eq!(Painter { colored: false }.line(&line), "broker-101 | up");
        assert_eq!(Painter { colored: true }.line(&line), "\u{1b}[35mbroker-101 |\u{1b}[0m up");
    }
}
