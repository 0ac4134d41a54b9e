//! The four codecs. Decompression stops at a limit: a few bytes from a client must not become gigabytes here.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Read, Write},
};

use super::BatchError;
use crate::bytes::Reader;

/// Front of a stream in the framing of the Java snappy library, which Kafka's Java client writes.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];

/// Bytes behind the magic: two versions that no reader looks at.
const XERIAL_VERSIONS_BYTES: usize = 8;

/// Uncompressed bytes in one block of that framing.
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;

/// Largest window a zstd frame may ask for: 2^27 bytes, the library's own default bound.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How the records of a batch are compressed. The numbers are the wire's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// snappy: written in the Java library's framing, read in that and without framing.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard, RFC 8878 (KIP-110).
    Zstd,
}

impl Compression {
    /// From the lowest three bits of the attributes.
    pub fn from_code(code: i16) -> Result<Self, BatchError> {
        match code {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            other => Err(BatchError::Codec(other)),
        }
    }

    /// The wire's number.
    pub fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Compresses all of `plain`.
    pub(crate) fn compress(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        self.compress_at(plain, None)
    }

    /// Compresses all of `plain` with the codec's own level: 1 to 9 for gzip, -131072 to 22 for zstd. Others have none.
    /// `None`, and for gzip what is no level of it: the default.
    pub(crate) fn compress_at(self, plain: &[u8], level: Option<i32>) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(plain.to_vec()),
            Self::Gzip => {
                let level = level.and_then(|level| u32::try_from(level).ok()).filter(|level| *level <= 9);
                let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Snappy => compress_xerial(plain),
            Self::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(plain)?;
                Ok(encoder.finish()?)
            }
            Self::Zstd => zstd::stream::encode_all(plain, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)),
        }
    }

    /// Decompresses all of `packed`; an error past `limit` bytes of output, which are never allocated.
    pub(crate) fn decompress(self, packed: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, BatchError> {
        let failed = |error: io::Error| BatchError::Decompress { codec: self, reason: error.to_string() };
        let plain = match self {
            Self::None if packed.len() <= limit => return Ok(Cow::Borrowed(packed)),
            Self::None => return Err(BatchError::TooLarge { codec: self, limit }),
            Self::Gzip => read_capped(flate2::read::MultiGzDecoder::new(packed), limit).map_err(failed)?,
            Self::Snappy => return self.decompress_snappy(packed, limit).map(Cow::Owned),
            Self::Lz4 => read_capped(lz4_flex::frame::FrameDecoder::new(packed), limit).map_err(failed)?,
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(failed)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(failed)?;
                read_capped(decoder, limit).map_err(failed)?
            }
        };
        plain.map(Cow::Owned).ok_or(BatchError::TooLarge { codec: self, limit })
    }

    fn decompress_snappy(self, packed: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
        let failed = |reason: String| BatchError::Decompress { codec: self, reason };
        let mut plain = Vec::new();
        let mut block = |packed: &[u8]| {
            let error = |error: snap::Error| failed(error.to_string());
            let len = snap::raw::decompress_len(packed).map_err(error)?;
            if len > limit.saturating_sub(plain.len()) {
                return Err(BatchError::TooLarge { codec: self, limit });
            }
            let unpacked = snap::raw::Decoder::new().decompress_vec(packed).map_err(error)?;
            plain.extend_from_slice(&unpacked);
            Ok(())
        };
        if !packed.starts_with(&XERIAL_MAGIC) {
            block(packed)?;
            return Ok(plain);
        }
        let mut reader = Reader::new(packed);
        let cut = || failed("framing is cut".to_owned());
        reader.take_slice(XERIAL_MAGIC.len() + XERIAL_VERSIONS_BYTES).ok_or_else(cut)?;
        while !reader.is_empty() {
            let len = reader.i32().and_then(crate::bytes::length).ok_or_else(cut)?;
            block(reader.take_slice(len).ok_or_else(cut)?)?;
        }
        Ok(plain)
    }
}

/// `None` if there is more than `limit`.
fn read_capped(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut plain = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(bound).read_to_end(&mut plain)?;
    Ok((plain.len() <= limit).then_some(plain))
}

fn compress_xerial(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = XERIAL_MAGIC.to_vec();
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(XERIAL_BLOCK_BYTES) {
        let packed = encoder.compress_vec(block).map_err(io::Error::other)?;
        let len = i32::try_from(packed.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}
