//! A cluster of real processes on this machine: started, watched, hurt and stopped.
//!
//! | module | what it holds |
//! |---|---|
//! | [`launch`] | how a configured cluster is started |
//! | [`spec`] | a cluster on free ports in a directory of its own, for tests and drills |
//! | [`cluster`] | the running cluster |
//! | [`process`] | one process of it: start, SIGTERM, SIGKILL, SIGSTOP, SIGCONT |
//! | [`control`] | what another process needs to hurt a cluster that `dmq up` runs: its state file and its socket |
//! | [`observe`] | who leads, and do all nodes hold the same: the view from outside |
//! | [`wait`] | waiting for a condition with a deadline |
//! | [`fault_proxy`] | broken networks between nodes, brokers and each other |
//! | [`ports`] | ports that stay free while a process is down |
//!
//! It knows processes and URLs only: nothing here links a server, so that what is tested is what is shipped.

pub mod cluster;
pub mod control;
pub mod fault_proxy;
pub mod launch;
pub mod observe;
pub mod ports;
pub mod process;
pub mod ready;
pub mod spec;
pub mod wait;

pub use cluster::{ClusterError, LocalCluster};
pub use control::{ClusterState, ControlError, ControlServer, Controller};
pub use fault_proxy::{Fault, FaultProxy};
pub use launch::{Launch, OutputLine};
pub use observe::{Leadership, Observer};
pub use process::{Member, Process, ProcessError, Role};
pub use ready::{NotReady, wait_ready};
pub use spec::{BrokerTimings, ClusterSpec, Database, RaftTimings};
pub use wait::{WaitError, wait_for};
