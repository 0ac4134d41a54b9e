//! Which cluster a command talks to, and how its answers are written.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use client::{HttpClient, HttpOptions, MetadataClient, MetadataClientOptions};

use crate::{exit::Failure, output::Format, services::ServicesFile};

/// Where metadata nodes listen by default.
const DEFAULT_NODES: [&str; 3] = ["http://localhost:9091", "http://localhost:9092", "http://localhost:9093"];

/// Arguments of every command that talks to a cluster. In the help they stand behind its own.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which cluster, and how to answer")]
pub(crate) struct ConnectionArgs {
    /// Metadata nodes to talk to; without it those of services.json, or localhost:9091-9093
    #[arg(long, value_name = "URL[,URL]", env = "DMQ_METADATA", value_delimiter = ',', global = true)]
    pub(crate) metadata: Vec<String>,
    /// The cluster's description [default: services.json, if it is there]
    #[arg(long, value_name = "FILE", env = "DMQ_SERVICES", global = true)]
    pub(crate) services: Option<PathBuf>,
    /// How to write the answer
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub(crate) output: Format,
    /// How long to try while the cluster has no controller or does not answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600), global = true)]
    pub(crate) timeout: u64,
}

impl ConnectionArgs {
    /// Base URLs of the metadata nodes.
    ///
    /// # Errors
    /// If a URL or the services file cannot be used.
    pub(crate) fn nodes(&self) -> Result<Vec<String>, Failure> {
        if !self.metadata.is_empty() {
            return self.metadata.iter().map(|url| base_url(url)).collect();
        }
        match ServicesFile::find(self.services.as_deref())? {
            Some(file) => file.metadata_urls(),
            None => Ok(DEFAULT_NODES.map(str::to_owned).to_vec()),
        }
    }

    /// A client that follows the leader.
    ///
    /// # Errors
    /// As [`ConnectionArgs::nodes`].
    pub(crate) fn client(&self) -> Result<MetadataClient, Failure> {
        let options = MetadataClientOptions {
            retry_for: self.patience(),
            attempt_timeout: Duration::from_secs(self.timeout.min(5)),
        };
        Ok(MetadataClient::new(self.http(), self.nodes()?, options))
    }

    /// How long to try.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Connections for asking single nodes.
    pub(crate) fn http(&self) -> HttpClient {
        HttpClient::new(HttpOptions {
            request_timeout: Duration::from_secs(self.timeout.min(5)),
            ..HttpOptions::default()
        })
    }
}

/// Accepts `host:port` as well, and takes the slash off the end.
fn base_url(text: &str) -> Result<String, Failure> {
    let text = text.trim().trim_end_matches('/');
    let authority = text.strip_prefix("http://").unwrap_or(text);
    if authority.is_empty() || authority.contains('/') {
        return Err(Failure::usage(format!("--metadata: `{text}` is no URL like http://localhost:9091")));
    }
    Ok(format!("http://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_given_as_urls_or_as_host_and_port() {
        assert_eq!(base_url("localhost:9091").unwrap(), "http://localhost:9091");
        assert_eq!(base_url(" http://a:1/ ").unwrap(), "http://a:1");
        assert!(base_url("https://a:1").is_err());
        assert!(base_url("").is_err());
    }
}
