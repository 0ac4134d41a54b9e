//! The settings of single consumer groups: names, types and defaults, as in Kafka 4 (`GroupConfig`), and their bounds.
//!
//! A group that does not set one has its coordinator's. What a group sets lies within bounds that are the same for all
//! brokers, so that the controllers, which keep both, can see to it.
//!
//! Like those of [topics](crate::topic_config) and [brokers](crate::broker_config), the list is closed and part of the protocol.

use thiserror::Error;

use crate::{
    broker_config::{self, Configs},
    limits::GROUP_ID_BYTES_MAX,
    topic_config::{Kind, Setting, cut},
};

/// A setting of groups.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupSetting {
    /// What it is called, takes and means.
    pub setting: Setting,
    /// The broker setting that is its default.
    pub default: &'static str,
    /// The broker setting that is its least value.
    pub min: &'static str,
    /// The broker setting that is its greatest value.
    pub max: &'static str,
}

const HEARTBEAT_INTERVAL: GroupSetting = GroupSetting {
    setting: Setting {
        name: "consumer.heartbeat.interval.ms",
        kind: Kind::Int { min: 1, max: i32::MAX },
        default: "5000",
        doc: "How often members of this group are to be heard.",
    },
    default: "group.consumer.heartbeat.interval.ms",
    min: "group.consumer.min.heartbeat.interval.ms",
    max: "group.consumer.max.heartbeat.interval.ms",
};

const SESSION_TIMEOUT: GroupSetting = GroupSetting {
    setting: Setting {
        name: "consumer.session.timeout.ms",
        kind: Kind::Int { min: 1, max: i32::MAX },
        default: "45000",
        doc: "A member of this group that is not heard for so long is gone.",
    },
    default: "group.consumer.session.timeout.ms",
    min: "group.consumer.min.session.timeout.ms",
    max: "group.consumer.max.session.timeout.ms",
};

/// Each is a 32-bit number. Zeros and blanks before it do not make it a longer one to keep, for thousands of groups.
const VALUE_BYTES_MAX: usize = 32;

/// Every setting of groups, by name.
pub const SETTINGS: &[GroupSetting] = &[HEARTBEAT_INTERVAL, SESSION_TIMEOUT];

/// Why settings of a group are refused, or bounds of such settings. Every text names the setting, the value and the bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidGroupConfig {
    /// No setting has this name.
    #[error("unknown group setting `{0}`")]
    Unknown(String),
    /// The value is not among those the setting takes.
    #[error("`{name}` is {value:?}; it takes {expected}")]
    Value {
        /// The setting.
        name: String,
        /// The value given, cut if long.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// The value is out of bounds.
    #[error("`{name}` is {value}; it must be at {relation} {bound_value}, which is `{bound}`")]
    OutOfBounds {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: i64,
        /// `least` or `most`.
        relation: &'static str,
        /// The setting that bounds it.
        bound: &'static str,
        /// Its value.
        bound_value: i64,
    },
    /// Members would be held for gone between two heartbeats.
    #[error("`{session}` is {session_ms}; it must be above `{heartbeat}`, which is {heartbeat_ms}")]
    SessionTooShort {
        /// The setting that says how long a session is: the group's, or its default.
        session: &'static str,
        /// Its value.
        session_ms: i64,
        /// The setting that says how often members are heard: the group's, or its default.
        heartbeat: &'static str,
        /// Its value.
        heartbeat_ms: i64,
    },
}

impl InvalidGroupConfig {
    /// The setting that is wrong.
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown(name) | Self::Value { name, .. } => name,
            Self::OutOfBounds { name, .. } => name,
            Self::SessionTooShort { session, .. } => session,
        }
    }
}

/// Why no settings can be kept for a group of this id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a group id has 1 to {GROUP_ID_BYTES_MAX} bytes; this one has {0}")]
pub struct InvalidGroupId(pub usize);

/// Checks that settings can be kept for a group of this id.
pub fn check_group_id(id: &str) -> Result<(), InvalidGroupId> {
    let is_valid = (1..=GROUP_ID_BYTES_MAX).contains(&id.len());
    if is_valid { Ok(()) } else { Err(InvalidGroupId(id.len())) }
}

