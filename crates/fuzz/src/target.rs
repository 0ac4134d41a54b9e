//! What is fuzzed.

/// A function that takes any bytes, and what the runner must know of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line, in snake_case.
    pub name: &'static str,
    /// What it does with the bytes, in a sentence.
    pub about: &'static str,
    /// Good inputs to begin with. Made by code, so that they follow the formats.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes checksums fit again after a mutation: half of the inputs go through it, since without it no mutation
    /// would ever be looked at behind the first checksum.
    pub repair: fn(&mut Vec<u8>),
    /// Does it. Panics if something is not as it should be. The number says roughly what happened: an input that
    /// makes something new happen is kept, and mutated further.
    pub run: fn(&[u8]) -> u64,
    /// What it may cost.
    pub limits: Limits,
}

/// What one execution may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of heap per byte of input.
    pub heap_per_input_byte: usize,
    /// Bytes of heap on top of that.
    pub heap_bytes: usize,
}

impl Limits {
    /// The goal for everything that is decoded before it is known whom it comes from.
    pub const DECODE: Self = Self { heap_per_input_byte: 4, heap_bytes: 1 << 20 };

    /// The bound for an input of this length.
    pub fn heap_for(&self, input_bytes: usize) -> usize {
        self.heap_per_input_byte.saturating_mul(input_bytes).saturating_add(self.heap_bytes)
    }
}

/// For targets without checksums.
pub fn nothing_to_repair(_: &mut Vec<u8>) {}
