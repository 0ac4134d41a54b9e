//! Metadata events turned into rows.

use std::sync::Arc;

use common::{Broker, Topic};
use metadata_core::State;

/// The whole metadata, for rewriting the projection when a snapshot is installed.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// All topics.
    pub topics: Vec<Arc<Topic>>,
    /// All brokers.
    pub brokers: Vec<Broker>,
}

impl Image {
    /// Of this state. Cheap: topics are shared.
    pub fn of(_state: &State) -> Self {
        todo!()
    }
}
