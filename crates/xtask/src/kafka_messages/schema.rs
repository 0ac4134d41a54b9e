//! The schema files: JSON with `//` comments.

use serde::Deserialize;

use super::versions::Versions;

/// One file: a request or a response, or the key or the value of a record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Schema {
    pub(super) api_key: i16,
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "listeners", default)]
    _listeners: Vec<String>,
    pub(super) name: String,
    #[serde(deserialize_with = "versions")]
    pub(super) valid_versions: Versions,
    #[serde(deserialize_with = "versions")]
    pub(super) flexible_versions: Versions,
    /// Whether the highest version is still being worked on.
    #[serde(default)]
    latest_version_unstable: bool,
    pub(super) fields: Vec<Field>,
    #[serde(default)]
    pub(super) common_structs: Vec<CommonStruct>,
}

/// A structure that several fields use.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CommonStruct {
    pub(super) name: String,
    #[serde(rename = "versions")]
    _versions: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Field {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(deserialize_with = "versions")]
    pub(super) versions: Versions,
    #[serde(deserialize_with = "versions", default = "no_versions")]
    pub(super) nullable_versions: Versions,
    #[serde(deserialize_with = "versions", default = "no_versions")]
    pub(super) tagged_versions: Versions,
    pub(super) tag: Option<u32>,
    /// Kafka's own generator takes a bare `null` for no default, and so does serde; `"null"` is null.
    #[serde(default)]
    pub(super) default: Option<serde_json::Value>,
    /// Whether a version without this field may drop its value.
    #[serde(default)]
    pub(super) ignorable: bool,
    /// A sentence of Kafka's. What a field means is in Kafka's documentation, and is not repeated here.
    #[serde(rename = "about", default)]
    _about: String,
    /// Fields of the structure that is declared here.
    pub(super) fields: Option<Vec<Field>>,
    #[serde(rename = "mapKey", default)]
    _map_key: bool,
    #[serde(rename = "entityType", default)]
    _entity_type: String,
    #[serde(rename = "zeroCopy", default)]
    _zero_copy: bool,
}

/// Reads a schema file; the versions are the stable ones.
pub(super) fn parse(text: &str) -> Result<Schema, String> {
    let json: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut schema: Schema = serde_json::from_str(&json).map_err(|error| format!("schema: {error}"))?;
    if schema.latest_version_unstable {
        schema.valid_versions.max -= 1;
    }
    Ok(schema)
}

fn versions<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Versions, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn no_versions() -> Versions {
    Versions::NONE
}
