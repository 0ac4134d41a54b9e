//! Fields that are not Kafka's: tagged ones, which brokers and clients that do not know them skip (KIP-482).

use super::schema::{Field, Schema};

/// Message, a structure that one of its fields declares, and what the schema file would say. Kafka counts its tags from 0; ours
/// begin at 1000.
const OWN_FIELDS: &[(&str, &str, &str)] = &[(
    "ProduceResponse",
    "PartitionProduceResponse",
    r#"{"name": "NothingAppended", "type": "bool", "versions": "9+", "taggedVersions": "9+", "tag": 1000,
        "ignorable": true}"#,
)];

/// Adds them to a message that has some.
pub(super) fn add(schema: &mut Schema) -> Result<(), String> {
    for (_, structure, field) in OWN_FIELDS.iter().filter(|(message, ..)| *message == schema.name) {
        let field: Field = serde_json::from_str(field).map_err(|error| format!("{structure}: {error}"))?;
        let declared = declaration(&mut schema.fields, structure);
        declared.ok_or_else(|| format!("{} has no {structure}", schema.name))?.push(field);
    }
    Ok(())
}

/// The fields of the structure of this name.
fn declaration<'a>(fields: &'a mut [Field], structure: &str) -> Option<&'a mut Vec<Field>> {
    fields.iter_mut().find_map(|field| {
        let is_it = field.kind.strip_prefix("[]").unwrap_or(&field.kind) == structure;
        let inner = field.fields.as_mut()?;
        if is_it { Some(inner) } else { declaration(inner, structure) }
    })
}
