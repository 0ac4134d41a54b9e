//! What the generated messages are written with.

pub(super) use std::ops::RangeInclusive;

pub(super) use bytes::Bytes;
pub(super) use uuid::Uuid;

pub(super) use super::ApiKey;
pub(super) use crate::{
    codec::{DecodeError, Decoder, EncodeError, Encoder, Struct},
    error_code::ErrorCode,
    message::{Message, Request, Response},
    records::Records,
};
