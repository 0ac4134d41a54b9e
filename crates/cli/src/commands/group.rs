//! `dmq group`: consumer groups: list, describe, reset, delete, and their settings. Any broker answers for all of them, but for
//! settings, which the controllers keep.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::{Args, Subcommand};
use client::{Call, CallError, HttpClient, api};
use common::BrokerStatus;
use http_api::{
    ErrorCode,
    groups::{GroupInfo, GroupSummary, ResetGroupRequest, ResetGroupResponse, ResetTo, ResetTopic},
};
use serde::Serialize;

use super::configs::{ConfigArgs, Owner};
use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    output::{Render, Table, comma_separated, count, or_dash, say},
};

/// From one look to the next of `--watch`.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// Puts the cursor at the top, and clears what is below.
const CLEAR: &str = "\x1b[H\x1b[J";

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List groups
    List {
        /// Only those whose id starts so
        #[arg(long, default_value = "")]
        prefix: String,
    },
    /// Show a group with its members, its offsets and how far it is behind
    Describe {
        /// Its id
        group: String,
        /// Look again every second, until Ctrl-C
        #[arg(long, short)]
        watch: bool,
    },
    /// Show or change the settings that a group has of its own; members hear of a change with their next heartbeats
    Config {
        /// Its id
        group: String,
        #[command(flatten)]
        change: ConfigArgs,
    },
    /// Put a group without members elsewhere. Shows what would be; `--execute` does it
    Reset(ResetArgs),
    /// Delete a group without members, with its offsets
    Delete {
        /// Its id
        group: String,
    },
}

/// Where a group is to go on.
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Its id
    group: String,
    /// `earliest`, `latest`, `time=<Unix milliseconds>`, `offset=<n>` or `shift=<n>` (as in `shift=-100`)
    #[arg(long, value_name = "WHERE", value_parser = parse_target, allow_hyphen_values = true)]
    to: ResetTo,
    /// Only this topic, or these of its partitions: `orders` or `orders:0,2`; may be repeated
    #[arg(long = "topic", value_name = "TOPIC[:PARTITIONS]", value_parser = parse_topic)]
    topics: Vec<ResetTopic>,
    /// Do it, instead of showing what would be done
    #[arg(long)]
    execute: bool,
}

impl GroupCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let brokers = || Brokers::find(connection);
        match self {
            Self::Config { group, change } => change.run(Owner::Group(group), connection).await,
            Self::List { prefix } => {
                let mut groups = brokers().await?.ask(&api::groups()).await?;
                groups.retain(|group| group.group_id.starts_with(&prefix));
                connection.output.emit(&GroupList(groups))
            }
            Self::Describe { group, watch: false } => {
                let group = brokers().await?.ask(&api::group(&group)).await?;
                connection.output.emit(&Description(group))
            }
            Self::Describe { group, watch: true } => watch(&brokers().await?, connection, &group).await,
            Self::Reset(ResetArgs { group, to, topics, execute }) => {
                let topics = (!topics.is_empty()).then_some(topics);
                let request = ResetGroupRequest { to, topics, dry_run: !execute };
                let done = brokers().await?.ask(&api::reset_group(&group, &request)).await?;
                if done.dry_run {
                    say!("nothing was changed; with --execute group `{group}` goes on so:");
                }
                connection.output.emit(&Reset(done))
            }
            Self::Delete { group } => {
                brokers().await?.ask(&api::delete_group(&group)).await?;
                say!("deleted group `{group}`");
                Ok(())
            }
        }
    }
}

async fn watch(brokers: &Brokers, connection: &ConnectionArgs, group: &str) -> Result<(), Failure> {
    loop {
        let look = brokers.ask(&api::group(group)).await;
        let mut out = io::stdout();
        write!(out, "{CLEAR}").and_then(|()| out.flush()).map_err(Failure::failed)?;
        match look {
            Ok(group) => connection.output.emit(&Description(group))?,
            // It may come, or come back.
            Err(failure) => say!("{failure}"),
        }
        tokio::time::sleep(WATCH_PERIOD).await;
    }
}

/// The brokers that may be asked.
struct Brokers {
    http: HttpClient,
    urls: Vec<String>,
}

impl Brokers {
    async fn find(connection: &ConnectionArgs) -> Result<Self, Failure> {
        let brokers = connection.client()?.call(&api::brokers()).await?;
        let online = brokers.into_iter().filter(|broker| broker.status == BrokerStatus::Online);
        let urls: Vec<String> = online.map(|broker| broker.url()).collect();
        if urls.is_empty() {
            return Err(Failure::new(Exit::Unavailable, "no broker is online"));
        }
        Ok(Self { http: connection.http(), urls })
    }

    /// Asks one after the other until one answers.
    async fn ask<T: serde::de::DeserializeOwned + 'static>(&self, call: &Call<T>) -> Result<T, Failure> {
        let mut last = None;
        for url in &self.urls {
            match call.send(&self.http, url).await {
                Ok(answer) => return Ok(answer),
                Err(error) if is_final(&error) => return Err(error.into()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| Failure::new(Exit::Unavailable, "no broker answers"), Failure::from))
    }
}

