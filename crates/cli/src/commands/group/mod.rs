//! `dmq group`: consumer groups: list, describe, reset, delete, and their settings. Any broker answers for all of them, but for
//! settings, which the controllers keep.

mod brokers;
mod command;
mod show;
mod watch;

pub(crate) use command::GroupCommand;
