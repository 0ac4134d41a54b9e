//! Why bytes are not a message, or a message cannot be written in a version.

use std::fmt;

/// Bytes that are not the message they should be. Kafka closes the connection on any of these.
///
/// Boxed, so that the results of the many small reads stay small.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} v{version}, field {field}: {problem}")]
pub struct DecodeError {
    /// Message, as Kafka's schema names it.
    pub message: &'static str,
    /// Version that the message was read as.
    pub version: i16,
    /// Field, as Kafka's schema names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Box<DecodeProblem>,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeProblem {
    /// The message is not known in this version.
    #[error("version is outside of {min}..={max}")]
    Version {
        /// Lowest known version.
        min: i16,
        /// Highest known version.
        max: i16,
    },
    /// The bytes end inside of the field.
    #[error("{needed} bytes needed, {left} left")]
    Truncated {
        /// Bytes that the field takes.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// An array announces more elements than bytes are left; every element takes at least one.
    #[error("{count} elements announced, {left} bytes left")]
    Count {
        /// Announced number of elements.
        count: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// The message would take more memory than its size allows: see [`super::MEMORY_PER_INPUT_BYTE`].
    #[error("{needed} bytes of memory needed, {left} of the allowance for this message left")]
    Memory {
        /// Bytes of memory for this field.
        needed: usize,
        /// What is left of the allowance.
        left: usize,
    },
    /// A length below -1, or above what the type may have.
    #[error("length {length} is outside of 0..={max}")]
    Length {
        /// Announced length.
        length: i64,
        /// Longest allowed.
        max: i64,
    },
    /// Null where the version has no null.
    #[error("null is not allowed")]
    Null,
    /// A varint of more than 5 bytes or 32 bits.
    #[error("varint is longer than 32 bits")]
    Varint,
    /// A string that is not UTF-8.
    #[error("byte {at} is not UTF-8")]
    Utf8 {
        /// Position in the string.
        at: usize,
    },
    /// Neither null nor present.
    #[error("presence marker is {marker}, not -1 or 1")]
    Presence {
        /// The marker found.
        marker: i8,
    },
    /// Bytes after the end of the message or of a tagged field.
    #[error("{left} bytes left over")]
    Trailing {
        /// Bytes that nothing reads.
        left: usize,
    },
}

/// A value that a version cannot carry. It is a mistake of the sender, that is: of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError {
    /// Message, as Kafka's schema names it.
    pub message: &'static str,
    /// Version that the message was written as.
    pub version: i16,
    /// Field, as Kafka's schema names it.
    pub field: &'static str,
    /// Why the value does not fit.
    pub problem: &'static str,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}, field {}: {}", self.message, self.version, self.field, self.problem)
    }
}

impl std::error::Error for EncodeError {}
