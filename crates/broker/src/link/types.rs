//! What goes into the machine and what comes out of it.

use std::{fmt, time::Duration};

use client::{CallError, Controller, DiscoveryError};
use common::{BrokerEpoch, BrokerId, BrokerStatus, MetadataVersion, Term};
use http_api::{HeartbeatRequest, HeartbeatResponse, RegisterBrokerResponse};

/// A monotonic time: since the process began.
pub type Time = Duration;

/// The settings of one broker's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkConfig {
    /// Who follows.
    pub broker_id: BrokerId,
    /// Time from one heartbeat to the next.
    pub heartbeat_interval: Duration,
    /// After so much silence the controller takes the broker for dead.
    pub session_timeout: Duration,
    /// How long a heartbeat may take. At most half a session, so that two fit into it (KAFKA-14392).
    pub request_timeout: Duration,
    /// Metadata is pulled this often even if nothing is known to have changed.
    pub metadata_refresh: Duration,
    /// How long a shutdown waits for leaderships to be handed over.
    pub shutdown_timeout: Duration,
}

/// Identifies a [`Job`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobId(pub(super) u64);

/// A request to be made; its answer comes back with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Identifies it.
    pub id: JobId,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask all metadata nodes who leads.
    Discover,
    /// Register at this node.
    Register {
        /// Its base URL.
        url: String,
    },
    /// Send a heartbeat to this node.
    Heartbeat {
        /// Its base URL.
        url: String,
        /// What to say.
        request: HeartbeatRequest,
    },
    /// Get newer metadata from this node.
    Pull {
        /// Its base URL.
        url: String,
        /// What changed since then; `None`: everything.
        since: Option<MetadataVersion>,
    },
}

/// What came of a [`Job`].
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Action::Discover`].
    Discovered(Result<Controller, DiscoveryError>),
    /// To [`Action::Register`].
    Registered(Result<RegisterBrokerResponse, CallError>),
    /// To [`Action::Heartbeat`].
    Heartbeat(Result<HeartbeatResponse, CallError>),
    /// To [`Action::Pull`].
    Pulled(Result<Pulled, PullFailure>),
}

/// The metadata that the broker has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// Its version.
    pub version: MetadataVersion,
    /// How many partitions it says that this broker leads.
    pub led_partitions: usize,
}

/// Why a pull brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullFailure {
    /// No answer, or one that cannot be used now: try again.
    Failed {
        /// Why, in words.
        detail: String,
    },
    /// The deltas do not fit what the broker has: only a full image helps.
    Gap {
        /// What does not fit, in words.
        detail: String,
    },
    /// The metadata of another cluster.
    WrongCluster {
        /// Both names, in words.
        detail: String,
    },
}

/// Why the link ended; the process ends with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The broker was asked to leave and has left.
    Left {
        /// Whether the controller confirmed that it leads nothing any more.
        handed_over: bool,
    },
    /// Another process has registered under this id since.
    Fenced {
        /// What the controller said.
        detail: String,
    },
    /// Another process holds this id, and stayed alive for as long as this one waited.
    DuplicateId {
        /// What the controller said.
        detail: String,
    },
    /// The controller refuses the registration for good.
    Refused {
        /// What the controller said.
        detail: String,
    },
    /// This is not the cluster that the broker belongs to.
    WrongCluster {
        /// Both names, in words.
        detail: String,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { handed_over: true } => f.write_str("left the cluster; it leads nothing any more"),
            Self::Left { handed_over: false } => f.write_str("left without a controller's confirmation"),
            Self::Fenced { detail } => write!(f, "fenced by another process with this broker id: {detail}"),
            Self::DuplicateId { detail } => write!(f, "the broker id is in use: {detail}"),
            Self::Refused { detail } => write!(f, "the controller refuses the registration: {detail}"),
            Self::WrongCluster { detail } => write!(f, "wrong cluster: {detail}"),
        }
    }
}

/// Where the machine stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Looks for the controller.
    Discovering {
        /// Rounds of questions that found none.
        failed_rounds: u32,
        /// When the next round begins.
        not_before: Time,
    },
    /// Knows the controller, and has no registration that holds.
    Registering {
        /// Whom it registers with.
        controller: Controller,
        /// Attempts in a row that failed.
        failures: u32,
        /// When the next attempt is made.
        not_before: Time,
    },
    /// Registered; sends heartbeats.
    Following {
        /// Whom it follows.
        controller: Controller,
        /// Heartbeats in a row that failed.
        failures: u32,
        /// When the next heartbeat is sent.
        next_heartbeat: Time,
    },
    /// Nothing more will be done.
    Ended(End),
}

/// What others may know of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// The controller that is followed or registered with.
    pub controller: Option<Controller>,
    /// The highest term seen.
    pub term: Term,
    /// The epoch of the registration that holds.
    pub broker_epoch: Option<BrokerEpoch>,
    /// What the controller said of this broker last.
    pub broker_status: Option<BrokerStatus>,
    /// Whether heartbeats are being sent (the last ones may have failed).
    pub following: bool,
    /// The newest version known to exist.
    pub known_version: MetadataVersion,
    /// The version that the broker has.
    pub metadata_version: Option<MetadataVersion>,
    /// Why the last pull failed, if none has succeeded since.
    pub pull_trouble: Option<String>,
    /// When a heartbeat (or a registration) last succeeded.
    pub last_success: Option<Time>,
    /// When it was sent. The controller, which took it later, judges this broker no earlier than a session from here.
    pub heard: Option<Time>,
    /// Failures in a row since then.
    pub consecutive_failures: u32,
    /// How often the controller was looked for anew.
    pub rediscoveries: u64,
    /// The last thing that went wrong, if nothing has gone right since.
    pub trouble: Option<String>,
    /// Whether the broker is on its way out.
    pub leaving: bool,
}
