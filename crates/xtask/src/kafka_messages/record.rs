//! One record of `__consumer_offsets`: its key, its value, and the file that holds both.

use super::{
    api::{notice, structures},
    schema::Schema,
    structs::snake_case,
};

/// A kind of record. Its number stands in front of each key, where Kafka once had the key's version.
pub(super) struct GroupRecord {
    pub(super) number: i16,
    pub(super) name: String,
    pub(super) module: String,
    key: Schema,
    value: Schema,
}

impl GroupRecord {
    pub(super) fn new(name: &str, key: Schema, value: Schema) -> Result<Self, String> {
        if key.api_key != value.api_key {
            return Err(format!("{name}: key and value disagree on the number"));
        }
        if (key.valid_versions.min, key.valid_versions.max) != (0, 0) || !key.flexible_versions.is_none() {
            return Err(format!(
                "{name}: keys have one plain version, or equal ones would not be equal bytes"
            ));
        }
        Ok(Self { number: key.api_key, name: name.to_owned(), module: snake_case(name), key, value })
    }

    /// The file with key and value.
    pub(super) fn file(&self, kafka_version: &str) -> Result<String, String> {
        let (name, number, versions) = (&self.name, self.number, self.value.valid_versions);
        let mut text = format!(
            "//! {name} (record type {number}), values v{} to v{}.\n//!\n{}\nuse super::prelude::*;\n\n",
            versions.min,
            versions.max,
            notice(kafka_version),
        );
        let as_it_is = |name: &str| name.to_owned();
        let traits = format!(
            "impl GroupRecordKey for {name}Key {{
                const TYPE: i16 = {number};
                const NAME: &'static str = \"{name}Key\";
                type Value = {name}Value;
            }}\n\n"
        );
        let about = format!("The key of {name}.");
        text += &structures(&self.key, about, self.key.valid_versions, &as_it_is, &traits)?;
        let flexible = match self.value.flexible_versions.min {
            i16::MAX => "i16::MAX".to_owned(),
            since => since.to_string(),
        };
        let traits = format!(
            "impl GroupRecordValue for {name}Value {{
                const NAME: &'static str = \"{name}Value\";
                const VERSIONS: RangeInclusive<i16> = {}..={};
                const FLEXIBLE_SINCE: i16 = {flexible};
            }}\n\n",
            versions.min, versions.max,
        );
        text += &structures(&self.value, format!("The value of {name}."), versions, &as_it_is, &traits)?;
        Ok(text)
    }
}

/// `group_records/mod.rs`.
pub(super) fn modules(records: &[GroupRecord], kafka_version: &str) -> String {
    let mut text = format!(
        "//! The records of `__consumer_offsets`, one module for each kind.\n//!\n{}\n",
        notice(kafka_version)
    );
    text += "#![allow(clippy::field_reassign_with_default, reason = \"fields are read in order, some not in all versions\")]\n\n";
    for record in records {
        text += &format!("pub mod {};\n", record.module);
    }
    text += "mod prelude;\n\n";
    for GroupRecord { module, name, .. } in records {
        text += &format!("pub use {module}::{{{name}Key, {name}Value}};\n");
    }
    text
}
