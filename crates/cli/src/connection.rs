//! Which cluster a command talks to, and how its answers are written.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use client::{HttpClient, HttpOptions, MetadataClient, MetadataClientOptions};

use crate::{exit::Failure, output::Format};

/// Where metadata nodes listen by default.
const DEFAULT_NODES: [&str; 3] = ["http://localhost:9091", "http://localhost:9092", "http://localhost:9093"];

/// The file that is used when it is there and no other is named.
pub(crate) const DEFAULT_FILE: &str = "services.json";

/// Arguments of every command that talks to a cluster.
#[derive(Debug, Clone, Args)]
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
        let file = match &self.services {
            Some(file) => file.as_path(),
            None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
            None => return Ok(DEFAULT_NODES.map(str::to_owned).to_vec()),
        };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
        let nodes = metadata_urls(&text)
            .ok_or_else(|| Failure::usage(format!("{}: names no metadata nodes", file.display())))?;
        Ok(nodes)
    }

    /// A client that follows the leader.
    ///
    /// # Errors
    /// As [`ConnectionArgs::nodes`].
    pub(crate) fn client(&self) -> Result<MetadataClient, Failure> {
        let options = MetadataClientOptions {
            retry_for: Duration::from_secs(self.timeout),
            attempt_timeout: Duration::from_secs(self.timeout.min(5)),
        };
        Ok(MetadataClient::new(self.http(), self.nodes()?, options))
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

/// The `url`s of the metadata services. Only these are read, so that a file which a newer version wrote, or whose
/// databases need variables that are not set here, still says whom to ask.
fn metadata_urls(text: &str) -> Option<Vec<String>> {
    let file: serde_json::Value = serde_json::from_str(text).ok()?;
    let nodes = file.pointer("/services/metadata-services")?.as_array()?;
    let urls: Option<Vec<String>> = nodes
        .iter()
        .map(|node| match node.get("url").and_then(serde_json::Value::as_str) {
            Some(url) => Some(url.trim_end_matches('/').to_owned()),
            None => Some(format!("http://{}:{}", node.get("host")?.as_str()?, node.get("port")?.as_u64()?)),
        })
        .collect();
    urls.filter(|urls| !urls.is_empty())
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

    #[test]
    fn the_services_file_names_the_nodes() {
        let text = r#"{"services": {"metadata-services": [
            {"id": 1, "host": "localhost", "port": 9091, "url": "http://h:1/"},
            {"id": 2, "host": "localhost", "port": 9092}]}}"#;
        assert_eq!(metadata_urls(text).unwrap(), ["http://h:1", "http://localhost:9092"]);
        assert_eq!(metadata_urls(r#"{"services": {}}"#), None);
    }
}
