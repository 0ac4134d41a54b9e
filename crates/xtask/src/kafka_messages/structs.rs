//! A structure in Rust: the type, its default, and how it is read and written.

use super::{schema::Field, versions::Versions};

/// Width of a line of the tree.
const LINE_WIDTH: usize = 110;

/// A structure of a schema.
pub(super) struct Struct<'a> {
    /// Its name in Rust.
    pub(super) name: String,
    pub(super) about: String,
    /// The versions in which it is used.
    pub(super) versions: Versions,
    pub(super) fields: &'a [Field],
}

/// A field as Rust sees it.
struct Member<'a> {
    field: &'a Field,
    name: String,
    rust_type: String,
    /// The versions that have it.
    versions: Versions,
    /// Whether it may be null in some version, and so is an `Option`.
    nullable: bool,
    kind: Kind,
}

/// What decides how a default looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Bool,
    ErrorCode,
    Uuid,
    Text,
    Bytes,
    Records,
    Array,
    Struct,
}

/// The code of a structure.
pub(super) fn render(of: &Struct<'_>, rename: &dyn Fn(&str) -> String) -> Result<String, String> {
    let all = of.versions;
    let mut members = Vec::new();
    for field in of.fields {
        let versions = field.versions.and(all);
        // Fields that no supported version has are left out.
        if !versions.is_none() {
            members.push(member(field, versions, rename)?);
        }
    }
    let plain_default = members.iter().all(|member| member.has_rust_default());
    let derives =
        if plain_default { "Debug, Clone, PartialEq, Eq, Default" } else { "Debug, Clone, PartialEq, Eq" };
    let mut text = format!("{}#[derive({derives})]\npub struct {} {{\n", doc(&of.about, "", 0), of.name);
    for member in &members {
        let about = format!("`{}`, of type `{}`", member.field.name, member.field.kind);
        text += &doc(&about, &member.remarks(all), 4);
        text += &format!("pub {}: {},\n", member.name, member.rust_type);
    }
    text += "}\n\n";
    if !plain_default {
        text += &format!("impl Default for {} {{ fn default() -> Self {{ Self {{\n", of.name);
        for member in &members {
            text += &format!("{}: {},\n", member.name, member.default()?);
        }
        text += "} } }\n\n";
    }
    text +=
        &format!("impl Struct for {} {{\n{}{}}}\n\n", of.name, decode(&members, all), encode(&members, all)?);
    Ok(text)
}