/// Whether another broker would say the same.
fn is_final(error: &CallError) -> bool {
    use ErrorCode::{CoordinatorNotAvailable, NotReady, ShuttingDown};
    match error {
        CallError::Problem(problem) => {
            !matches!(problem.code, CoordinatorNotAvailable | NotReady | ShuttingDown)
        }
        _ => false,
    }
}

fn parse_target(text: &str) -> Result<ResetTo, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|error| format!("`{text}`: {error}"));
    match text.split_once('=') {
        None if text == "earliest" => Ok(ResetTo::Earliest),
        None if text == "latest" => Ok(ResetTo::Latest),
        Some(("time", time)) => number(time).map(ResetTo::Timestamp),
        Some(("offset", offset)) => number(offset).map(ResetTo::Offset),
        Some(("shift", by)) => number(by).map(ResetTo::Shift),
        _ => Err("wanted: earliest, latest, time=MS, offset=N or shift=N".to_owned()),
    }
}

fn parse_topic(text: &str) -> Result<ResetTopic, String> {
    let Some((topic, partitions)) = text.split_once(':') else {
        return Ok(ResetTopic { topic: text.to_owned(), partitions: None });
    };
    let partition = |text: &str| text.parse().map_err(|error| format!("partition `{text}`: {error}"));
    let partitions = partitions.split(',').map(partition).collect::<Result<_, String>>()?;
    Ok(ResetTopic { topic: topic.to_owned(), partitions: Some(partitions) })
}

#[derive(Serialize)]
struct GroupList(Vec<GroupSummary>);

impl Render for GroupList {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["GROUP", "STATE", "TYPE", "PROTOCOL", "COORDINATOR"]);
        for group in &self.0 {
            let protocol = Some(&group.protocol_type).filter(|it| !it.is_empty());
            table.row([
                group.group_id.clone(),
                group.state.clone(),
                group.group_type.clone(),
                or_dash(protocol),
                group.coordinator_id.to_string(),
            ]);
        }
        table.write(out)
    }
}

#[derive(Serialize)]
struct Description(GroupInfo);

impl Render for Description {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self(group) = self;
        let summary = &group.summary;
        // These have no lag, however much is in them.
        let never = match group.offsets.iter().filter(|offset| offset.offset.is_none()).count() {
            0 => String::new(),
            never => format!(", nothing committed in {}", count(never, "partition")),
        };
        writeln!(out, "group {}  {}  generation {}", summary.group_id, group.state_text, group.generation)?;
        writeln!(
            out,
            "{} protocol, {}, coordinated by broker {}, {} behind{never}",
            summary.group_type,
            if group.protocol.is_empty() { "no assignor" } else { &group.protocol },
            summary.coordinator_id,
            count(group.lag, "record")
        )?;
        if !group.members.is_empty() {
            writeln!(out)?;
            let mut table = Table::new(["MEMBER", "CLIENT", "HOST", "PARTITIONS"]);
            for member in &group.members {
                let parts = member.assignment.iter();
                let parts =
                    parts.map(|topic| format!("{}:{}", topic.topic, comma_separated(&topic.partitions)));
                let leads = if group.leader.as_ref() == Some(&member.member_id) { " (leader)" } else { "" };
                table.row([
                    format!("{}{leads}", member.member_id),
                    member.client_id.clone(),
                    member.client_host.trim_start_matches('/').to_owned(),
                    comma_separated(parts),
                ]);
            }
            table.write(out)?;
        }
        if !group.offsets.is_empty() {
            writeln!(out)?;
            let mut table = Table::new(["TOPIC", "PARTITION", "OFFSET", "END", "LAG", "BEHIND", "MEMBER"]);
            for offset in &group.offsets {
                table.row([
                    offset.topic.clone(),
                    offset.partition.to_string(),
                    or_dash(offset.offset),
                    or_dash(offset.log_end_offset),
                    or_dash(offset.lag),
                    or_dash(offset.lag_ms.map(behind)),
                    or_dash(offset.member_id.as_ref()),
                ]);
            }
            table.write(out)?;
        }
        Ok(())
    }
}

/// A time that a group is behind.
fn behind(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[derive(Serialize)]
struct Reset(ResetGroupResponse);

impl Render for Reset {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["TOPIC", "PARTITION", "FROM", "TO", "CHANGE"]);
        for partition in &self.0.partitions {
            table.row([
                partition.topic.clone(),
                partition.partition.to_string(),
                or_dash(partition.from),
                partition.to.to_string(),
                or_dash(partition.change.map(|change| format!("{change:+}"))),
            ]);
        }
        table.write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_topics_are_read() {
        assert_eq!(parse_target("earliest"), Ok(ResetTo::Earliest));
        assert_eq!(parse_target("shift=-100"), Ok(ResetTo::Shift(-100)));
        assert_eq!(parse_target("time=1700000000000"), Ok(ResetTo::Timestamp(1_700_000_000_000)));
        for wrong in ["", "soon", "offset", "offset=x", "earliest=1"] {
            assert!(parse_target(wrong).is_err(), "{wrong}");
        }
        let topic = parse_topic("orders:0,2").unwrap();
        assert_eq!((topic.topic.as_str(), topic.partitions), ("orders", Some(vec![0, 2])));
        assert_eq!(parse_topic("orders").unwrap().partitions, None);
        assert!(parse_topic("orders:x").is_err());
    }
}
