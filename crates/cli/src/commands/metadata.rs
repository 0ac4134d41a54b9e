//! `dmq metadata history`: who changed what, and when.

use std::io::{self, Write};

use clap::Subcommand;
use client::api;
use common::{BrokerId, MetadataVersion};
use http_api::{HistoryEntry, query::HistoryQuery};
use serde::Serialize;

use crate::{
    connection::ConnectionArgs,
    exit::Failure,
    output::{Render, Table},
};

/// What to ask about the metadata.
#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// Show the metadata events, the newest first; with --since the oldest first
    History {
        /// Only events about this topic
        #[arg(long)]
        topic: Option<String>,
        /// Only events about this broker
        #[arg(long, value_name = "ID")]
        broker: Option<BrokerId>,
        /// Only events after this metadata version
        #[arg(long, value_name = "VERSION")]
        since: Option<MetadataVersion>,
        /// How many at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

impl MetadataCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let Self::History { topic, broker, since, limit } = self;
        let query = HistoryQuery { topic, broker, since, limit: Some(limit) };
        let entries = connection.client()?.call(&api::history(&query)).await?;
        connection.output.emit(&History(entries))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct History(Vec<HistoryEntry>);

impl Render for History {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["VERSION", "TIME (UTC)", "AUTHOR", "KIND", "SUBJECT", "AFTER"]);
        for entry in &self.0 {
            table.row([
                entry.version.to_string(),
                super::utc(entry.time),
                entry.author.clone(),
                entry.kind.clone(),
                entry.subject.clone(),
                super::shortened(&entry.after),
            ]);
        }
        table.write(out)
    }
}
