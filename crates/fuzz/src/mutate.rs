//! Changing bytes as a fuzzer does: a few random edits at once.

use fastrand::Rng;

/// Most edits at once.
const EDITS_MAX: usize = 6;

/// Longest piece that is inserted, copied or removed in one edit.
const PIECE_BYTES_MAX: usize = 64;

/// Numbers at which parsers go wrong.
const NUMBERS: [i64; 14] = [
    0,
    1,
    -1,
    7,
    127,
    128,
    255,
    65_535,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    1 << 40,
    i64::MAX,
    i64::MIN,
];

/// Edits `bytes` in place; `other` is another input to take pieces from. Never longer than `len_max`.
pub fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8], len_max: usize) {
    for _ in 0..=rng.usize(..EDITS_MAX) {
        edit(rng, bytes, other);
    }
    bytes.truncate(len_max);
}

fn edit(rng: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        return bytes.extend_from_slice(piece(rng, other));
    }
    let at = rng.usize(..bytes.len());
    match rng.u8(..10) {
        0 | 1 => change(bytes, at, |byte| byte ^ (1 << rng.u8(..8))),
        2 => change(bytes, at, |_| rng.u8(..)),
        3 => change(bytes, at, |byte| byte.wrapping_add(if rng.bool() { 1 } else { 255 })),
        4 => number(rng, bytes, at),
        5 => bytes.truncate(at),
        6 => drop(bytes.drain(at..bytes.len().min(at + 1 + rng.usize(..PIECE_BYTES_MAX)))),
        7 => drop(bytes.splice(at..at, piece(rng, other).to_vec())),
        8 => {
            let copy = piece(rng, bytes).to_vec();
            drop(bytes.splice(at..at, copy));
        }
        _ => {
            let piece = piece(rng, other);
            for (to, from) in bytes.iter_mut().skip(at).zip(piece) {
                *to = *from;
            }
        }
    }
}

fn change(bytes: &mut [u8], at: usize, f: impl FnOnce(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = f(*byte);
    }
}

/// Writes a number over what is there, in one of the widths that formats use, big-endian.
fn number(rng: &mut Rng, bytes: &mut [u8], at: usize) {
    let len = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let number = match rng.u8(..4) {
        0 => len.wrapping_sub(i64::try_from(at).unwrap_or(0)).wrapping_add(rng.i64(-4..=4)),
        1 => rng.i64(0..=len),
        _ => rng.choice(NUMBERS).unwrap_or(0).wrapping_add(rng.i64(-1..=1)),
    };
    let width = rng.choice([1_usize, 2, 4, 8]).unwrap_or(4);
    let encoded = number.to_be_bytes();
    for (to, from) in bytes.iter_mut().skip(at).zip(encoded.iter().skip(encoded.len() - width)) {
        *to = *from;
    }
}

fn piece<'a>(rng: &mut Rng, from: &'a [u8]) -> &'a [u8] {
    if from.is_empty() {
        return &[0];
    }
    let start = rng.usize(..from.len());
    let end = from.len().min(start + 1 + rng.usize(..PIECE_BYTES_MAX));
    from.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_bytes_and_nothing_grows_past_the_limit() {
        let run = |seed| {
            let mut rng = Rng::with_seed(seed);
            let mut bytes = b"a good input".to_vec();
            for _ in 0..1_000 {
                mutate(&mut rng, &mut bytes, b"another one", 100);
                assert!(bytes.len() <= 100);
            }
            bytes
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
