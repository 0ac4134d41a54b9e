//! Registration, and the states a broker goes through: ONLINE, OFFLINE, DRAINING.

use std::collections::BTreeMap;

use common::{
    Broker, BrokerEpoch, BrokerId, BrokerStatus, DirectoryId, Partition,
    limits::{BROKER_HOST_BYTES_MAX, BROKER_RACK_BYTES_MAX, BROKERS_MAX},
};

pub(super) use super::broker_configs::configure;
use super::{
    Decision, candidates, done,
    partitions::{change_in, topics_of},
    within,
};
use crate::{
    Event, Outcome, Rejection, State,
    election::{Rules, lose, settle},
};

/// Registers a broker process.
///
/// - A new id just registers.
/// - The incarnation that holds the id keeps its epoch and status; its addresses are brought up to date.
/// - Another incarnation takes the id over, unless the holder is alive. For the partitions this is the old process
///   going and the new one coming: it leaves the ISRs in which others are ONLINE, since what it had not fsynced is
///   lost, and where it leads on, it does so under a new leader epoch, which fences its former self (KAFKA-18106).
/// - One that comes without the disk that the holder had has nothing: it leaves every ISR, also as the last one (KIP-858).
pub(super) fn register(state: &State, broker: Broker, previous_is_gone: bool) -> Decision {
    validate(&broker)?;
    let id = broker.broker_id;
    let Some(holder) = state.broker(id) else {
        within("registered brokers", state.broker_count() + 1, BROKERS_MAX)?;
        return registered(broker, Vec::new());
    };
    if holder.incarnation_id == broker.incarnation_id {
        return renew(holder, broker);
    }
    if holder.status != BrokerStatus::Offline && !previous_is_gone {
        return Err(Rejection::DuplicateBrokerId { broker_id: id, broker_epoch: holder.broker_epoch });
    }
    let disk_lost = holder.directory_id.is_some() && holder.directory_id != broker.directory_id;
    let disk_lost_at = if disk_lost { Some(broker.broker_epoch) } else { holder.disk_lost_at };
    let others_online = |other| other != id && state.brokers.is_online(other);
    let all_online = |other| other == id || state.brokers.is_online(other);
    let restarts = |rules: Rules, partition: &Partition| {
        let others = candidates(state, &others_online);
        // Where it is the last one, it comes back at once: no reason to prefer somebody who may lack records.
        let without = if disk_lost {
            let lost = lose(partition, rules, id);
            settle(lost.as_ref().unwrap_or(partition), rules, others).or(lost)
        } else {
            settle(partition, rules.clean(), others)
        };
        let all = candidates(state, &all_online);
        settle(without.as_ref().unwrap_or(partition), rules, all).or(without)
    };
    let partitions = change_in(state, state.partitions.topics_of(id), restarts);
    registered(Broker { disk_lost_at, ..broker }, partitions)
}

/// The process that holds the id says again who it is.
fn renew(holder: &Broker, broker: Broker) -> Decision {
    if holder.directory_id != broker.directory_id {
        let named = |id: Option<DirectoryId>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
        return Err(Rejection::InvalidRegistration {
            detail: format!(
                "broker {}: the process that registered with directory id {} names {} now",
                broker.broker_id,
                named(holder.directory_id),
                named(broker.directory_id)
            ),
        });
    }
    let Broker { broker_epoch, status, disk_lost_at, .. } = *holder;
    let renewed = Broker { broker_epoch, status, disk_lost_at, ..broker };
    if renewed == *holder {
        return Ok((Outcome::Broker { broker: renewed }, Vec::new()));
    }
    registered(renewed, Vec::new())
}

fn registered(broker: Broker, partitions: Vec<Event>) -> Decision {
    let mut events = vec![Event::BrokerRegistered { broker: broker.clone() }];
    events.extend(partitions);
    Ok((Outcome::Broker { broker }, events))
}

