//! Timings of the quorum and of the brokers, and how they must relate to each other.

use std::{fmt, time::Duration};

/// Election timeouts must leave room for this many heartbeats: one may be lost without an election.
pub const HEARTBEATS_PER_ELECTION_MIN: u64 = 2;

/// A session must outlast this many heartbeats: two may be lost in a row without the broker being fenced.
pub const HEARTBEATS_PER_SESSION_MIN: u64 = 3;

/// A request must fail early enough for another to succeed within the session.
pub const REQUESTS_PER_SESSION_MIN: u64 = 2;

/// Defaults that fit the network between the metadata nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimingProfile {
    /// One machine or one rack: heartbeats every 100 ms, elections after 200 to 300 ms.
    Local,
    /// Several machines, disks shared with others: heartbeats every 250 ms, elections after 750 to 1000 ms.
    Remote,
}

impl TimingProfile {
    /// Its name in `services.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }

    /// The timings it stands for.
    pub fn raft(self) -> RaftTimings {
        let (heartbeat, min, max) = match self {
            Self::Local => (100, 200, 300),
            Self::Remote => (250, 750, 1000),
        };
        RaftTimings {
            heartbeat: Duration::from_millis(heartbeat),
            election_timeout_min: Duration::from_millis(min),
            election_timeout_max: Duration::from_millis(max),
        }
    }
}

impl fmt::Display for TimingProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Timings between metadata nodes. Checked: `heartbeat * 2 <= election_timeout_min < election_timeout_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftTimings {
    /// How often a leader tells its followers that it leads.
    pub heartbeat: Duration,
    /// A follower that hears nothing for a random time from here ...
    pub election_timeout_min: Duration,
    /// ... to here stands for election.
    pub election_timeout_max: Duration,
}

/// Timings between brokers and the controller. Checked: `heartbeat * 3 <= session_timeout`,
/// `request_timeout * 2 <= session_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerTimings {
    /// How often a broker tells the controller that it lives.
    pub heartbeat: Duration,
    /// A broker that is silent for this long is OFFLINE.
    pub session_timeout: Duration,
    /// How long a broker waits for the controller's answer.
    pub request_timeout: Duration,
    /// A broker pulls the metadata at least this often, whatever it was told.
    pub metadata_refresh: Duration,
    /// How often partitions are given back to their preferred leaders; zero: never.
    pub leader_rebalance: Duration,
}

impl Default for BrokerTimings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(500),
            session_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(1),
            metadata_refresh: Duration::from_secs(120),
            leader_rebalance: Duration::from_secs(30),
        }
    }
}
