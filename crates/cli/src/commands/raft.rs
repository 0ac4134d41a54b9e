//! `dmq raft`: the quorum of metadata nodes.

use std::io::{self, Write};

use clap::Subcommand;
use client::{HttpClient, api};
use common::NodeId;
use futures_util::future::join_all;
use http_api::{
    RaftLogEntry, RaftMember, RaftStatus,
    members::{AddMemberRequest, TransferLeaderRequest},
    query::RaftLogQuery,
};
use serde::Serialize;

use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    output::{Render, Table, or_dash, say},
};

/// What to do with the quorum.
#[derive(Debug, Subcommand)]
pub(crate) enum RaftCommand {
    /// Show the state of every node
    Status,
    /// Show entries of a node's log
    Log {
        /// First index; without it the newest entries
        #[arg(long)]
        from: Option<u64>,
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Of which node; by default the first that answers
        #[arg(long, value_name = "ID")]
        node: Option<NodeId>,
    },
    /// List, add and remove members; hand leadership over
    #[command(subcommand)]
    Members(MembersCommand),
}

/// What to do with the members.
#[derive(Debug, Subcommand)]
pub(crate) enum MembersCommand {
    /// List members
    List,
    /// Add a node: it catches up as a learner, then votes
    Add {
        /// Its id; one that was never used before
        id: NodeId,
        /// Base URL of its REST API
        url: String,
        /// Leave it a learner, without a vote
        #[arg(long)]
        learner: bool,
    },
    /// Remove a node
    Remove {
        /// Its id
        id: NodeId,
    },
    /// Hand leadership over
    Transfer {
        /// To whom; by default to the voter whose log is most complete
        id: Option<NodeId>,
    },
}

impl RaftCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        match self {
            Self::Status => {
                let view = QuorumView::fetch(&connection.http(), &connection.nodes()?).await;
                connection.output.emit(&view)?;
                view.verdict()
            }
            Self::Log { from, limit, node } => {
                let query = RaftLogQuery { from, limit: Some(limit) };
                let client = connection.client()?;
                let entries = match node {
                    None => client.call(&api::raft_log(&query)).await?,
                    Some(id) => {
                        let members = client.call(&api::members()).await?;
                        let url = members.into_iter().find(|member| member.node_id == id).map(|m| m.url);
                        let url = url.ok_or_else(|| Failure::failed(format!("node {id} is no member")))?;
                        api::raft_log(&query).send(client.http(), &url).await?
                    }
                };
                connection.output.emit(&LogView(entries))
            }
            Self::Members(command) => command.run(connection).await,
        }
    }
}

impl MembersCommand {
    async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let client = connection.client()?;
        let members = match self {
            Self::List => client.call(&api::members()).await?,
            Self::Add { id, url, learner } => {
                let request = AddMemberRequest { node_id: id, url, voter: !learner };
                client.call(&api::add_member(&request)).await?.members
            }
            Self::Remove { id } => client.call(&api::remove_member(id)).await?.members,
            Self::Transfer { id } => {
                let request = TransferLeaderRequest { node_id: id };
                let done = client.call(&api::transfer_leader(&request)).await?;
                say!("leadership handed over from node {} to node {}", done.from, done.to);
                return Ok(());
            }
        };
        connection.output.emit(&MemberList(members))
    }
}

/// What one node says, or why it says nothing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeView {
    /// Base URL.
    pub(crate) url: String,
    /// Its answer.
    pub(crate) status: Option<RaftStatus>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl NodeView {
    /// `LEADER`, `FOLLOWER`, ..., or that it does not answer.
    pub(crate) fn state(&self) -> String {
        self.status.as_ref().map_or_else(|| "NO ANSWER".to_owned(), |status| super::name_of(&status.state))
    }
}

/// What every node says.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct QuorumView(pub(crate) Vec<NodeView>);

impl QuorumView {
    /// Asks all nodes at once.
    pub(crate) async fn fetch(http: &HttpClient, nodes: &[String]) -> Self {
        let ask = |url: &String| {
            let url = url.clone();
            async move {
                match api::raft_status().send(http, &url).await {
                    Ok(status) => NodeView { url, status: Some(status), error: None },
                    Err(error) => NodeView { url, status: None, error: Some(error.to_string()) },
                }
            }
        };
        Self(join_all(nodes.iter().map(ask)).await)
    }

    /// The leader of the highest term, if a node claims to be it.
    pub(crate) fn leader(&self) -> Option<&RaftStatus> {
        self.0
            .iter()
            .filter_map(|node| node.status.as_ref())
            .filter(|status| status.is_leader)
            .max_by_key(|status| status.current_term)
    }

    /// Unavailable unless somebody leads.
    fn verdict(&self) -> Result<(), Failure> {
        match self.leader() {
            Some(_) => Ok(()),
            None => Err(Failure::new(Exit::Unavailable, "no node leads")),
        }
    }
}

impl Render for QuorumView {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new([
            "NODE",
            "STATE",
            "TERM",
            "LEADER",
            "COMMITTED",
            "APPLIED",
            "LAST LOG",
            "SNAPSHOT",
            "STORAGE",
            "URL",
        ]);
        for node in &self.0 {
            let status = node.status.as_ref();
            table.row([
                or_dash(status.map(|status| status.node_id)),
                node.state(),
                or_dash(status.map(|status| status.current_term)),
                or_dash(status.and_then(|status| status.leader_id)),
                or_dash(status.map(|status| status.commit_index)),
                or_dash(status.map(|status| status.last_applied)),
                or_dash(status.map(|status| status.last_log_index)),
                or_dash(status.map(|status| status.snapshot_index)),
                or_dash(status.map(|status| super::name_of(&status.storage))),
                node.url.clone(),
            ]);
        }
        table.write(out)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct MemberList(Vec<RaftMember>);

impl Render for MemberList {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["NODE", "VOTES", "URL"]);
        for member in &self.0 {
            table.row([member.node_id.to_string(), member.voter.to_string(), member.url.clone()]);
        }
        table.write(out)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct LogView(Vec<RaftLogEntry>);

impl Render for LogView {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["INDEX", "TERM", "KIND", "PAYLOAD"]);
        for entry in &self.0 {
            table.row([
                entry.index.to_string(),
                entry.term.to_string(),
                super::name_of(&entry.kind),
                super::shortened(&entry.payload),
            ]);
        }
        table.write(out)
    }
}
