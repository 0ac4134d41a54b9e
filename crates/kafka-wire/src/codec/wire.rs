//! The types that have a form on the wire.

use bytes::Bytes;
use uuid::Uuid;

use super::{DecodeError, DecodeProblem, Decoder, EncodeError, Encoder};
use crate::{error_code::ErrorCode, records::Records};

/// A type with a form on the wire. `Option` means that null is possible.
pub trait Wire: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// Names `field` and what is wrong.
    fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError>;

    /// Writes the value.
    ///
    /// # Errors
    /// If the version cannot carry it.
    fn write(&self, encoder: &mut Encoder, field: &'static str) -> Result<(), EncodeError>;
}

/// A structure: its fields in order, then its tagged fields. The generated messages are made of these.
pub trait Struct: Sized {
    /// Reads the fields that the decoder's version has.
    ///
    /// # Errors
    /// Those of the fields.
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// Writes the fields that the encoder's version has.
    ///
    /// # Errors
    /// Those of the fields.
    fn encode(&self, encoder: &mut Encoder) -> Result<(), EncodeError>;
}

impl<T: Struct> Wire for T {
    fn read(decoder: &mut Decoder<'_>, _field: &'static str) -> Result<Self, DecodeError> {
        T::decode(decoder)
    }

    fn write(&self, encoder: &mut Encoder, _field: &'static str) -> Result<(), EncodeError> {
        self.encode(encoder)
    }
}

/// A nullable structure begins with one byte: -1 for null, 1 otherwise (KIP-893).
impl<T: Struct> Wire for Option<T> {
    fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
        match i8::from_be_bytes(decoder.array(field)?) {
            -1 => Ok(None),
            1 => T::decode(decoder).map(Some),
            marker => Err(decoder.error(field, DecodeProblem::Presence { marker })),
        }
    }

    fn write(&self, encoder: &mut Encoder, _field: &'static str) -> Result<(), EncodeError> {
        let Some(value) = self else {
            encoder.array((-1_i8).to_be_bytes());
            return Ok(());
        };
        encoder.array(1_i8.to_be_bytes());
        value.encode(encoder)
    }
}

/// Numbers are big endian.
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            #[inline]
            fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
                Ok(Self::from_be_bytes(decoder.array(field)?))
            }

            #[inline]
            fn write(&self, encoder: &mut Encoder, _field: &'static str) -> Result<(), EncodeError> {
                encoder.array(self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}

numbers!(i8, i16, u16, i32, i64);

/// Any byte but 0 is true, as in Kafka.
impl Wire for bool {
    fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
        Ok(decoder.array(field)? != [0])
    }

    fn write(&self, encoder: &mut Encoder, _field: &'static str) -> Result<(), EncodeError> {
        encoder.array([u8::from(*self)]);
        Ok(())
    }
}

impl Wire for Uuid {
    fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self::from_bytes(decoder.array(field)?))
    }

    fn write(&self, encoder: &mut Encoder, _field: &'static str) -> Result<(), EncodeError> {
        encoder.array(self.into_bytes());
        Ok(())
    }
}

impl Wire for ErrorCode {
    fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
        i16::read(decoder, field).map(Self)
    }

    fn write(&self, encoder: &mut Encoder, field: &'static str) -> Result<(), EncodeError> {
        self.0.write(encoder, field)
    }
}

/// The type and its `Option`, which is what a method of decoder and encoder reads and writes.
macro_rules! nullable {
    ($(impl<$($of:ident)?> $type:ty, $method:ident, $borrow:expr;)*) => {$(
        impl<$($of: Wire)?> Wire for $type {
            fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
                match decoder.$method(field)? {
                    Some(value) => Ok(value),
                    None => Err(decoder.error(field, DecodeProblem::Null)),
                }
            }

            fn write(&self, encoder: &mut Encoder, field: &'static str) -> Result<(), EncodeError> {
                encoder.$method(Some($borrow(self)), field)
            }
        }

        impl<$($of: Wire)?> Wire for Option<$type> {
            fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
                decoder.$method(field)
            }

            fn write(&self, encoder: &mut Encoder, field: &'static str) -> Result<(), EncodeError> {
                encoder.$method(self.as_ref().map($borrow), field)
            }
        }
    )*};
}

nullable! {
    impl<> String, string, String::as_str;
    impl<> Bytes, bytes, AsRef::as_ref;
    impl<T> Vec<T>, vec, Vec::as_slice;
}

/// Null records are read as none, and never written: clients take them for an error (librdkafka).
impl Wire for Records {
    fn read(decoder: &mut Decoder<'_>, field: &'static str) -> Result<Self, DecodeError> {
        Ok(Self::Bytes(decoder.bytes(field)?.unwrap_or_default()))
    }

    fn write(&self, encoder: &mut Encoder, field: &'static str) -> Result<(), EncodeError> {
        encoder.records(self, field)
    }
}
