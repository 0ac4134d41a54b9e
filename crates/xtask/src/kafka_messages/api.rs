//! One API: its request, its response, and the file that holds both.

use std::collections::BTreeSet;

use super::{
    schema::{CommonStruct, Field, Schema},
    structs::{self, Struct, snake_case},
    versions::Versions,
};

/// An API and its two messages.
pub(super) struct Api {
    pub(super) key: i16,
    pub(super) name: String,
    pub(super) module: String,
    request: Schema,
    response: Schema,
}

impl Api {
    pub(super) fn new(name: &str, request: Schema, response: Schema) -> Result<Self, String> {
        if request.api_key != response.api_key || request.flexible_versions != response.flexible_versions {
            return Err(format!("{name}: request and response disagree on key or flexible versions"));
        }
        Ok(Self { key: request.api_key, name: name.to_owned(), module: snake_case(name), request, response })
    }

    /// The versions that both messages have.
    fn versions(&self) -> Versions {
        self.request.valid_versions.and(self.response.valid_versions)
    }

    /// The file with both messages.
    pub(super) fn file(&self, kafka_version: &str) -> Result<String, String> {
        let versions = self.versions();
        let mut text = format!(
            "//! {} (API key {}), v{} to v{}.\n//!\n{}\nuse super::prelude::*;\n\n",
            self.name,
            self.key,
            versions.min,
            versions.max,
            notice(kafka_version),
        );
        let (request, response) = (self.names(&self.request), self.names(&self.response));
        // Where both sides have a structure of the same name, the side goes in front.
        let shared: BTreeSet<&str> = request.intersection(&response).copied().collect();
        for (schema, side) in [(&self.request, "Request"), (&self.response, "Response")] {
            let rename =
                |name: &str| if shared.contains(name) { format!("{side}{name}") } else { name.to_owned() };
            text += &message(self, schema, &rename)?;
        }
        Ok(text)
    }

    fn names<'a>(&self, schema: &'a Schema) -> BTreeSet<&'a str> {
        let mut names = BTreeSet::new();
        declared(&schema.fields, self.versions(), &mut |field, _, _| {
            names.insert(element(&field.kind));
        });
        names.extend(schema.common_structs.iter().map(|common| common.name.as_str()));
        names
    }
}

/// A message: its own structure, what makes it a message, and the structures that it is made of.
fn message(api: &Api, schema: &Schema, rename: &dyn Fn(&str) -> String) -> Result<String, String> {
    structures(schema, about(schema, api), api.versions(), rename, &trait_impls(api, schema))
}

/// The structure of a schema with its `traits`, and the structures that it is made of.
pub(super) fn structures(
    schema: &Schema,
    about: String,
    versions: Versions,
    rename: &dyn Fn(&str) -> String,
    traits: &str,
) -> Result<String, String> {
    let root = Struct { name: schema.name.clone(), about, versions, fields: &schema.fields };
    let mut text = structs::render(&root, rename)? + traits;
    let mut parts = Vec::new();
    let mut declare = |fields| {
        declared(fields, versions, &mut |field, versions, fields| {
            let name = rename(element(&field.kind));
            let role = if field.kind.starts_with("[]") { "An element of" } else { "What is in" };
            parts.push(Struct { name, about: format!("{role} `{}`.", field.name), versions, fields });
        });
    };
    declare(&schema.fields);
    for CommonStruct { fields, .. } in &schema.common_structs {
        declare(fields);
    }
    for CommonStruct { name, fields, .. } in &schema.common_structs {
        let about = format!("Part of [`{}`].", schema.name);
        parts.push(Struct { name: rename(name), about, versions, fields });
    }
    for part in &parts {
        text += &structs::render(part, rename)?;
    }
    Ok(text)
}

/// Calls `found` for every field that declares a structure, outer ones first, with the versions it is used in.
fn declared<'a>(
    fields: &'a [Field],
    outer: Versions,
    found: &mut impl FnMut(&'a Field, Versions, &'a [Field]),
) {
    for field in fields {
        if let Some(inner) = &field.fields {
            let versions = field.versions.and(outer);
            found(field, versions, inner);
            declared(inner, versions, found);
        }
    }
}

fn element(kind: &str) -> &str {
    kind.strip_prefix("[]").unwrap_or(kind)
}

fn about(schema: &Schema, api: &Api) -> String {
    let side = if schema.name.ends_with("Request") { "request" } else { "response" };
    format!("The {side} of {}.", api.name)
}

fn trait_impls(api: &Api, schema: &Schema) -> String {
    let Versions { min, max } = api.versions();
    let name = &schema.name;
    let flexible = schema.flexible_versions.min;
    let flexible = if flexible == i16::MAX { "i16::MAX".to_owned() } else { flexible.to_string() };
    let mut text = format!(
        "impl Message for {name} {{
            const KEY: ApiKey = ApiKey::{api};
            const NAME: &'static str = \"{name}\";
            const VERSIONS: RangeInclusive<i16> = {min}..={max};
            const FLEXIBLE_SINCE: i16 = {flexible};
        }}\n\n",
        api = api.name,
    );
    if name.ends_with("Request") {
        text += &format!("impl Request for {name} {{ type Response = {}Response; }}\n\n", api.name);
    } else {
        text += &format!("impl Response for {name} {{}}\n\n");
    }
    text
}

/// `messages/mod.rs`.
pub(super) fn modules(apis: &[Api], kafka_version: &str) -> String {
    let mut text = format!("//! The messages, one module for each API.\n//!\n{}\n", notice(kafka_version));
    text += "#![allow(clippy::field_reassign_with_default, reason = \"fields are read in order, some not in all versions\")]\n\n";
    for api in apis {
        text += &format!("pub mod {};\n", api.module);
    }
    text += "mod prelude;\nmod table;\n\n";
    for api in apis {
        text += &format!("pub use {}::{{{name}Request, {name}Response}};\n", api.module, name = api.name);
    }
    text + "pub use table::{ApiKey, SCHEMAS};\n"
}

/// `messages/table.rs`.
pub(super) fn table(apis: &[Api], kafka_version: &str) -> String {
    let mut text = format!(
        "//! The APIs that have messages.\n//!\n{}\nuse super::*;\nuse crate::schema::Schema;\n
        /// An API, by Kafka's number for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {{\n",
        notice(kafka_version)
    );
    for api in apis {
        text += &format!("/// {}, v{} to v{}.\n", api.name, api.versions().min, api.versions().max);
        text += &format!("{} = {},\n", api.name, api.key);
    }
    text += "}\n\n/// What is known of each API, in order of the keys.\npub static SCHEMAS: &[Schema] = &[\n";
    for api in apis {
        text += &format!("Schema::of::<{}Request>(\"{}\"),\n", api.name, api.name);
    }
    text + "];\n"
}

pub(super) fn notice(kafka_version: &str) -> String {
    format!(
        "//! Generated by `cargo xtask kafka-messages` from the message schemas of Apache Kafka {kafka_version} \
         (Apache License 2.0);\n//! do not edit.\n"
    )
}