/// The setting of this name.
pub fn setting(name: &str) -> Result<&'static GroupSetting, InvalidGroupConfig> {
    let found = SETTINGS.iter().find(|it| it.setting.name == name);
    found.ok_or_else(|| InvalidGroupConfig::Unknown(cut(name)))
}

/// Checks all settings of a group, where `of_all` is set for all brokers. Nothing is wrong with a group that sets none.
pub fn validate(configs: &Configs, of_all: &Configs) -> Result<(), InvalidGroupConfig> {
    for (name, value) in configs {
        let known = setting(name)?;
        if value.len() > VALUE_BYTES_MAX || !known.setting.kind.accepts(value) {
            let (name, value, expected) = (name.clone(), cut(value), known.setting.kind.to_string());
            return Err(InvalidGroupConfig::Value { name, value, expected });
        }
        known.check_bounds(number(value), of_all)?;
    }
    if configs.is_empty() {
        return Ok(());
    }
    let (session, session_ms) = SESSION_TIMEOUT.in_force(configs, of_all);
    let (heartbeat, heartbeat_ms) = HEARTBEAT_INTERVAL.in_force(configs, of_all);
    if session_ms > heartbeat_ms {
        return Ok(());
    }
    Err(InvalidGroupConfig::SessionTooShort { session, session_ms, heartbeat, heartbeat_ms })
}

/// Checks that there are values between the bounds that are set for all brokers.
pub fn validate_bounds(of_all: &Configs) -> Result<(), InvalidGroupConfig> {
    let narrow = |it: &GroupSetting| {
        let value = of_broker(it.max, of_all);
        let (bound, bound_value) = (it.min, of_broker(it.min, of_all));
        let (name, relation) = (it.max, "least");
        (value < bound_value).then_some(InvalidGroupConfig::OutOfBounds {
            name,
            value,
            relation,
            bound,
            bound_value,
        })
    };
    SETTINGS.iter().find_map(narrow).map_or(Ok(()), Err)
}

/// Whether this broker setting bounds what groups may set.
pub fn is_bound(broker_setting: &str) -> bool {
    SETTINGS.iter().any(|it| broker_setting == it.min || broker_setting == it.max)
}

impl GroupSetting {
    fn check_bounds(&self, value: i64, of_all: &Configs) -> Result<(), InvalidGroupConfig> {
        let name = self.setting.name;
        let (least, most) = (of_broker(self.min, of_all), of_broker(self.max, of_all));
        let (relation, bound, bound_value) = match value {
            _ if value < least => ("least", self.min, least),
            _ if value > most => ("most", self.max, most),
            _ => return Ok(()),
        };
        Err(InvalidGroupConfig::OutOfBounds { name, value, relation, bound, bound_value })
    }

    /// Who says what holds for a group, and what that is. What a single broker sets, or was started with, is not known here.
    fn in_force(&self, configs: &Configs, of_all: &Configs) -> (&'static str, i64) {
        match configs.get(self.setting.name) {
            Some(value) => (self.setting.name, number(value)),
            None => (self.default, of_broker(self.default, of_all)),
        }
    }
}

/// A number that is set for all brokers, or its default.
fn of_broker(name: &str, of_all: &Configs) -> i64 {
    let default = || broker_config::setting(name).map(|it| it.setting.default);
    of_all.get(name).map(String::as_str).or_else(default).map_or(0, number)
}

