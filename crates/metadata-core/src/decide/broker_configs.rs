//! Settings of brokers.

use std::collections::BTreeMap;

use common::{
    BrokerId, Topic,
    broker_config::{self, InvalidBrokerConfig},
    group_config,
};

use super::{Decision, done, taken_by_all_nodes, topics::under_new_rules};
use crate::{Event, Rejection, State, command::GROUP_CONFIGS_LEVEL, election::Rules};

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
    let is_known =
        |name: &&String| state.feature_level() >= GROUP_CONFIGS_LEVEL || !group_config::is_bound(name);
    if let Some(name) = changes.keys().find(|name| !is_known(name)) {
        // As nodes decide that do not know it.
        return Err(invalid(InvalidBrokerConfig::Unknown(name.clone())));
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
    taken_by_all_nodes(state, &configs, |name| broker_config::setting(name).map(|it| &it.setting))?;
    if broker_id.is_none() {
        state.group_configs().validate(&configs).map_err(|unfit| Rejection::InvalidConfig {
            name: unfit.error.name().to_owned(),
            detail: unfit.to_string(),
        })?;
    }
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
