//! What a command does, and whether it may. One file per group of commands.
//!
//! Functions of the state and the command alone. They change nothing: the events they give do, once they happen.

mod broker_configs;
mod brokers;
mod features;
mod group_configs;
mod isr;
mod partitions;
mod producer_ids;
mod reassignments;
mod topics;

use common::{
    Broker, BrokerEpoch, BrokerId, BrokerStatus, MetadataVersion,
    broker_config::Configs,
    topic_config::{Kind, Setting},
};

use crate::{Command, Event, Outcome, Rejection, State, command::MORE_VALUES_LEVEL, election::Candidates};

/// What a command does: the answer and the events that make it so; or why it does nothing.
pub type Decision = Result<(Outcome, Vec<Event>), Rejection>;

impl State {
    /// What `command` would do if it were applied at Raft index `index`.
    ///
    /// # Errors
    /// The [`Rejection`] that the command would be answered with.
    pub fn decide(&self, index: MetadataVersion, command: &Command) -> Decision {
        self.check_level(command)?;
        match command {
            Command::CreateTopic {
                topic_name,
                topic_id,
                num_partitions,
                replication_factor,
                configs,
                assignments,
                placement_seed,
                internal,
            } => topics::NewTopic {
                topic_name,
                topic_id: *topic_id,
                num_partitions: *num_partitions,
                replication_factor: *replication_factor,
                configs,
                assignments: assignments.as_deref(),
                placement_seed: *placement_seed,
                internal: *internal,
            }
            .create(self),
            Command::AlterTopic { topic_name, num_partitions, configs, assignments, placement_seed } => {
                let growth = topics::Growth::new(*num_partitions, assignments.as_deref(), *placement_seed);
                topics::alter(self, topic_name, growth, configs)
            }
            Command::AlterBrokerConfigs { broker_id: id, configs } => brokers::configure(self, *id, configs),
            Command::AlterGroupConfigs { group_id: id, configs } => group_configs::alter(self, id, configs),
            Command::DeleteTopic { topic_name } => topics::delete(self, topic_name),
            Command::RegisterBroker {
                broker_id,
                incarnation_id,
                host,
                port,
                kafka_port,
                rack,
                directory_id,
                previous_is_gone,
            } => {
                let broker = Broker {
                    broker_id: *broker_id,
                    broker_epoch: BrokerEpoch(index.0.cast_signed()),
                    incarnation_id: *incarnation_id,
                    directory_id: *directory_id,
                    disk_lost_at: None,
                    host: host.clone(),
                    port: *port,
                    kafka_port: *kafka_port,
                    rack: rack.clone(),
                    status: BrokerStatus::Online,
                };
                brokers::register(self, broker, *previous_is_gone)
            }
            Command::FenceBrokers { brokers } => brokers::fence(self, brokers),
            Command::UnfenceBroker { broker_id: id, broker_epoch: at } => brokers::unfence(self, *id, *at),
            Command::DrainBroker { broker_id: id, broker_epoch } => brokers::drain(self, *id, *broker_epoch),
            Command::RemoveBroker { broker_id } => brokers::remove(self, *broker_id),
            Command::AlterIsr { broker_id, broker_epoch, changes } => {
                isr::alter(self, *broker_id, *broker_epoch, changes)
            }
            Command::ElectPreferredLeaders { partitions } => partitions::elect_preferred(self, partitions),
            Command::ElectUncleanLeaders { partitions } => partitions::elect_uncleanly(self, partitions),
            Command::ReassignPartitions { moves } => reassignments::reassign(self, moves),
            Command::AllocateProducerIds { broker_id, broker_epoch } => {
                producer_ids::allocate(self, *broker_id, *broker_epoch)
            }
            Command::SetFeatureLevel { level, level_max } => features::set_level(self, *level, *level_max),
        }
    }

    /// The broker, if the caller speaks for its present registration.
    fn current_broker(&self, broker_id: BrokerId, given: BrokerEpoch) -> Result<&Broker, Rejection> {
        let broker = self.broker(broker_id).ok_or(Rejection::UnknownBroker { broker_id })?;
        if broker.broker_epoch == given {
            return Ok(broker);
        }
        Err(Rejection::StaleBrokerEpoch { broker_id, given, current: broker.broker_epoch })
    }
}

/// The state's brokers, of whom these are ONLINE.
fn candidates<'a>(state: &'a State, is_online: &'a dyn Fn(BrokerId) -> bool) -> Candidates<'a> {
    Candidates { brokers: &state.brokers, is_online }
}

/// An answer that says whether the command changed anything, and the events if it did.
fn done(events: Vec<Event>) -> Decision {
    Ok((Outcome::Done { changed: !events.is_empty() }, events))
}

/// Refuses what would exceed a bound.
fn within(what: &str, value: usize, bound: usize) -> Result<(), Rejection> {
    if value <= bound {
        return Ok(());
    }
    Err(Rejection::LimitExceeded { what: what.to_owned(), value: value as u64, bound: bound as u64 })
}

/// Refuses the values that nodes of the first feature level refuse, while there may be some.
fn taken_by_all_nodes(
    state: &State,
    configs: &Configs,
    setting: fn(&str) -> Option<&'static Setting>,
) -> Result<(), Rejection> {
    if state.feature_level() >= MORE_VALUES_LEVEL {
        return Ok(());
    }
    let is_later = |name: &str, value: &str| match setting(name) {
        Some(Setting { kind: Kind::ListOf(_), .. }) => value.trim().is_empty(),
        Some(Setting { kind: Kind::Kept { max: i64::MAX, .. }, default, .. }) => value.trim() != *default,
        _ => false,
    };
    let Some((name, value)) = configs.iter().find(|(name, value)| is_later(name, value)) else {
        return Ok(());
    };
    let detail = format!("`{name}` is {value:?}; that takes feature level {MORE_VALUES_LEVEL}");
    Err(Rejection::InvalidConfig { name: name.clone(), detail })
}
