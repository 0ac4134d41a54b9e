//! Settings of groups.

use std::collections::BTreeMap;

use common::{
    group_config::{self, InvalidGroupConfig},
    limits::GROUPS_WITH_CONFIGS_MAX,
};

use super::{Decision, done, within};
use crate::{Event, Rejection, State};

/// Changes settings of a group, which need not exist yet.
pub(super) fn alter(state: &State, group_id: &str, changes: &BTreeMap<String, Option<String>>) -> Decision {
    group_config::check_group_id(group_id)
        .map_err(|error| Rejection::InvalidGroupId { detail: error.to_string() })?;
    let kept = state.group_configs();
    let before = kept.of(group_id).cloned().unwrap_or_default();
    let mut configs = before.clone();
    for (name, value) in changes {
        // Also what is taken away must be one that could be there.
        group_config::setting(name).map_err(invalid)?;
        match value {
            Some(value) => configs.insert(name.clone(), value.clone()),
            None => configs.remove(name),
        };
    }
    if configs == before {
        return done(Vec::new());
    }
    group_config::validate(&configs, state.broker_configs().of_all()).map_err(invalid)?;
    let added = usize::from(before.is_empty());
    within("groups with settings of their own", kept.len() + added, GROUPS_WITH_CONFIGS_MAX)?;
    done(vec![Event::GroupConfigsChanged { group_id: group_id.to_owned(), configs }])
}

fn invalid(error: InvalidGroupConfig) -> Rejection {
    Rejection::InvalidConfig { name: error.name().to_owned(), detail: error.to_string() }
}
