//! Every setting of `services.json`, declared once: its name, its bounds, its default and what it is for.

use std::ops::RangeInclusive;

use crate::limits::BROKER_RACK_BYTES_MAX;

/// The largest id of a node or broker: Kafka's protocol has 32 bits for it.
pub const ID_MAX: u64 = i32::MAX as u64;

/// The most metadata nodes: each write waits for a majority of them.
pub const METADATA_NODES_MAX: usize = 9;

/// The most brokers in one file.
pub const BROKERS_MAX: usize = 1000;

/// The longest timing that makes sense: one hour.
pub const TIMING_MS_MAX: u64 = 3_600_000;

/// What a field may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within bounds; the second part is the unit, for people.
    Integer(RangeInclusive<u64>, &'static str),
    /// Two of them, the first below the second (or both 0, where 0 is allowed).
    IntegerPair(RangeInclusive<u64>, &'static str),
    /// A name: letters, digits, `.`, `_`, `-`, at most so many.
    Name(usize),
    /// Any text of at most so many bytes, without control characters.
    Text(usize),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A host name or an address.
    Host,
    /// `http://host:port`.
    Url,
    /// `sqlite:<path>` or `postgres://...`, with `${VAR}`.
    Database,
    /// A directory.
    Directory,
    /// Another section of fields.
    Section(&'static Section),
    /// A list of sections, at least and at most so many.
    List(&'static Section, usize, usize),
}

/// Whether a field must be given, and what holds if it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must be given.
    Required,
    /// This is its default, as JSON.
    Default(&'static str),
    /// Its default depends on others: in words.
    Derived(&'static str),
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in the file.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether it may be left out.
    pub presence: Presence,
    /// What it is for: one or two sentences.
    pub about: &'static str,
}

/// An object of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// Its path in the documentation.
    pub title: &'static str,
    /// What it describes.
    pub about: &'static str,
    /// Its fields, in the order they are shown.
    pub fields: &'static [Field],
}

impl Section {
    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const PORT: RangeInclusive<u64> = 1..=65_535;
const ID: RangeInclusive<u64> = 1..=ID_MAX;

const fn field(name: &'static str, kind: Kind, presence: Presence, about: &'static str) -> Field {
    Field { name, kind, presence, about }
}

/// The file itself.
pub static FILE: Section = Section {
    title: "services.json",
    about: "The cluster: who is in it, and its timings.",
    fields: &[
        field(
            "clusterId",
            Kind::Name(64),
            Presence::Required,
            "Names the cluster. Nodes, brokers and databases of another cluster are refused.",
        ),
        field("services", Kind::Section(&SERVICES), Presence::Required, "The processes of the cluster."),
        field("raft", Kind::Section(&RAFT), Presence::Default("{}"), "Timings between metadata nodes."),
        field(
            "broker",
            Kind::Section(&BROKER_TIMINGS),
            Presence::Default("{}"),
            "Timings between brokers and the controller.",
        ),
    ],
};

/// `services`.
pub static SERVICES: Section = Section {
    title: "services",
    about: "The processes of the cluster.",
    fields: &[
        field(
            "metadata-services",
            Kind::List(&METADATA_NODE, 1, METADATA_NODES_MAX),
            Presence::Required,
            "The metadata nodes (controllers). An odd number: an even one tolerates no more failures than one less.",
        ),
        field(
            "storage-services",
            Kind::List(&BROKER, 0, BROKERS_MAX),
            Presence::Default("[]"),
            "The brokers that are started with the cluster; others may register later.",
        ),
    ],
};

/// One of `metadata-services`.
pub static METADATA_NODE: Section = Section {
    title: "services.metadata-services[]",
    about: "One metadata node.",
    fields: &[
        field(
            "id",
            Kind::Integer(ID, ""),
            Presence::Required,
            "Its id, unique among metadata nodes. A node that lost its database must come back under a new id.",
        ),
        field("host", Kind::Host, Presence::Default("\"localhost\""), "Where it listens."),
        field("port", Kind::Integer(PORT, ""), Presence::Required, "The port of its REST API and of Raft."),
        field(
            "url",
            Kind::Url,
            Presence::Derived("`http://<host>:<port>`"),
            "Where others reach it, if that is not where it listens.",
        ),
        field(
            "database",
            Kind::Database,
            Presence::Derived("`sqlite:data/metadata-<id>/raft.db`"),
            "Its own database. Relative SQLite paths start from the data directory given by flag, or from the working directory.",
        ),
    ],
};

/// One of `storage-services`.
pub static BROKER: Section = Section {
    title: "services.storage-services[]",
    about: "One broker.",
    fields: &[
        field(
            "id",
            Kind::Integer(0..=ID_MAX, ""),
            Presence::Required,
            "Its id, unique among brokers. Kafka counts from 0, too.",
        ),
        field("host", Kind::Host, Presence::Default("\"localhost\""), "Where it listens."),
        field("port", Kind::Integer(PORT, ""), Presence::Required, "The port of its REST API."),
        field(
            "url",
            Kind::Url,
            Presence::Derived("`http://<host>:<port>`"),
            "Where others reach its REST API, if that is not where it listens.",
        ),
        field(
            "kafkaPort",
            Kind::Integer(PORT, ""),
            Presence::Derived("no Kafka listener"),
            "The port of its Kafka listener.",
        ),
        field(
            "dataDir",
            Kind::Directory,
            Presence::Derived("`data/broker-<id>`"),
            "Where it keeps its replicas; of no other process.",
        ),
        field(
            "rack",
            Kind::Text(BROKER_RACK_BYTES_MAX),
            Presence::Derived("none"),
            "Its failure domain: replicas of a partition are spread over racks.",
        ),
    ],
};

/// `raft`.
pub static RAFT: Section = Section {
    title: "raft",
    about: "Timings between metadata nodes; 0 takes the profile's value.",
    fields: &[
        field(
            "profile",
            Kind::Choice(&["auto", "local", "remote"]),
            Presence::Default("\"auto\""),
            "Defaults for the network: `local` 100 / 200-300 ms, `remote` 250 / 750-1000 ms; `auto` is `local` if all metadata nodes have loopback hosts.",
        ),
        field(
            "heartbeatMs",
            Kind::Integer(0..=60_000, "ms"),
            Presence::Default("0"),
            "How often the leader tells its followers that it leads.",
        ),
        field(
            "electionTimeoutMs",
            Kind::IntegerPair(0..=TIMING_MS_MAX, "ms"),
            Presence::Default("[0, 0]"),
            "A follower that hears nothing for a random time within these stands for election. At least 2 heartbeats.",
        ),
    ],
};

/// `broker`.
pub static BROKER_TIMINGS: Section = Section {
    title: "broker",
    about: "Timings between brokers and the controller.",
    fields: &[
        field(
            "heartbeatMs",
            Kind::Integer(10..=60_000, "ms"),
            Presence::Default("500"),
            "How often a broker tells the controller that it lives.",
        ),
        field(
            "sessionTimeoutMs",
            Kind::Integer(100..=TIMING_MS_MAX, "ms"),
            Presence::Default("3000"),
            "A broker that is silent for this long becomes OFFLINE. At least 3 heartbeats.",
        ),
        field(
            "requestTimeoutMs",
            Kind::Integer(0..=TIMING_MS_MAX, "ms"),
            Presence::Default("0"),
            "How long a broker waits for the controller's answer; 0 takes a third of the session timeout, at most 1000. At most half the session timeout, so that a second try fits into it.",
        ),
        field(
            "metadataRefreshMs",
            Kind::Integer(1000..=TIMING_MS_MAX, "ms"),
            Presence::Default("120000"),
            "A broker pulls the metadata at least this often, whatever it was told.",
        ),
        field(
            "leaderRebalanceMs",
            Kind::Integer(0..=TIMING_MS_MAX, "ms"),
            Presence::Default("30000"),
            "How often the controller gives partitions back to their preferred leaders where these are in sync and ONLINE; 0: never (Kafka: auto.leader.rebalance.enable, leader.imbalance.check.interval.seconds).",
        ),
    ],
};

/// All sections, in the order of the documentation.
pub static SECTIONS: [&Section; 6] = [&FILE, &SERVICES, &METADATA_NODE, &BROKER, &RAFT, &BROKER_TIMINGS];
