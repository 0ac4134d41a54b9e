//! `dmq broker config`, `dmq cluster config` and `dmq group config`: the settings that the controllers keep for one broker, for
//! all, or for one group.

use std::io::{self, Write};

use clap::Args;
use client::api;
use common::BrokerId;
use http_api::{
    broker_configs::{AlterBrokerConfigsRequest, BrokerConfigsInfo},
    group_configs::{AlterGroupConfigsRequest, GroupConfigsInfo},
};
use serde::Serialize;

use super::topic::{changes, parse_setting};
use crate::{
    connection::ConnectionArgs,
    exit::Failure,
    output::{Render, Table},
};

/// What to change; nothing: show what is set.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// A setting to change; may be repeated
    #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = parse_setting)]
    configs: Vec<(String, String)>,
    /// A setting to keep no more; may be repeated
    #[arg(long = "reset", value_name = "NAME")]
    resets: Vec<String>,
}

/// What has the settings.
pub(crate) enum Owner {
    /// This broker, or all.
    Brokers(Option<BrokerId>),
    /// This group.
    Group(String),
}

impl ConfigArgs {
    /// Changes what is to be changed, and shows what is kept then.
    pub(crate) async fn run(self, owner: Owner, connection: &ConnectionArgs) -> Result<(), Failure> {
        let client = connection.client()?;
        let configs = changes(self.configs, self.resets)?;
        let kept = match owner {
            Owner::Brokers(broker) if configs.is_empty() => {
                Kept::Brokers(client.call(&api::broker_configs(broker)).await?)
            }
            Owner::Brokers(broker) => {
                let request = AlterBrokerConfigsRequest { configs };
                Kept::Brokers(client.call(&api::alter_broker_configs(broker, &request)).await?)
            }
            Owner::Group(group) if configs.is_empty() => {
                Kept::Group(client.call(&api::group_configs(&group)).await?)
            }
            Owner::Group(group) => {
                let request = AlterGroupConfigsRequest { configs };
                Kept::Group(client.call(&api::alter_group_configs(&group, &request)).await?)
            }
        };
        connection.output.emit(&kept)
    }
}

/// What is kept.
#[derive(Serialize)]
#[serde(untagged)]
enum Kept {
    Brokers(BrokerConfigsInfo),
    Group(GroupConfigsInfo),
}

impl Render for Kept {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let configs = match self {
            Self::Brokers(info) => &info.configs,
            Self::Group(info) => &info.configs,
        };
        if configs.is_empty() {
            return writeln!(out, "nothing is set");
        }
        let mut table = Table::new(["SETTING", "VALUE"]);
        for (name, value) in configs {
            table.row([name.clone(), value.clone()]);
        }
        table.write(out)
    }
}
