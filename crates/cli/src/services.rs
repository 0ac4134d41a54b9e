//! What commands read of `services.json`: where the processes of the cluster are. Nothing else is looked at, so that a file
//! which a newer version wrote, or whose databases need variables that are not set here, still says whom to ask.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kafka_client::Address;
use serde_json::Value;

use crate::exit::Failure;

/// The file that is used when it is there and no other is named.
pub(crate) const DEFAULT_FILE: &str = "services.json";

/// A services file.
pub(crate) struct ServicesFile {
    path: PathBuf,
    json: Value,
}

impl ServicesFile {
    /// The file that was named; else the default one, if it is there.
    ///
    /// # Errors
    /// If it cannot be read, or is no JSON.
    pub(crate) fn find(named: Option<&Path>) -> Result<Option<Self>, Failure> {
        let default = Path::new(DEFAULT_FILE);
        let Some(path) = named.or_else(|| default.exists().then_some(default)) else { return Ok(None) };
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Self::parse(path, &text).map(Some)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let json = serde_json::from_str(text)
            .map_err(|error| Failure::usage(format!("{}: no JSON: {error}", path.display())))?;
        Ok(Self { path: path.to_owned(), json })
    }

    /// Base URLs of the metadata nodes.
    ///
    /// # Errors
    /// If there is none, or one of them has no address.
    pub(crate) fn metadata_urls(&self) -> Result<Vec<String>, Failure> {
        let url = |node: &Value| match node.get("url").and_then(Value::as_str) {
            Some(url) => Some(url.trim_end_matches('/').to_owned()),
            None => Some(format!("http://{}:{}", host(node), node.get("port")?.as_u64()?)),
        };
        let urls: Option<Vec<String>> = self.services("metadata-services").iter().map(url).collect();
        urls.filter(|urls| !urls.is_empty())
            .ok_or_else(|| self.lacks("no metadata nodes with a `url` or a `port`; give --metadata"))
    }

    /// Where the brokers speak Kafka's protocol.
    ///
    /// # Errors
    /// If none does.
    pub(crate) fn kafka_addresses(&self) -> Result<Vec<Address>, Failure> {
        let address = |broker: &Value| {
            let port = u16::try_from(broker.get("kafkaPort")?.as_u64()?).ok()?;
            Some(Address::new(host(broker), port))
        };
        let addresses: Vec<Address> = self.services("storage-services").iter().filter_map(address).collect();
        if addresses.is_empty() {
            return Err(self.lacks("no broker with a `kafkaPort`; give --bootstrap"));
        }
        Ok(addresses)
    }

    fn services(&self, kind: &str) -> &[Value] {
        let list = self.json.get("services").and_then(|services| services.get(kind)?.as_array());
        list.map(Vec::as_slice).unwrap_or_default()
    }

    fn lacks(&self, what: &str) -> Failure {
        Failure::usage(format!("{}: names {what}", self.path.display()))
    }
}

fn host(service: &Value) -> &str {
    service.get("host").and_then(Value::as_str).unwrap_or("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<ServicesFile, Failure> {
        ServicesFile::parse(Path::new("s.json"), text)
    }

    #[test]
    fn it_names_the_nodes() {
        let nodes = file(
            r#"{"services": {"metadata-services": [
            {"id": 1, "host": "localhost", "port": 9091, "url": "http://h:1/"}, {"id": 2, "port": 9092}]}}"#,
        );
        assert_eq!(nodes.unwrap().metadata_urls().unwrap(), ["http://h:1", "http://localhost:9092"]);
    }

    #[test]
    fn it_names_the_brokers_that_speak_kafka() {
        let brokers = file(
            r#"{"services": {"storage-services": [
            {"id": 101, "host": "h", "port": 8081, "kafkaPort": 19092}, {"id": 102, "port": 8082}]}}"#,
        );
        assert_eq!(brokers.unwrap().kafka_addresses().unwrap(), [Address::new("h", 19092)]);
    }

    #[test]
    fn what_is_wrong_with_it_is_said() {
        let said = |text: &str| match file(text) {
            Ok(file) => file.metadata_urls().unwrap_err().message,
            Err(failure) => failure.message,
        };
        assert!(said("{").starts_with("s.json: no JSON: "), "{}", said("{"));
        assert!(said(r#"{"services": {}}"#).starts_with("s.json: names no metadata nodes"));
        assert!(file("{}").unwrap().kafka_addresses().unwrap_err().message.contains("--bootstrap"));
    }
}
