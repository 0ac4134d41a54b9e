//! Reading bytes that a client made up. Nothing is allocated by an announced length.

/// What is left to read. Every read is `None` once it would go past the end.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.nullable_string()?
    }

    pub(super) fn nullable_string(&mut self) -> Option<Option<&'a str>> {
        let length = self.i16()?;
        if length == -1 {
            return Some(None);
        }
        let bytes = self.take(usize::try_from(length).ok()?)?;
        std::str::from_utf8(bytes).ok().map(Some)
    }

    pub(super) fn skip_nullable_bytes(&mut self) -> Option<()> {
        let length = self.i32()?;
        if length != -1 {
            self.take(usize::try_from(length).ok()?)?;
        }
        Some(())
    }

    /// An array; each item takes at least one byte, so a huge count ends early.
    pub(super) fn array<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.i32()?).ok()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }

    /// A topic and some of its partitions.
    pub(super) fn topic_partitions(&mut self) -> Option<(&'a str, Vec<i32>)> {
        Some((self.string()?, self.array(Self::i32)?))
    }
}
