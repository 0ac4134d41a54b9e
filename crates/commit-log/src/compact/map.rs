//! The last offset of each key, in a fixed number of bytes.
//!
//! Keys are kept as hashes of 128 bits, so that the memory a key needs does not depend on its length, as in Kafka. Two
//! keys with the same hash would be taken for one, and the older one's record be lost. With the 5.6 million keys that
//! the default buffer holds, the chance of one such pair in a compaction is below 10^-25: less than that of a disk
//! error that no checksum notices. The hash is SipHash under a secret that is new for each map, so unlike with Kafka's
//! MD5 nobody can choose keys that collide.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::offset::Offset;

/// Bytes of an entry.
pub(crate) const ENTRY_BYTES: usize = size_of::<Slot>();

/// Most tenths of the slots that are used: probing stays short.
const FULL_TENTHS: usize = 9;

/// Hash, and offset plus 1; all 0 where it is empty.
type Slot = [u64; 3];

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct OffsetMap {
    slots: Vec<Slot>,
    used: usize,
    secrets: [RandomState; 2],
    /// Up to where records were entered.
    end: Offset,
}

impl OffsetMap {
    /// A map of at most `buffer_bytes`, and of no more than `keys_max` keys need. Records from `from` on are entered.
    pub(crate) fn new(buffer_bytes: usize, keys_max: usize, from: Offset) -> Self {
        let wanted = keys_max.saturating_mul(10) / FULL_TENTHS + 2;
        let slots = vec![[0; 3]; wanted.min(buffer_bytes / ENTRY_BYTES).max(2)];
        Self { slots, used: 0, secrets: [RandomState::new(), RandomState::new()], end: from }
    }

    /// Up to where records were entered: of later ones the map knows nothing.
    pub(crate) fn end(&self) -> Offset {
        self.end
    }

    /// Everything below `end` was entered.
    pub(crate) fn entered(&mut self, end: Offset) {
        self.end = self.end.max(end);
    }

    /// Whether there is room for so many more keys.
    pub(crate) fn has_room(&self, keys: usize) -> bool {
        self.used.saturating_add(keys) <= self.slots.len() * FULL_TENTHS / 10
    }

    /// Notes a record. Offsets come in rising order. `false` if the map is full, so that it was not noted.
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let Some(at) = self.find(key) else { return false };
        let (room, [high, low]) = (self.has_room(1), self.hash(key));
        let Some(slot) = self.slots.get_mut(at) else { return false };
        if slot[2] == 0 {
            if !room {
                return false;
            }
            self.used += 1;
        }
        *slot = [high, low, u64::try_from(offset.0).unwrap_or(0) + 1];
        true
    }

    /// The last offset of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slots.get(self.find(key)?)?;
        i64::try_from(slot[2].checked_sub(1)?).ok().map(Offset)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.secrets.each_ref().map(|secret| {
            let mut hasher = secret.build_hasher();
            hasher.write(key);
            hasher.finish()
        })
    }

    /// Where a key is, or would be.
    fn find(&self, key: &[u8]) -> Option<usize> {
        let [high, low] = self.hash(key);
        let len = self.slots.len();
        let first = usize::try_from(high % len as u64).unwrap_or(0);
        let (before, from) = self.slots.split_at_checked(first)?;
        let is_it = |slot: &Slot| slot[2] == 0 || (slot[0] == high && slot[1] == low);
        match from.iter().position(is_it) {
            Some(at) => Some(first + at),
            None => before.iter().position(is_it),
        }
    }
}
