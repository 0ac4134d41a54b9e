//! What the generated records are written with.

pub(super) use std::ops::RangeInclusive;

pub(super) use bytes::Bytes;
pub(super) use uuid::Uuid;

pub(super) use crate::{
    codec::{DecodeError, Decoder, EncodeError, Encoder, Struct},
    group_record::{GroupRecordKey, GroupRecordValue},
};
