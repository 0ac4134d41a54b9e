//! The JSON schema of `services.json`, made from the declarations of its fields.

use serde_json::{Map, Value, json};

use super::fields::{FILE, Field, Kind, Presence, Section};

/// The schema (draft 2020-12) as `docs/services.schema.json` holds it. What it cannot say, relations between
/// fields, the reader checks.
pub fn json_schema() -> String {
    let mut schema = section(&FILE);
    if let Value::Object(entries) = &mut schema {
        entries.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        entries.insert("title".to_owned(), json!("services.json of DistributedMQ"));
    }
    format!("{schema:#}\n")
}

fn section(section: &Section) -> Value {
    let properties: Map<String, Value> =
        section.fields.iter().map(|declared| (declared.name.to_owned(), field(declared))).collect();
    let required: Vec<&str> = section
        .fields
        .iter()
        .filter(|field| field.presence == Presence::Required)
        .map(|field| field.name)
        .collect();
    json!({
        "type": "object",
        "description": section.about,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn field(field: &Field) -> Value {
    let mut schema = kind(&field.kind);
    if let Value::Object(entries) = &mut schema {
        entries.insert("description".to_owned(), json!(field.about));
        if let Presence::Default(text) = field.presence
            && let Ok(default) = serde_json::from_str::<Value>(text)
        {
            entries.insert("default".to_owned(), default);
        }
    }
    schema
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Integer(bounds, _) => {
            json!({"type": "integer", "minimum": bounds.start(), "maximum": bounds.end()})
        }
        Kind::IntegerPair(bounds, _) => json!({
            "type": "array", "minItems": 2, "maxItems": 2,
            "items": {"type": "integer", "minimum": bounds.start(), "maximum": bounds.end()},
        }),
        Kind::Name(length_max) => {
            json!({"type": "string", "pattern": format!("^[A-Za-z0-9._-]{{1,{length_max}}}$")})
        }
        Kind::Text(bytes_max) => json!({"type": "string", "minLength": 1, "maxLength": bytes_max}),
        Kind::Choice(words) => json!({"type": "string", "enum": words}),
        Kind::Host => json!({"type": "string", "minLength": 1, "maxLength": 253}),
        Kind::Url => json!({"type": "string", "pattern": "^http://.+:[0-9]{1,5}/?$"}),
        Kind::Database => json!({"type": "string", "pattern": "^(sqlite:.+|postgres(ql)?://.+|\\$\\{.+)$"}),
        Kind::Directory => json!({"type": "string", "minLength": 1, "maxLength": 4096}),
        Kind::Section(inner) => section(inner),
        Kind::List(inner, min, max) => {
            json!({"type": "array", "minItems": min, "maxItems": max, "items": section(inner)})
        }
    }
}
