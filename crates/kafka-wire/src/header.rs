//! Request and response headers, written by hand: they must be readable when the rest of a request is not.

use bytes::Bytes;

use crate::{
    codec::{DecodeError, Decoder, EncodeError, Encoder, Insert},
    frame::Frame,
    message::{Message, Request, Response},
    messages::ApiKey,
    registry,
};

/// Bytes of the length in front of a frame.
const FRAME_LENGTH_BYTES: usize = 4;

/// The first eight bytes of a request, which every version of every API has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// Number of the API; perhaps unknown to us.
    pub api_key: i16,
    /// Version of the API; perhaps unknown to us.
    pub api_version: i16,
    /// Chosen by the client, returned in the response.
    pub correlation_id: i32,
}

impl Peek {
    /// Reads the beginning of a frame (without its length). `None` if the frame is shorter than that.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let (key, rest) = frame.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (correlation_id, _) = rest.split_first_chunk()?;
        Some(Self {
            api_key: i16::from_be_bytes(*key),
            api_version: i16::from_be_bytes(*version),
            correlation_id: i32::from_be_bytes(*correlation_id),
        })
    }
}

/// A request header, version 1 or 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API.
    pub key: ApiKey,
    /// Version of the API, and of the body.
    pub version: i16,
    /// Chosen by the client, returned in the response.
    pub correlation_id: i32,
    /// Name that the client gives itself; for logs and quotas.
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Reads the header of a frame whose key and version are known, and gives the body that follows.
    ///
    /// # Errors
    /// If the frame is not such a header.
    pub(crate) fn read(frame: &Bytes, key: ApiKey, flexible: bool) -> Result<(Self, Bytes), DecodeError> {
        // The client id is a plain string in every version, so that it can be read before anything else.
        let mut decoder = Decoder::new(frame, "RequestHeader", 1, false);
        let _api_key: i16 = decoder.read("RequestApiKey")?;
        let version = decoder.read("RequestApiVersion")?;
        let correlation_id = decoder.read("CorrelationId")?;
        let client_id = decoder.read("ClientId")?;
        let mut body = decoder.into_rest();
        if flexible {
            let mut decoder = Decoder::new(&body, "RequestHeader", 2, true);
            decoder.skip_tags()?;
            body = decoder.into_rest();
        }
        Ok((Self { key, version, correlation_id, client_id }, body))
    }

    /// Appends the header to `bytes`.
    ///
    /// # Errors
    /// If the client id is too long.
    pub(crate) fn write(&self, bytes: Vec<u8>, flexible: bool) -> Result<Vec<u8>, EncodeError> {
        let mut encoder = Encoder::new(bytes, "RequestHeader", 1, false);
        encoder.write("RequestApiKey", &(self.key as i16))?;
        encoder.write("RequestApiVersion", &self.version)?;
        encoder.write("CorrelationId", &self.correlation_id)?;
        encoder.write("ClientId", &self.client_id)?;
        let (mut bytes, _) = encoder.finish();
        if flexible {
            bytes.push(0);
        }
        Ok(bytes)
    }
}

/// Whether responses of an API version have tagged fields in their header (version 1) or not (version 0).
///
/// ApiVersions never has: a client that asks for too new a version must be able to read the answer (KIP-511).
pub(crate) fn response_header_is_flexible(key: ApiKey, flexible: bool) -> bool {
    flexible && key != ApiKey::ApiVersions
}

/// A request as far as it can be understood without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A request of an API and version that the broker serves.
    Request {
        /// Its header.
        header: RequestHeader,
        /// Its body: [`crate::Message::from_body`].
        body: Bytes,
    },
    /// An ApiVersions request of a version that the broker does not serve: to be answered in version 0 with
    /// UNSUPPORTED_VERSION and the versions that are served (KIP-511).
    UnsupportedApiVersions {
        /// To be returned in the response.
        correlation_id: i32,
    },
}