fn validate(broker: &Broker) -> Result<(), Rejection> {
    let invalid = |detail| Err(Rejection::InvalidRegistration { detail });
    let Broker { broker_id, host, port, kafka_port, rack, .. } = broker;
    if broker_id.0 < 0 {
        return invalid(format!("broker id {broker_id} is negative"));
    }
    if host.is_empty() || host.len() > BROKER_HOST_BYTES_MAX {
        let length = host.len();
        return invalid(format!(
            "broker {broker_id}: host has {length} bytes; it needs 1 to {BROKER_HOST_BYTES_MAX}"
        ));
    }
    // The host becomes part of URLs: nothing that could end it there.
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '%');
    if let Some(character) = host.chars().find(|c| !allowed(*c)) {
        return invalid(format!(
            "broker {broker_id}: host contains {character:?}; it must be a name or an address"
        ));
    }
    if *port == 0 || *kafka_port == Some(0) {
        return invalid(format!("broker {broker_id}: port 0 cannot be connected to"));
    }
    match rack {
        Some(rack) if rack.is_empty() || rack.len() > BROKER_RACK_BYTES_MAX => {
            let length = rack.len();
            invalid(format!(
                "broker {broker_id}: rack has {length} bytes; it needs 1 to {BROKER_RACK_BYTES_MAX}"
            ))
        }
        Some(rack) if rack.contains(char::is_control) => {
            invalid(format!("broker {broker_id}: rack {rack:?} contains a control character"))
        }
        _ => Ok(()),
    }
}

/// Fences those that are still registered as they were judged. Their partitions get other leaders at once, however
/// many brokers go together.
pub(super) fn fence(state: &State, brokers: &[(BrokerId, BrokerEpoch)]) -> Decision {
    within("brokers of one command", brokers.len(), BROKERS_MAX)?;
    let current = brokers.iter().filter_map(|(id, epoch)| state.current_broker(*id, *epoch).ok());
    let going = current.filter(|broker| broker.status != BrokerStatus::Offline);
    leave(state, going, BrokerStatus::Offline)
}

/// Takes a broker that shuts down out of service while it still follows.
pub(super) fn drain(state: &State, broker_id: BrokerId, broker_epoch: BrokerEpoch) -> Decision {
    let broker = state.current_broker(broker_id, broker_epoch)?;
    let going = Some(broker).filter(|broker| broker.status == BrokerStatus::Online);
    leave(state, going, BrokerStatus::Draining)
}

/// Brokers stop being ONLINE: they leave the ISRs in which others remain, and lead nothing.
fn leave<'a>(
    state: &'a State,
    going: impl IntoIterator<Item = &'a Broker>,
    status: BrokerStatus,
) -> Decision {
    let going: BTreeMap<_, _> = going.into_iter().map(|broker| (broker.broker_id, broker)).collect();
    let stays_online = |id| !going.contains_key(&id) && state.brokers.is_online(id);
    let mut events: Vec<_> = going.values().map(|broker| status_changed(broker, status)).collect();
    let topics = topics_of(state, going.keys().copied());
    let of = candidates(state, &stays_online);
    events.extend(change_in(state, topics, |rules, partition| settle(partition, rules, of)));
    done(events)
}

/// Takes a broker that was silent back. It leads the partitions that waited for it; elsewhere it has to catch up
/// before it joins the ISR.
pub(super) fn unfence(state: &State, broker_id: BrokerId, broker_epoch: BrokerEpoch) -> Decision {
    let broker = state.current_broker(broker_id, broker_epoch)?;
    if broker.status != BrokerStatus::Offline {
        return done(Vec::new());
    }
    let is_online = |id| id == broker_id || state.brokers.is_online(id);
    let mut events = vec![status_changed(broker, BrokerStatus::Online)];
    let (of, waiting) = (candidates(state, &is_online), state.partitions.leaderless_topics());
    events.extend(change_in(state, waiting, |rules, partition| settle(partition, rules, of)));
    done(events)
}

fn status_changed(broker: &Broker, status: BrokerStatus) -> Event {
    Event::BrokerStatusChanged { broker_id: broker.broker_id, broker_epoch: broker.broker_epoch, status }
}

/// Forgets a broker.
pub(super) fn remove(state: &State, broker_id: BrokerId) -> Decision {
    state.broker(broker_id).ok_or(Rejection::UnknownBroker { broker_id })?;
    match state.replica_partitions(broker_id) {
        0 => done(vec![Event::BrokerRemoved { broker_id }]),
        replicas => Err(Rejection::BrokerHoldsReplicas { broker_id, replicas }),
    }
}
