//! How values of the API are written in tables.

use serde::Serialize;

/// The longest JSON shown in a table cell, in characters.
const CELL_CHARS_MAX: usize = 100;

/// The API's name of an enum's value: `ONLINE`, `LEADER`.
pub(super) fn name_of<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "?".to_owned(),
    }
}

/// JSON in one line, cut where it grows too long for a table.
pub(super) fn shortened(value: &serde_json::Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_api() {
        assert_eq!(name_of(&common::BrokerStatus::Online), "ONLINE");
        assert_eq!(name_of(&http_api::StorageKind::Sqlite), "sqlite");
    }
}