/// Of a value that its kind accepts.
fn number(value: &str) -> i64 {
    value.trim().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker_config::Change;

    fn configs(pairs: &[(&str, &str)]) -> Configs {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn refused(group: &[(&str, &str)], of_all: &[(&str, &str)]) -> String {
        validate(&configs(group), &configs(of_all)).unwrap_err().to_string()
    }

    #[test]
    fn each_has_a_default_and_bounds_among_the_settings_of_brokers() {
        assert!(SETTINGS.is_sorted_by(|a, b| a.setting.name < b.setting.name));
        for it in SETTINGS {
            let of_broker = |name| broker_config::setting(name).unwrap();
            assert_eq!(of_broker(it.default).setting.default, it.setting.default);
            assert!([it.min, it.max].iter().all(|name| of_broker(name).change == Change::ClusterWide));
            let its_default = configs(&[(it.setting.name, it.setting.default)]);
            assert_eq!(validate(&its_default, &Configs::new()), Ok(()));
            assert!(is_bound(it.min) && is_bound(it.max) && !is_bound(it.default));
        }
        assert_eq!(validate_bounds(&Configs::new()), Ok(()));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_the_bound() {
        let session = "consumer.session.timeout.ms";
        assert_eq!(validate(&configs(&[(session, " 60000 ")]), &Configs::new()), Ok(()));
        assert_eq!(
            refused(&[(session, "44999")], &[]),
            "`consumer.session.timeout.ms` is 44999; it must be at least 45000, which is \
             `group.consumer.min.session.timeout.ms`"
        );
        assert_eq!(
            refused(&[(session, "60001")], &[]),
            "`consumer.session.timeout.ms` is 60001; it must be at most 60000, which is \
             `group.consumer.max.session.timeout.ms`"
        );
        let lower = [("group.consumer.min.session.timeout.ms", "6000")];
        assert_eq!(validate(&configs(&[(session, "6000")]), &configs(&lower)), Ok(()));
        assert_eq!(
            refused(&[(session, "5000")], &lower),
            "`consumer.session.timeout.ms` is 5000; it must be at least 6000, which is \
             `group.consumer.min.session.timeout.ms`"
        );
    }

    #[test]
    fn sessions_outlast_heartbeats() {
        let lower = ("group.consumer.min.session.timeout.ms", "1000");
        let session = ("consumer.session.timeout.ms", "8000");
        let heartbeat = ("consumer.heartbeat.interval.ms", "8000");
        assert_eq!(
            refused(&[session, heartbeat], &[lower]),
            "`consumer.session.timeout.ms` is 8000; it must be above `consumer.heartbeat.interval.ms`, which is 8000"
        );
        assert_eq!(
            refused(&[session], &[lower, ("group.consumer.heartbeat.interval.ms", "9000")]),
            "`consumer.session.timeout.ms` is 8000; it must be above `group.consumer.heartbeat.interval.ms`, which is 9000"
        );
        assert_eq!(
            refused(&[heartbeat], &[("group.consumer.session.timeout.ms", "7000")]),
            "`group.consumer.session.timeout.ms` is 7000; it must be above `consumer.heartbeat.interval.ms`, which is 8000"
        );
    }

    #[test]
    fn what_is_no_setting_or_no_value_is_refused() {
        assert_eq!(
            refused(&[("share.session.timeout.ms", "1")], &[]),
            "unknown group setting `share.session.timeout.ms`"
        );
        let long = format!("{}50000", "0".repeat(VALUE_BYTES_MAX));
        for wrong in ["", "soon", "0", "-1", "2147483648", "5s", &long] {
            let error = refused(&[("consumer.session.timeout.ms", wrong)], &[]);
            assert!(error.ends_with("it takes a whole number of at least 1"), "{error}");
        }
    }

    #[test]
    fn bounds_leave_room() {
        let crossed = [("group.consumer.min.heartbeat.interval.ms", "15001")];
        assert_eq!(
            validate_bounds(&configs(&crossed)).unwrap_err().to_string(),
            "`group.consumer.max.heartbeat.interval.ms` is 15000; it must be at least 15001, which is \
             `group.consumer.min.heartbeat.interval.ms`"
        );
    }

    #[test]
    fn group_ids_are_bounded() {
        assert_eq!(check_group_id("orders"), Ok(()));
        let longest = "x".repeat(GROUP_ID_BYTES_MAX);
        assert_eq!(check_group_id(&longest), Ok(()));
        assert!(check_group_id("").is_err());
        let error = check_group_id(&format!("{longest}x")).unwrap_err();
        assert_eq!(error.to_string(), "a group id has 1 to 1024 bytes; this one has 1025");
    }
}