fn decode(members: &[Member<'_>], all: Versions) -> String {
    let mut body = Branches::default();
    let mut tags = String::new();
    for member in members {
        let (name, field) = (&member.name, &member.field.name);
        let read = match member.nulls_differ() {
            _ if member.is_nullable_tag() => format!("this.{name} = decoder.read_nullable_tag(\"{field}\")?"),
            Some(nulls) => format!(
                "this.{name} = if {} {{ decoder.read(\"{field}\")? }} else {{ decoder.read_some(\"{field}\")? }}",
                nulls.condition(member.versions).unwrap_or_default(),
            ),
            None => format!("this.{name} = decoder.read(\"{field}\")?"),
        };
        match member.field.tag {
            // A version without the tag meets it as any unknown one.
            Some(tag) => match member.versions.condition(all) {
                Some(condition) => tags += &format!("{tag} if {condition} => {read},\n"),
                None => tags += &format!("{tag} => {read},\n"),
            },
            None => body.push(member.versions.condition(all), &format!("{read};\n"), ""),
        }
    }
    let end = match tags.as_str() {
        "" => "decoder.skip_tags()?;\n".to_owned(),
        tags => format!(
            "decoder.tags(|tag, decoder| {{\nmatch tag {{\n{tags}_ => return Ok(false),\n}}\nOk(true)\n}})?;\n"
        ),
    };
    let body = body.finish() + &end;
    format!(
        "fn decode(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {{\n{}let mut this = Self::default();\n\
         {body}Ok(this)\n}}\n\n",
        version_line(&body, "decoder"),
    )
}

fn encode(members: &[Member<'_>], all: Versions) -> Result<String, String> {
    let mut body = Branches::default();
    let mut tags = Branches::default();
    for member in members {
        let (name, field) = (&member.name, &member.field.name);
        let condition = member.versions.condition(all);
        let absent = match member.field.ignorable {
            true => String::new(),
            false => format!("encoder.absent(\"{field}\", {})?;\n", member.is_default(true)?),
        };
        match (member.field.tag, member.nulls_differ()) {
            (Some(tag), _) => {
                let default = member.is_default(false)?;
                let method = if member.is_nullable_tag() { "nullable_tag" } else { "tag" };
                let write =
                    format!("encoder.{method}(&mut tags, {tag}, \"{field}\", &self.{name}, {default})?;\n");
                tags.push(condition, &write, &absent);
            }
            (None, Some(nulls)) => {
                let mut write = Branches::default();
                write.push(
                    nulls.condition(member.versions),
                    &format!("encoder.write(\"{field}\", &self.{name})?;\n"),
                    &format!("encoder.write_some(\"{field}\", &self.{name})?;\n"),
                );
                body.push(condition, &write.finish(), &absent);
            }
            (None, None) => {
                body.push(condition, &format!("encoder.write(\"{field}\", &self.{name})?;\n"), &absent);
            }
        }
    }
    let end = match tags.finish() {
        tags if tags.is_empty() => "encoder.no_tags();\n".to_owned(),
        tags => format!("let mut tags = encoder.begin_tags();\n{tags}encoder.end_tags(tags);\n"),
    };
    let body = body.finish() + &end;
    Ok(format!(
        "fn encode(&self, encoder: &mut Encoder) -> Result<(), EncodeError> {{\n{}{body}Ok(())\n}}\n",
        version_line(&body, "encoder"),
    ))
}

fn version_line(body: &str, codec: &str) -> String {
    let used = ["version >", "version <", "version ==", "&version"].iter().any(|usage| body.contains(usage));
    if used { format!("let version = {codec}.version();\n") } else { String::new() }
}

/// Statements, each for some versions; neighbours for the same versions share one `if`.
#[derive(Default)]
struct Branches {
    text: String,
    condition: Option<String>,
    then: String,
    or_else: String,
}

impl Branches {
    /// Without a condition, `or_else` is never reached and is left out.
    fn push(&mut self, condition: Option<String>, then: &str, or_else: &str) {
        if condition != self.condition {
            self.close();
            self.condition = condition;
        }
        self.then += then;
        self.or_else += or_else;
    }

    fn close(&mut self) {
        let (then, or_else) = (std::mem::take(&mut self.then), std::mem::take(&mut self.or_else));
        self.text += &match (self.condition.take(), or_else.as_str()) {
            (None, _) => then,
            (Some(condition), "") => format!("if {condition} {{ {then} }}\n"),
            (Some(condition), or_else) => format!("if {condition} {{ {then} }} else {{ {or_else} }}\n"),
        };
    }

    fn finish(mut self) -> String {
        self.close();
        self.text
    }
}

fn member<'a>(
    field: &'a Field,
    versions: Versions,
    rename: &dyn Fn(&str) -> String,
) -> Result<Member<'a>, String> {
    let (kind, base) = rust_type(field, rename)?;
    // Null records are read as none and never written.
    let nullable = kind != Kind::Records && !field.nullable_versions.and(versions).is_none();
    if field.tag.is_some() && !field.tagged_versions.covers(versions) {
        return Err(format!("{}: tagged only in some of its versions", field.name));
    }
    if field.tag.is_some() && nullable && !field.nullable_versions.covers(versions) {
        return Err(format!("{}: tagged, and nullable only in some of its versions", field.name));
    }
    let rust_type = if nullable { format!("Option<{base}>") } else { base };
    let name = match snake_case(&field.name).as_str() {
        "type" => "r#type".to_owned(),
        name => name.to_owned(),
    };
    Ok(Member { field, name, rust_type, versions, nullable, kind })
}

fn rust_type(field: &Field, rename: &dyn Fn(&str) -> String) -> Result<(Kind, String), String> {
    if let Some(element) = field.kind.strip_prefix("[]") {
        return Ok((Kind::Array, format!("Vec<{}>", simple_type(element, rename)?.1)));
    }
    match field.kind.as_str() {
        "int16" if field.name.ends_with("ErrorCode") => Ok((Kind::ErrorCode, "ErrorCode".to_owned())),
        kind => simple_type(kind, rename),
    }
}

fn simple_type(kind: &str, rename: &dyn Fn(&str) -> String) -> Result<(Kind, String), String> {
    let (kind, name) = match kind {
        "int8" => (Kind::Number, "i8"),
        "int16" => (Kind::Number, "i16"),
        "uint16" => (Kind::Number, "u16"),
        "int32" => (Kind::Number, "i32"),
        "int64" => (Kind::Number, "i64"),
        "bool" => (Kind::Bool, "bool"),
        "uuid" => (Kind::Uuid, "Uuid"),
        "string" => (Kind::Text, "String"),
        "bytes" => (Kind::Bytes, "Bytes"),
        "records" => (Kind::Records, "Records"),
        name if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
            return Ok((Kind::Struct, rename(name)));
        }
        other => return Err(format!("type `{other}` is not known to the generator")),
    };
    Ok((kind, name.to_owned()))
}

