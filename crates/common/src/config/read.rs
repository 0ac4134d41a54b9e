//! From the text of the file to the unchecked-between-fields form, guided by the declarations in `fields`.

use std::time::Duration;

use super::{
    checks::is_loopback,
    cluster::{BrokerConfig, ClusterConfig, MetadataNodeConfig, default_data_dir, default_database, url_of},
    database::DatabaseUrl,
    error::{ConfigError, ConfigErrors},
    fields::{self, Field, Kind, Presence, Section},
    json::Node,
    timings::{BrokerTimings, RaftTimings, TimingProfile},
};
use crate::{BrokerId, ClusterId, NodeId};

/// The larger files of this kind have a few hundred kB.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Values longer than this are no host names, paths or URLs.
const TEXT_BYTES_MAX: usize = 4096;

/// Reads the text. What a field that is wrong would have held is filled with its default, so that the rest can be
/// checked too: the configuration counts only if the errors are empty.
pub(super) fn cluster(text: &str) -> Result<(ClusterConfig, Vec<ConfigError>), ConfigErrors> {
    let whole = |problem: String| ConfigErrors(vec![ConfigError { path: "(file)".to_owned(), problem }]);
    if text.len() > FILE_BYTES_MAX {
        return Err(whole(format!("it has {} bytes, the most is {FILE_BYTES_MAX}", text.len())));
    }
    let node: Node = serde_json::from_str(text).map_err(|error| whole(format!("it is no JSON: {error}")))?;
    let mut errors = Vec::new();
    let file = Object::new(String::new(), &node, &fields::FILE, &mut errors);
    let services = file.section("services", &mut errors);
    let metadata_nodes: Vec<MetadataNodeConfig> = services
        .list("metadata-services", &mut errors)
        .iter()
        .map(|node| metadata_node(node, &mut errors))
        .collect();
    let brokers =
        services.list("storage-services", &mut errors).iter().map(|node| broker(node, &mut errors)).collect();
    let all_local = metadata_nodes.iter().all(|node| is_loopback(&node.host));
    let (profile, raft) = raft(&file.section("raft", &mut errors), all_local, &mut errors);
    let broker = broker_timings(&file.section("broker", &mut errors), &mut errors);
    let cluster_id = ClusterId(file.text("clusterId", &mut errors).unwrap_or_default());
    let config =
        ClusterConfig { cluster_id, metadata_nodes, brokers, profile, raft, broker, warnings: Vec::new() };
    Ok((config, errors))
}

type Errors = Vec<ConfigError>;

fn metadata_node(object: &Object<'_>, errors: &mut Errors) -> MetadataNodeConfig {
    let id = object.integer("id", errors).unwrap_or_default();
    let (host, port) = (object.text("host", errors).unwrap_or_default(), object.port("port", errors));
    MetadataNodeConfig {
        id: NodeId(id),
        url: object.url(&host, port.unwrap_or_default(), errors),
        host,
        port: port.unwrap_or_default(),
        database: object.database("database", errors).unwrap_or_else(|| default_database(id)),
    }
}

fn broker(object: &Object<'_>, errors: &mut Errors) -> BrokerConfig {
    let id = i32::try_from(object.integer("id", errors).unwrap_or_default()).unwrap_or_default();
    let (host, port) = (object.text("host", errors).unwrap_or_default(), object.port("port", errors));
    BrokerConfig {
        id: BrokerId(id),
        url: object.url(&host, port.unwrap_or_default(), errors),
        host,
        port: port.unwrap_or_default(),
        kafka_port: object.port("kafkaPort", errors),
        data_dir: object.text("dataDir", errors).unwrap_or_else(|| default_data_dir(id)),
        rack: object.text("rack", errors),
    }
}

fn raft(object: &Object<'_>, all_local: bool, errors: &mut Errors) -> (TimingProfile, RaftTimings) {
    let profile = match object.text("profile", errors).as_deref() {
        Some("local") => TimingProfile::Local,
        Some("remote") => TimingProfile::Remote,
        _ if all_local => TimingProfile::Local,
        _ => TimingProfile::Remote,
    };
    let mut timings = profile.raft();
    if let Some(heartbeat) = object.integer("heartbeatMs", errors).filter(|ms| *ms > 0) {
        timings.heartbeat = Duration::from_millis(heartbeat);
    }
    if let Some((min, max)) = object.pair("electionTimeoutMs", errors).filter(|pair| *pair != (0, 0)) {
        timings.election_timeout_min = Duration::from_millis(min);
        timings.election_timeout_max = Duration::from_millis(max);
    }
    (profile, timings)
}

