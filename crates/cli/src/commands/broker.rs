//! `dmq broker list|describe|config|remove`: the brokers, as the controller and they themselves see them. (`dmq broker` with
//! `--id` runs one: see [`super::broker_node`].)

use std::io::{self, Write};

use clap::Subcommand;
use client::{HttpRequest, api};
use common::BrokerId;
use http_api::{BrokerInfo, StorageStatus, paths};
use serde::Serialize;

use super::configs::{ConfigArgs, Owner};
use crate::{
    connection::ConnectionArgs,
    exit::Failure,
    output::{Render, Table, or_dash, say},
};

/// What to do with brokers.
#[derive(Debug, Subcommand)]
pub(crate) enum BrokerCommand {
    /// List brokers
    List,
    /// Show a broker: what the controller says of it, and what it says itself
    Describe {
        /// Its id
        id: BrokerId,
    },
    /// Show or change the settings that are kept for a broker, and taken on while it runs
    Config {
        /// Its id
        id: BrokerId,
        #[command(flatten)]
        change: ConfigArgs,
    },
    /// Forget a broker that holds no replicas
    Remove {
        /// Its id
        id: BrokerId,
    },
}

impl BrokerCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let client = connection.client()?;
        match self {
            Self::List => {
                // Only the controller knows when each was heard of last.
                let controller = client.discovery().find().await.map_err(client::CallError::from)?;
                let brokers = api::brokers().send(client.http(), &controller.url).await?;
                connection.output.emit(&BrokerList(brokers))
            }
            Self::Describe { id } => {
                let broker = client.call(&api::broker(id)).await?;
                let request = HttpRequest::get(format!("{}{}", broker.url(), paths::STORAGE_STATUS));
                let own = match client.http().send(request).await {
                    Ok(reply) if reply.status.is_success() => reply.json().ok(),
                    Ok(reply) => {
                        say!("broker {id} at {} answered {}", broker.url(), reply.status);
                        None
                    }
                    Err(error) => {
                        say!("broker {id} does not answer: {error}");
                        None
                    }
                };
                connection.output.emit(&BrokerView { broker, own })
            }
            Self::Config { id, change } => change.run(Owner::Brokers(Some(id)), connection).await,
            Self::Remove { id } => {
                client.call(&api::remove_broker(id)).await?;
                say!("removed broker {id}");
                Ok(())
            }
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct BrokerList(Vec<BrokerInfo>);

impl Render for BrokerList {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table =
            Table::new(["BROKER", "STATUS", "EPOCH", "REST", "KAFKA", "RACK", "LEADS", "REPLICAS", "HEARD"]);
        for broker in &self.0 {
            table.row([
                broker.broker_id.to_string(),
                super::name_of(&broker.status),
                broker.broker_epoch.to_string(),
                broker.url(),
                or_dash(broker.kafka_port.map(|port| format!("{}:{port}", broker.host))),
                or_dash(broker.rack.as_ref()),
                broker.leader_partitions.to_string(),
                broker.replica_partitions.to_string(),
                or_dash(broker.last_heartbeat.map(super::age)),
            ]);
        }
        table.write(out)
    }
}

/// A broker from both sides.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerView {
    /// What the controller says.
    broker: BrokerInfo,
    /// What it says itself, if it answers.
    own: Option<StorageStatus>,
}

impl Render for BrokerView {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        BrokerList(vec![self.broker.clone()]).render(out)?;
        let Some(own) = &self.own else { return writeln!(out, "\nThe broker itself does not answer.") };
        writeln!(
            out,
            "\nfollows controller {}  metadata version {}  failed heartbeats {}  rediscoveries {}",
            or_dash(own.controller.as_ref().map(|controller| format!(
                "{} at {} in term {}",
                controller.id, controller.url, controller.term
            ))),
            own.metadata_version,
            own.heartbeat.consecutive_failures,
            own.heartbeat.rediscoveries,
        )?;
        let mut table = Table::new(["TOPIC", "PARTITION", "ROLE", "LEADER", "LEADER EPOCH", "IN SYNC"]);
        for replica in &own.partitions {
            table.row([
                replica.topic_name.to_string(),
                replica.partition.to_string(),
                super::name_of(&replica.role),
                or_dash(replica.leader),
                replica.leader_epoch.to_string(),
                replica.in_sync.to_string(),
            ]);
        }
        table.write(out)?;
        for replica in &own.partitions {
            let Some(error) = &replica.storage_error else { continue };
            writeln!(out, "on the disk of {}-{}: {error}", replica.topic_name, replica.partition)?;
        }
        Ok(())
    }
}
