//! `dmq produce`: records from stdin into a topic.

mod command;
mod input;

pub(crate) use command::ProduceCommand;
