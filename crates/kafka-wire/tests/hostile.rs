//! Hostile lengths: whatever a body announces, reading it takes at most 4 bytes of memory for each of its bytes and
//! 1 MiB. Longer than the fuzz targets' inputs, so that a few bytes of wire for a large structure would show.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

use bytes::Bytes;
use kafka_wire::{
    codec::{MEMORY_ALLOWANCE_BYTES, MEMORY_PER_INPUT_BYTE},
    messages::SCHEMAS,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static METER: PeakAlloc = PeakAlloc;

/// Zeros after the announcement: they make as many empty elements as possible.
const BODY_BYTES: usize = 256 << 10;

/// Lengths in front of the zeros, as plain and as flexible versions write them.
const LENGTHS: [&[u8]; 8] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x00, 0x0f, 0xff, 0xf0],
    &[0x00, 0x01, 0x00, 0x00],
    &[0x80, 0x00, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0x3f],
    &[0x80, 0x80, 0x10],
    &[0xff, 0xff, 0xff, 0xff, 0xff],
];

/// Fields before the first array take at most this many bytes of zeros.
const OFFSET_MAX: usize = 40;

// One test, as the meter is the whole process's.
#[test]
fn no_announced_length_takes_more_memory_than_the_body_explains() {
    let bound = BODY_BYTES * MEMORY_PER_INPUT_BYTE + MEMORY_ALLOWANCE_BYTES;
    let mut most = 0;
    for schema in SCHEMAS {
        for version in [*schema.versions.start(), *schema.versions.end()] {
            for body in [&schema.request, &schema.response] {
                for (offset, length) in (0..OFFSET_MAX).flat_map(|at| LENGTHS.map(|length| (at, length))) {
                    let mut bytes = vec![0; BODY_BYTES];
                    bytes[offset..offset + length.len()].copy_from_slice(length);
                    let bytes = Bytes::from(bytes);
                    METER.reset_peak_usage();
                    let before = METER.current_usage();
                    let _ = (body.check)(&bytes, version);
                    let taken = METER.peak_usage() - before;
                    assert!(
                        taken <= bound,
                        "{} v{version}: {taken} bytes, {length:02x?} at {offset}",
                        body.name
                    );
                    most = most.max(taken);
                }
            }
        }
    }
    // The bound was reached, so that it is what held.
    assert!(most > bound / 2, "{most} bytes at most");
}
