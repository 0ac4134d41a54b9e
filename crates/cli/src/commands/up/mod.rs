//! `dmq up`: a whole cluster with one command. Starts every process as a child with a log of its own, waits until all
//! are ready, says what to try, and keeps watch: a child that ends is reported, never silently started again.
//!
//! [`command`] has its flags and the order of things, [`plan`] what is started, [`watch`] the cluster while it runs.

mod command;
mod databases;
mod plan;
mod view;
mod watch;

pub(crate) use command::UpCommand;
pub(crate) use plan::CLUSTER_DIRECTORY;
