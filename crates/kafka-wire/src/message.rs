//! What every generated message is: a body with a key and versions. And how one is read from its bytes.

use std::{fmt, ops::RangeInclusive};

use bytes::Bytes;

use crate::{
    codec::{DecodeError, DecodeProblem, Decoder, EncodeError, Encoder, Insert, Struct},
    messages::ApiKey,
};

/// The body of a request or a response.
pub trait Message: Struct + Default + Clone + PartialEq + fmt::Debug {
    /// The API it belongs to.
    const KEY: ApiKey;
    /// Kafka's name of the message.
    const NAME: &'static str;
    /// The versions that can be read and written. What the broker serves is in [`crate::registry`].
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version (KIP-482); above the highest if there is none.
    const FLEXIBLE_SINCE: i16;

    /// Reads a whole body. What follows the message is left alone, as Kafka leaves it: librdkafka 2.16 writes three
    /// zero bytes too many when it asks for the metadata of all topics.
    ///
    /// # Errors
    /// If `body` is not this message in `version`, or would take more memory than its size allows. Kafka closes the
    /// connection then.
    fn from_body(body: &Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(body, Self::NAME, version, version >= Self::FLEXIBLE_SINCE);
        if !Self::VERSIONS.contains(&version) {
            let (min, max) = Self::VERSIONS.into_inner();
            return Err(decoder.error("ApiVersion", DecodeProblem::Version { min, max }));
        }
        Self::decode(&mut decoder)
    }

    /// Appends the body to `bytes`. Records stay outside, as inserts.
    ///
    /// # Errors
    /// If `version` cannot carry a value of the message.
    fn write_body(&self, bytes: Vec<u8>, version: i16) -> Result<(Vec<u8>, Vec<Insert>), EncodeError> {
        let mut encoder = Encoder::new(bytes, Self::NAME, version, version >= Self::FLEXIBLE_SINCE);
        if !Self::VERSIONS.contains(&version) {
            return Err(encoder.error("ApiVersion", "the message is not known in this version"));
        }
        self.encode(&mut encoder)?;
        Ok(encoder.finish())
    }
}

/// The body of a request.
pub trait Request: Message {
    /// What answers it.
    type Response: Response;
}

/// The body of a response.
pub trait Response: Message {}
