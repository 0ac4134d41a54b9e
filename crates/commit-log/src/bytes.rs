//! Reading numbers from bytes that nobody vouches for: every length is checked against what is left.

/// What is left of a piece of bytes. Every `take` either gives all that was asked for or `None`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn take_slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    pub(crate) fn i8(&mut self) -> Option<i8> {
        self.take().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    /// A zigzag number of at most five bytes, as protocol buffers write `sint32`.
    pub(crate) fn varint(&mut self) -> Option<i32> {
        i32::try_from(self.varlong()?).ok()
    }

    /// A zigzag number of at most ten bytes.
    pub(crate) fn varlong(&mut self) -> Option<i64> {
        let mut raw = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            raw |= part << shift;
            if byte & 0x80 == 0 {
                #[allow(clippy::cast_possible_wrap, reason = "zigzag: the bit pattern is what is meant")]
                return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
            }
        }
        None
    }
}

/// Appends a zigzag number; the inverse of [`Reader::varlong`], and of [`Reader::varint`] for what fits.
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    #[allow(clippy::cast_sign_loss, reason = "zigzag: the bit pattern is what is meant")]
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    loop {
        #[allow(clippy::cast_possible_truncation, reason = "seven bits are taken at a time")]
        let low = (raw & 0x7f) as u8;
        raw >>= 7;
        if raw == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// A length as `usize`; `None` if it is negative.
pub(crate) fn length(value: i32) -> Option<usize> {
    usize::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_varlong_comes_back(value: i64) {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varlong(), Some(value));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_number_of_eleven_bytes_or_a_cut_one_is_refused() {
        assert_eq!(Reader::new(&[0xff; 11]).varlong(), None);
        assert_eq!(Reader::new(&[0xff; 3]).varlong(), None);
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x7f]).varint(), None, "35 bits are no int32");
    }
}
