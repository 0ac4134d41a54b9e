//! `dmq broker config` and `dmq cluster config`: the settings that the controllers keep for one broker, or for all.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use clap::Args;
use client::api;
use common::BrokerId;
use http_api::broker_configs::{AlterBrokerConfigsRequest, BrokerConfigsInfo};
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

impl ConfigArgs {
    /// Changes what is to be changed, and shows what is kept then for this broker, or for all.
    pub(crate) async fn run(
        self,
        broker: Option<BrokerId>,
        connection: &ConnectionArgs,
    ) -> Result<(), Failure> {
        let client = connection.client()?;
        let configs = changes(self.configs, self.resets)?;
        let kept = if configs.is_empty() {
            client.call(&api::broker_configs(broker)).await?
        } else {
            let request = AlterBrokerConfigsRequest { configs };
            client.call(&api::alter_broker_configs(broker, &request)).await?
        };
        connection.output.emit(&Kept(kept))
    }
}

/// What is kept.
#[derive(Serialize)]
#[serde(transparent)]
struct Kept(BrokerConfigsInfo);

impl Render for Kept {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let configs: &BTreeMap<_, _> = &self.0.configs;
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
