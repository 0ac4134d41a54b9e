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
    /// Reads a request body and writes it again.
    pub rewrite_request: Rewrite,
    /// Reads a response body and writes it again.
    pub rewrite_response: Rewrite,
}

/// Reads a body in a version and writes what was read in the same version.
pub type Rewrite = fn(&Bytes, i16) -> Result<Result<Frame, EncodeError>, DecodeError>;

impl Schema {
    /// The API of a request type.
    pub(crate) const fn of<R: Request>(name: &'static str) -> Self {
        Self {
            key: R::KEY,
            name,
            versions: R::VERSIONS,
            flexible_since: R::FLEXIBLE_SINCE,
            rewrite_request: rewrite::<R>,
            rewrite_response: rewrite::<R::Response>,
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

fn rewrite<M: Message>(body: &Bytes, version: i16) -> Result<Result<Frame, EncodeError>, DecodeError> {
    let message = M::from_body(body, version)?;
    Ok(message.write_body(Vec::new(), version).map(|(bytes, inserts)| Frame::of_parts(bytes, inserts)))
}
