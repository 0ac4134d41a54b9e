//! The tables of `docs/configuration.md`, made from the declarations of the fields.

use std::fmt::Write as _;

use super::fields::{Field, Kind, Presence, SECTIONS};

/// One table per section of `services.json`: field, what it may hold, default, meaning.
pub fn markdown() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let _ = writeln!(text, "### `{}`\n\n{}\n", section.title, section.about);
        text.push_str("| field | value | default | meaning |\n|---|---|---|---|\n");
        for field in section.fields {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                field.name,
                value(&field.kind),
                default(field),
                field.about
            );
        }
        text.push('\n');
    }
    text
}

fn default(field: &Field) -> String {
    match field.presence {
        Presence::Required => "required".to_owned(),
        Presence::Default(json) => format!("`{json}`"),
        Presence::Derived(words) => words.to_owned(),
    }
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Integer(bounds, unit) => {
            format!("{} to {} {unit}", bounds.start(), bounds.end()).trim_end().to_owned()
        }
        Kind::IntegerPair(bounds, unit) => {
            format!("`[min, max]`, each {} to {} {unit}", bounds.start(), bounds.end())
        }
        Kind::Name(length_max) => format!("1 to {length_max} of `a-z A-Z 0-9 . _ -`"),
        Kind::Text(bytes_max) => format!("text of 1 to {bytes_max} bytes"),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Host => "host name or address".to_owned(),
        Kind::Url => "`http://host:port`".to_owned(),
        Kind::Database => "`sqlite:<path>`, `postgres://...`; may contain `${VAR}`".to_owned(),
        Kind::Directory => "path".to_owned(),
        Kind::Section(section) => format!("see [`{}`](#{})", section.title, anchor(section.title)),
        Kind::List(section, min, max) => {
            format!("{min} to {max} of [`{}`](#{})", section.title, anchor(section.title))
        }
    }
}

/// The anchor that Markdown viewers give to a heading.
fn anchor(title: &str) -> String {
    title.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>().to_lowercase()
}
