//! The command.

use clap::{Args, Subcommand};
use client::api;
use http_api::groups::{ResetGroupRequest, ResetTo, ResetTopic};

use super::{
    brokers::Brokers,
    show::{Description, GroupList, Reset},
    watch::watch,
};
use crate::{
    commands::{
        configs::{ConfigArgs, Owner},
        consume::time_ms,
    },
    connection::ConnectionArgs,
    exit::Failure,
    output::say,
};

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List groups
    List {
        /// Only those whose id starts so
        #[arg(long, default_value = "", hide_default_value = true)]
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
    /// `earliest`, `latest`, `offset=<n>`, `shift=<n>` (as in `shift=-100`), `time=15m` (that long ago), `time=2026-11-21T04:06:43Z`,
    /// or `time=<Unix milliseconds>`
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
            Self::Describe { group, watch: true } => watch(connection, &group).await,
            Self::Reset(ResetArgs { group, to, topics, execute }) => {
                let topics = (!topics.is_empty()).then_some(topics);
                let request = ResetGroupRequest { to, topics, dry_run: !execute };
                let call = api::reset_group(&group, &request).timeout(connection.patience());
                let done = brokers().await?.ask(&call).await?;
                if done.dry_run {
                    say!("nothing was changed; with --execute group `{group}` goes on so:");
                }
                connection.output.emit(&Reset(done))
            }
            Self::Delete { group } => {
                let call = api::delete_group(&group).timeout(connection.patience());
                brokers().await?.ask(&call).await?;
                say!("deleted group `{group}`");
                Ok(())
            }
        }
    }
}

fn parse_target(text: &str) -> Result<ResetTo, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|error| format!("`{text}`: {error}"));
    match text.split_once('=') {
        None if text == "earliest" => Ok(ResetTo::Earliest),
        None if text == "latest" => Ok(ResetTo::Latest),
        Some(("time", time)) => {
            let time_ms = time.parse().ok().or_else(|| time_ms(time));
            let wanted = || format!("`{time}`: wanted: 15m (ago), 2026-11-21T04:06:43Z or Unix milliseconds");
            time_ms.map(ResetTo::Timestamp).ok_or_else(wanted)
        }
        Some(("offset", offset)) => number(offset).map(ResetTo::Offset),
        Some(("shift", by)) => number(by).map(ResetTo::Shift),
        _ => Err("wanted: earliest, latest, time=WHEN, offset=N or shift=N".to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_topics_are_read() {
        assert_eq!(parse_target("earliest"), Ok(ResetTo::Earliest));
        assert_eq!(parse_target("shift=-100"), Ok(ResetTo::Shift(-100)));
        assert_eq!(parse_target("time=1700000000000"), Ok(ResetTo::Timestamp(1_700_000_000_000)));
        assert_eq!(parse_target("time=2000-02-29T12:34:56Z"), Ok(ResetTo::Timestamp(951_827_696_000)));
        assert!(matches!(parse_target("time=15m"), Ok(ResetTo::Timestamp(_))));
        for wrong in ["", "soon", "offset", "offset=x", "time=soon", "earliest=1"] {
            assert!(parse_target(wrong).is_err(), "{wrong}");
        }
        let topic = parse_topic("orders:0,2").unwrap();
        assert_eq!((topic.topic.as_str(), topic.partitions), ("orders", Some(vec![0, 2])));
        assert_eq!(parse_topic("orders").unwrap().partitions, None);
        assert!(parse_topic("orders:x").is_err());
    }
}