fn broker_timings(object: &Object<'_>, errors: &mut Errors) -> BrokerTimings {
    let default = BrokerTimings::default();
    let mut ms = |name, default| object.integer(name, errors).map_or(default, Duration::from_millis);
    let session_timeout = ms("sessionTimeoutMs", default.session_timeout);
    let request_timeout = ms("requestTimeoutMs", Duration::ZERO);
    BrokerTimings {
        heartbeat: ms("heartbeatMs", default.heartbeat),
        session_timeout,
        request_timeout: if request_timeout.is_zero() {
            (session_timeout / 3).min(default.request_timeout)
        } else {
            request_timeout
        },
        metadata_refresh: ms("metadataRefreshMs", default.metadata_refresh),
        leader_rebalance: ms("leaderRebalanceMs", default.leader_rebalance),
    }
}

/// An object of the file and what it may hold.
struct Object<'a> {
    path: String,
    /// `None` if there is no such object, or something else in its place: nothing more is said of its fields.
    entries: Option<&'a [(String, Node)]>,
    section: &'static Section,
}

impl<'a> Object<'a> {
    /// Checks that `node` is an object and holds nothing unknown.
    fn new(path: String, node: &'a Node, section: &'static Section, errors: &mut Errors) -> Self {
        let entries = match node {
            Node::Object(entries) => Some(entries.as_slice()),
            other => {
                let path = if path.is_empty() { "(file)".to_owned() } else { path.clone() };
                let problem = format!("{} is no object; it must be one, in braces", other.quote());
                errors.push(ConfigError { path, problem });
                None
            }
        };
        let object = Self { path, entries, section };
        let entries = entries.unwrap_or_default();
        for (name, _) in entries.iter().filter(|(name, _)| section.field(name).is_none()) {
            let known: Vec<&str> = section.fields.iter().map(|field| field.name).collect();
            let name = Node::Text(name.clone()).quote();
            let problem = format!("{name} is no field here; there are {}", known.join(", "));
            let path = if object.path.is_empty() { "(file)".to_owned() } else { object.path.clone() };
            errors.push(ConfigError { path, problem });
        }
        object
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The declaration of the field and its value, if it was given.
    fn entry(&self, name: &'static str, errors: &mut Errors) -> (&'static Field, Option<&'a Node>) {
        let field = self.section.field(name).expect("the reader asks only for fields that are declared");
        let entries = self.entries.unwrap_or_default();
        let node = entries.iter().find(|(known, _)| known == name).map(|(_, node)| node);
        if node.is_none() && field.presence == Presence::Required && self.entries.is_some() {
            let problem = format!("it is missing; it must be {}", expected(&field.kind));
            errors.push(ConfigError { path: self.path_of(name), problem });
        }
        (field, node)
    }

    fn wrong(&self, field: &Field, node: &Node, errors: &mut Errors) {
        let found = if field.kind == Kind::Database { "this text".to_owned() } else { node.quote() };
        let problem = format!("{found} will not do; it must be {}", expected(&field.kind));
        errors.push(ConfigError { path: self.path_of(field.name), problem });
    }

    fn section(&self, name: &'static str, errors: &mut Errors) -> Object<'a> {
        let (field, node) = self.entry(name, errors);
        let Kind::Section(section) = field.kind else { unreachable_declaration(field) };
        let path = self.path_of(name);
        match node {
            Some(node) => Object::new(path, node, section, errors),
            None => Object { path, entries: None, section },
        }
    }

    fn list(&self, name: &'static str, errors: &mut Errors) -> Vec<Object<'a>> {
        let (field, node) = self.entry(name, errors);
        let Kind::List(section, min, max) = field.kind else { unreachable_declaration(field) };
        let Some(node) = node else { return Vec::new() };
        match node {
            Node::Array(items) if (min..=max).contains(&items.len()) => items
                .iter()
                .enumerate()
                .map(|(position, item)| {
                    Object::new(format!("{}[{position}]", self.path_of(name)), item, section, errors)
                })
                .collect(),
            other => {
                self.wrong(field, other, errors);
                Vec::new()
            }
        }
    }

    fn integer(&self, name: &'static str, errors: &mut Errors) -> Option<u64> {
        let (field, node) = self.entry(name, errors);
        let Kind::Integer(bounds, _) = &field.kind else { unreachable_declaration(field) };
        let node = node?;
        let value = as_integer(node).filter(|value| bounds.contains(value));
        if value.is_none() {
            self.wrong(field, node, errors);
        }
        value
    }

    fn port(&self, name: &'static str, errors: &mut Errors) -> Option<u16> {
        self.integer(name, errors).and_then(|port| u16::try_from(port).ok())
    }

    fn pair(&self, name: &'static str, errors: &mut Errors) -> Option<(u64, u64)> {
        let (field, node) = self.entry(name, errors);
        let Kind::IntegerPair(bounds, _) = &field.kind else { unreachable_declaration(field) };
        let node = node?;
        let pair = match node {
            Node::Array(items) => match items.as_slice() {
                [first, second] => as_integer(first).zip(as_integer(second)),
                _ => None,
            },
            _ => None,
        };
        let pair = pair.filter(|(first, second)| bounds.contains(first) && bounds.contains(second));
        if pair.is_none() {
            self.wrong(field, node, errors);
        }
        pair
    }

    /// The text of a field, or its default.
    fn text(&self, name: &'static str, errors: &mut Errors) -> Option<String> {
        let (field, node) = self.entry(name, errors);
        match node {
            Some(Node::Text(text)) if is_valid_text(&field.kind, text) => Some(text.clone()),
            Some(node) => {
                self.wrong(field, node, errors);
                None
            }
            None => match field.presence {
                Presence::Default(json) => serde_json::from_str(json).ok(),
                Presence::Required | Presence::Derived(_) => None,
            },
        }
    }

    fn url(&self, host: &str, port: u16, errors: &mut Errors) -> String {
        let url = self.text("url", errors).unwrap_or_else(|| url_of(host, port));
        url.trim_end_matches('/').to_owned()
    }

    fn database(&self, name: &'static str, errors: &mut Errors) -> Option<DatabaseUrl> {
        let (field, node) = self.entry(name, errors);
        let Some(Node::Text(text)) = node else {
            if let Some(node) = node {
                self.wrong(field, node, errors);
            }
            return None;
        };
        match DatabaseUrl::parse(text) {
            Ok(url) => Some(url),
            Err(error) => {
                errors.push(ConfigError { path: self.path_of(name), problem: error.to_string() });
                None
            }
        }
    }
}

/// The reader and the declarations disagree: a mistake in this module, which its tests would show.
#[allow(clippy::panic, reason = "cannot depend on input: both sides are constants of this module")]
fn unreachable_declaration(field: &Field) -> ! {
    panic!("the field {} is declared as {:?}", field.name, field.kind)
}

fn as_integer(node: &Node) -> Option<u64> {
    match node {
        Node::Number(number) => number.as_u64(),
        _ => None,
    }
}

fn is_valid_text(kind: &Kind, text: &str) -> bool {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return false;
    }
    match kind {
        Kind::Name(length_max) => text.len() <= *length_max && text.bytes().all(is_name_byte),
        Kind::Text(bytes_max) => text.len() <= *bytes_max,
        Kind::Choice(words) => words.contains(&text),
        Kind::Host => is_host(text),
        Kind::Url => is_url(text),
        Kind::Directory | Kind::Database => true,
        Kind::Integer(..) | Kind::IntegerPair(..) | Kind::Section(_) | Kind::List(..) => false,
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// An address or a name of RFC 1123, with `_` as some container networks have it.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_name_byte);
    text.parse::<std::net::IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(is_label))
}

/// `http://host:port`, with or without a `/` at the end.
fn is_url(text: &str) -> bool {
    let Some(authority) = text.strip_prefix("http://") else { return false };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let Some((host, port)) = authority.rsplit_once(':') else { return false };
    let host_is_right = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host(host) && !host.contains(':'),
    };
    host_is_right && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// What a field must be, as the end of a sentence.
fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Integer(bounds, unit) => {
            format!("a whole number from {} to {} {unit}", bounds.start(), bounds.end()).trim_end().to_owned()
        }
        Kind::IntegerPair(bounds, unit) => {
            let text = format!("two whole numbers from {} to {} {unit}", bounds.start(), bounds.end());
            format!("{}, the shortest and the longest, as in [200, 300]", text.trim_end())
        }
        Kind::Name(length_max) => {
            format!("a text of 1 to {length_max} characters out of a-z A-Z 0-9 . _ -")
        }
        Kind::Text(bytes_max) => {
            format!("a text of 1 to {bytes_max} bytes without control characters")
        }
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::Host => "a host name or an IP address".to_owned(),
        Kind::Url => "a URL like http://host:port".to_owned(),
        Kind::Database => "a text, `sqlite:<path>` or `postgres://<user>@<host>/<database>`".to_owned(),
        Kind::Directory => "the path of a directory".to_owned(),
        Kind::Section(_) => "an object, in braces".to_owned(),
        Kind::List(_, min, max) => format!("a list of {min} to {max} objects"),
    }
}