impl Member<'_> {
    /// The versions in which null is allowed, if they are not all.
    fn nulls_differ(&self) -> Option<Versions> {
        let nulls = self.field.nullable_versions.and(self.versions);
        (self.nullable && nulls != self.versions).then_some(nulls)
    }

    /// Whether it is a tagged structure that may be null, which has a form of its own.
    fn is_nullable_tag(&self) -> bool {
        self.field.tag.is_some() && self.nullable && self.kind == Kind::Struct
    }

    /// The default in the schema, as text; an absent one is the empty value and not null.
    fn default_text(&self) -> String {
        match &self.field.default {
            None => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// Whether `Default` of the Rust type is the schema's default.
    fn has_rust_default(&self) -> bool {
        match self.default_text().as_str() {
            "null" => true,
            "" => !self.nullable,
            text => matches!(text, "0" | "false"),
        }
    }

    fn default(&self) -> Result<String, String> {
        let text = self.default_text();
        Ok(match (self.kind, text.as_str()) {
            (_, "null") => "None".to_owned(),
            _ if self.nullable && text.is_empty() => "Some(Default::default())".to_owned(),
            (Kind::Number, "") => "0".to_owned(),
            (Kind::Number, text) => number(text)?.to_string(),
            (Kind::Bool, text) => (text == "true").to_string(),
            (_, "" | "0") => "Default::default()".to_owned(),
            (_, text) => return Err(format!("{}: default `{text}` is not known", self.field.name)),
        })
    }

    /// The expression that says whether the value is the default. With `null_is_empty`, null and empty are one.
    fn is_default(&self, null_is_empty: bool) -> Result<String, String> {
        let text = self.default_text();
        let this = format!("self.{}", self.name);
        Ok(match self.kind {
            _ if self.nullable && text == "null" => format!("{this}.is_none()"),
            Kind::Text | Kind::Array | Kind::Bytes if self.nullable && null_is_empty => {
                format!("{this}.as_ref().is_none_or(|value| value.is_empty())")
            }
            Kind::Text | Kind::Array | Kind::Bytes if self.nullable => {
                format!("{this}.as_ref().is_some_and(|value| value.is_empty())")
            }
            Kind::Struct if self.nullable && null_is_empty => format!("{this}.is_none()"),
            Kind::Struct if self.nullable => format!("{this} == Some(Default::default())"),
            Kind::Number => format!("{this} == {}", self.default()?),
            Kind::Bool if text == "true" => this,
            Kind::Bool => format!("!{this}"),
            Kind::ErrorCode => format!("{this}.is_none()"),
            Kind::Uuid => format!("{this}.is_nil()"),
            Kind::Struct => format!("{this} == {}::default()", self.rust_type),
            Kind::Text | Kind::Array | Kind::Bytes | Kind::Records => format!("{this}.is_empty()"),
        })
    }

    /// What a reader should know beside the name and the type.
    fn remarks(&self, all: Versions) -> String {
        let nulls = self.field.nullable_versions.and(self.versions);
        let remarks = [
            self.versions.words(all),
            self.nulls_differ().and_then(|_| nulls.words(self.versions)).map(|words| format!("null {words}")),
        ];
        let remarks: Vec<String> = remarks.into_iter().flatten().collect();
        if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join("; ")) }
    }
}

fn number(text: &str) -> Result<i64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("default `{text}`: {error}"))
}

/// A doc comment, wrapped.
fn doc(about: &str, remarks: &str, indent: usize) -> String {
    let about = about.trim().trim_end_matches('.');
    let text = format!("{about}{remarks}.");
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().filter(|line| line.len() + word.len() + indent + 5 <= LINE_WIDTH);
        match line {
            Some(line) if line.is_empty() => *line += word,
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| format!("/// {line}\n")).collect()
}

/// `FetchOffset` becomes `fetch_offset`; runs of capitals are one word.
pub(super) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let after_small =
            index > 0 && letters.get(index - 1).is_some_and(|before| !before.is_ascii_uppercase());
        let before_small = letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && index > 0 && (after_small || before_small) {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        assert_eq!(snake_case("LogAppendTimeMs"), "log_append_time_ms");
        assert_eq!(snake_case("ACLOperations"), "acl_operations");
        assert_eq!(snake_case("timeoutMs"), "timeout_ms");
    }
}