/// A frame that is not a request we serve. Kafka closes the connection on any of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncomingError {
    /// Too short for any request.
    #[error("a request of {length} bytes; the shortest has 8")]
    TooShort {
        /// Bytes of the frame.
        length: usize,
    },
    /// An API that is not served.
    #[error("API key {api_key} is not served")]
    Key {
        /// Its number.
        api_key: i16,
    },
    /// A version that is not served.
    #[error("{} v{version} is not served: {min} to {max} are", .key.name())]
    Version {
        /// The API.
        key: ApiKey,
        /// The version asked for.
        version: i16,
        /// Lowest that is answered.
        min: i16,
        /// Highest that is answered.
        max: i16,
    },
    /// The header cannot be read.
    #[error(transparent)]
    Header(#[from] DecodeError),
}

impl Incoming {
    /// Reads the header of a frame.
    ///
    /// # Errors
    /// If the connection must be closed.
    pub fn read(frame: &Bytes) -> Result<Self, IncomingError> {
        let peek = Peek::of(frame).ok_or(IncomingError::TooShort { length: frame.len() })?;
        let Peek { api_key, api_version: version, correlation_id } = peek;
        let served = registry::find(api_key).ok_or(IncomingError::Key { api_key })?;
        let key = served.key;
        if !served.answered.contains(&version) {
            if key == ApiKey::ApiVersions {
                return Ok(Self::UnsupportedApiVersions { correlation_id });
            }
            let (min, max) = served.answered.clone().into_inner();
            return Err(IncomingError::Version { key, version, min, max });
        }
        let (header, body) = RequestHeader::read(frame, key, key.is_flexible(version))?;
        Ok(Self::Request { header, body })
    }
}

/// The frame of a response.
///
/// # Errors
/// If `version` cannot carry a value of the response.
pub fn encode_response<R: Response>(
    correlation_id: i32,
    version: i16,
    response: &R,
) -> Result<Frame, EncodeError> {
    let mut bytes = frame_start();
    bytes.extend_from_slice(&correlation_id.to_be_bytes());
    if response_header_is_flexible(R::KEY, version >= R::FLEXIBLE_SINCE) {
        bytes.push(0);
    }
    let (bytes, inserts) = response.write_body(bytes, version)?;
    finish_frame::<R>(bytes, inserts, version)
}

/// The frame of a request.
///
/// # Errors
/// If `version` cannot carry a value of the request.
pub fn encode_request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &R,
) -> Result<Frame, EncodeError> {
    let header =
        RequestHeader { key: R::KEY, version, correlation_id, client_id: client_id.map(str::to_owned) };
    let bytes = header.write(frame_start(), version >= R::FLEXIBLE_SINCE)?;
    let (bytes, inserts) = request.write_body(bytes, version)?;
    finish_frame::<R>(bytes, inserts, version)
}

/// The correlation id and the body in a frame that answers a request of type `R` and `version`.
///
/// # Errors
/// If the frame is not such a response.
pub fn decode_response<R: Request>(frame: &Bytes, version: i16) -> Result<(i32, R::Response), DecodeError> {
    let flexible = response_header_is_flexible(R::KEY, version >= R::FLEXIBLE_SINCE);
    let mut header = Decoder::new(frame, "ResponseHeader", i16::from(flexible), flexible);
    let correlation_id = header.read("CorrelationId")?;
    header.skip_tags()?;
    let body = header.into_rest();
    Ok((correlation_id, R::Response::from_body(&body, version)?))
}

/// The place of a frame's length.
fn frame_start() -> Vec<u8> {
    vec![0; FRAME_LENGTH_BYTES]
}

fn finish_frame<M: Message>(
    mut bytes: Vec<u8>,
    inserts: Vec<Insert>,
    version: i16,
) -> Result<Frame, EncodeError> {
    let records: usize = inserts.iter().map(|insert| insert.records.len()).sum();
    let length = i32::try_from(bytes.len() - FRAME_LENGTH_BYTES + records).map_err(|_| EncodeError {
        message: M::NAME,
        version,
        field: "frame",
        problem: "the frame is longer than 2 GiB",
    })?;
    if let Some(place) = bytes.first_chunk_mut() {
        *place = length.to_be_bytes();
    }
    Ok(Frame::of_parts(bytes, inserts))
}
