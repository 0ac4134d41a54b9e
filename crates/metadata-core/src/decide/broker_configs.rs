//! Settings of brokers.

use std::collections::BTreeMap;

use common::{
    BrokerId, Topic,
    broker_config::{self, InvalidBrokerConfig},
};

use super::{Decision, done, topics::under_new_rules};
use crate::{Event, Rejection, State, election::Rules};

/// Changes settings for one broker, or for all.
pub(super) fn configure(
    state: &State,
    broker_id: Option<BrokerId>,
    changes: &BTreeMap<String, Option<String>>,
) -> Decision {
    if let Some(broker_id) = broker_id
        && state.broker(broker_id).is_none()
    {
        return Err(Rejection::UnknownBroker { broker_id });
    }
    let before = state.broker_configs().get(broker_id);
    let mut configs = before.clone();
    for (name, value) in changes {
        // Also what is taken away must be one that could be there.
        broker_config::check_change(name, broker_id.is_some()).map_err(invalid)?;
        match value {
            Some(value) => configs.insert(name.clone(), value.clone()),
            None => configs.remove(name),
        };
    }
    if configs == before {
        return done(Vec::new());
    }
    broker_config::validate(&configs, broker_id.is_some()).map_err(invalid)?;
    let mut events = vec![Event::BrokerConfigsChanged { broker_id, configs: configs.clone() }];
    let changes_rules =
        |name: &String| before.get(name) != configs.get(name) && broker_config::is_cluster_wide(name);
    if broker_id.is_none() && configs.keys().chain(before.keys()).any(changes_rules) {
        events.extend(state.topics().filter_map(|topic| {
            let rules = Rules::new(&topic.configs, &configs);
            if rules == Rules::of(state, topic) {
                return None;
            }
            under_new_rules(state, rules, &mut Topic::clone(topic))
        }));
    }
    done(events)
}

fn invalid(error: InvalidBrokerConfig) -> Rejection {
    Rejection::InvalidConfig { name: error.name().to_owned(), detail: error.to_string() }
}
