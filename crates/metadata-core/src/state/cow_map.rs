//! An ordered map whose clones share everything until one of them changes.
//!
//! A B-tree of two levels: a list of chunks, each a sorted run of entries. A clone copies one pointer. The first
//! change after it copies the list of chunks and the one chunk that is changed; later changes copy a chunk only
//! if it is still shared. At 100,000 entries that is 3,000 pointers once per snapshot, and 64 entries per chunk.

use std::{borrow::Borrow, sync::Arc};

/// A chunk that would grow beyond this is split in two.
const CHUNK_MAX: usize = 64;

type Chunk<K, V> = Vec<(K, V)>;

/// See the module. Keys are ordered as their borrowed forms are, which [`Borrow`] demands.
#[derive(Debug, Clone)]
pub(crate) struct CowMap<K, V> {
    /// No chunk is empty; the keys of each are below those of the next.
    chunks: Arc<Vec<Arc<Chunk<K, V>>>>,
    /// Entries in all chunks.
    len: usize,
}

impl<K, V> Default for CowMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for CowMap<K, V> {
    /// Equal entries, however they are cut into chunks.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self.chunks.iter().flat_map(|c| c.iter()).eq(other.chunks.iter().flat_map(|c| c.iter()))
    }
}

impl<K: Ord + Clone, V: Clone> CowMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let at = chunk.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        chunk.get(at).map(|(_, value)| value)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The value to change in place. A chunk that is shared is copied even if the caller then changes nothing.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let which = self.chunk_of(key);
        let at = self.chunks.get(which)?.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(which)?;
        Arc::make_mut(chunk).get_mut(at).map(|(_, value)| value)
    }

    /// Sets a value and returns the one it replaces.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let which = self.chunk_of(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        // A key above all others belongs at the end of the last chunk.
        let which = which.min(chunks.len().saturating_sub(1));
        let Some(shared) = chunks.get_mut(which) else {
            chunks.push(Arc::new(vec![(key, value)]));
            self.len = 1;
            return None;
        };
        let chunk = Arc::make_mut(shared);
        match chunk.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => chunk.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                chunk.insert(at, (key, value));
                self.len += 1;
                if chunk.len() > CHUNK_MAX {
                    let upper = chunk.split_off(chunk.len() / 2);
                    chunks.insert(which + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Takes a value out.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let which = self.chunk_of(key);
        let at = self.chunks.get(which)?.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(chunks.get_mut(which)?);
        let (_, value) = chunk.remove(at);
        self.len -= 1;
        if chunk.is_empty() {
            chunks.remove(which);
        }
        Some(value)
    }

    /// The entry with the lowest key.
    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the greatest key.
    pub(crate) fn last(&self) -> Option<(&K, &V)> {
        self.chunks.last()?.last().map(|(key, value)| (key, value))
    }

    /// Takes the entry with the lowest key out.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        let key = self.first()?.0.clone();
        self.remove(&key).map(|value| (key, value))
    }

    /// All entries, in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// All keys, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entries from `start` on, in order.
    pub(crate) fn range_from<Q: Ord + ?Sized>(&self, start: &Q) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let which = self.chunk_of(start);
        let skip =
            self.chunks.get(which).map_or(0, |chunk| chunk.partition_point(|(k, _)| k.borrow() < start));
        let chunks = self.chunks.get(which..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value))).skip(skip)
    }

    /// The chunk that holds `key` if any does: the first whose greatest key is not below it.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|(greatest, _)| greatest.borrow() < key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(map: &CowMap<u16, u32>, model: &BTreeMap<u16, u32>) {
        assert_eq!(map.len(), model.len());
        assert!(map.iter().eq(model.iter()));
        assert_eq!(map.first(), model.first_key_value());
        assert_eq!(map.last(), model.last_key_value());
        assert!(map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_MAX));
    }

    proptest! {
        /// Does what `BTreeMap` does, and leaves a clone taken on the way as it was.
        #[test]
        fn behaves_as_a_map(
            steps in prop::collection::vec((0_u8..4, 0_u16..600, any::<u32>()), 0..1_500),
            clone_at in 0_usize..1_500,
        ) {
            let (mut map, mut model) = (CowMap::default(), BTreeMap::new());
            let mut earlier = (map.clone(), model.clone());
            for (step, (action, key, value)) in steps.into_iter().enumerate() {
                if step == clone_at {
                    earlier = (map.clone(), model.clone());
                }
                match action {
                    0 if key == 0 => prop_assert_eq!(map.pop_first(), model.pop_first()),
                    0 | 1 => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    2 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    _ => prop_assert_eq!(map.get_mut(&key), model.get_mut(&key)),
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert!(map.range_from(&key).eq(model.range(key..)));
            }
            check(&map, &model);
            check(&earlier.0, &earlier.1);
        }
    }
}
