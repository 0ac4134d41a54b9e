//! `dmq consume`: the records of a topic, on stdout.

mod command;
mod place;
mod show;

pub(crate) use command::ConsumeCommand;
pub(crate) use place::time_ms;
