//! What is known of an API as data, for code that handles all of them alike: headers, tests, fuzzing.

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{
    codec::{DecodeError, EncodeError},
    frame::Frame,
    message::{Message, Request},
    messages::{ApiKey, SCHEMAS},
};

/// One API.
#[derive(Debug)]
pub struct Schema {
    /// The API.
    pub key: ApiKey,
    /// Kafka's name of it.
    pub name: &'static str,
    /// The versions that can be read and written.
    pub versions: RangeInclusive<i16>,
    /// The first flexible version.
    pub flexible_since: i16,
    /// The request body.
    pub request: Body,
    /// The response body.
    pub response: Body,
}

/// A body of any type, from bytes to bytes.
#[derive(Debug)]
pub struct Body {
    /// Kafka's name of the message.
    pub name: &'static str,
    /// Reads a body in a version.
    pub check: fn(&Bytes, i16) -> Result<(), DecodeError>,
    /// Reads a body in a version and writes what was read in the same version.
    pub rewrite: fn(&Bytes, i16) -> Result<Rewritten, DecodeError>,
}

/// The body that was written.
pub type Rewritten = Result<Frame, EncodeError>;

impl Schema {
    /// The API of a request type.
    pub(crate) const fn of<R: Request>(name: &'static str) -> Self {
        Self {
            key: R::KEY,
            name,
            versions: R::VERSIONS,
            flexible_since: R::FLEXIBLE_SINCE,
            request: Body::of::<R>(),
            response: Body::of::<R::Response>(),
        }
    }

    /// The API with a number, if it has messages here.
    pub fn find(api_key: i16) -> Option<&'static Self> {
        let index = SCHEMAS.binary_search_by_key(&api_key, |schema| schema.key as i16).ok()?;
        SCHEMAS.get(index)
    }
}

impl ApiKey {
    /// What is known of the API.
    pub fn schema(self) -> &'static Schema {
        Schema::find(self as i16).expect("every key has a row in the table")
    }

    /// Kafka's name of the API.
    pub fn name(self) -> &'static str {
        self.schema().name
    }

    /// Whether a version of the API is flexible (KIP-482).
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.schema().flexible_since
    }
}

impl Body {
    const fn of<M: Message>() -> Self {
        Self { name: M::NAME, check: check::<M>, rewrite: rewrite::<M> }
    }
}

fn check<M: Message>(body: &Bytes, version: i16) -> Result<(), DecodeError> {
    M::from_body(body, version).map(drop)
}

fn rewrite<M: Message>(body: &Bytes, version: i16) -> Result<Rewritten, DecodeError> {
    let message = M::from_body(body, version)?;
    Ok(message.write_body(Vec::new(), version).map(|(bytes, inserts)| Frame::of_parts(bytes, inserts)))
}
