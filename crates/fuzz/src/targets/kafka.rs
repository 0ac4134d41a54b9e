//! What a Kafka connection receives: frames, headers, and the bodies of every API, version and side.

use bytes::Bytes;
use kafka_wire::{
    FrameReader, Incoming,
    messages::SCHEMAS,
    schema::{Body, Schema},
};

use super::outcome::Outcome;
use crate::{Limits, Target, nothing_to_repair};

/// Messages of every API, version and side, as another codec wrote them.
const GOLDENS: &str = include_str!("../../../kafka-wire/tests/golden/messages.txt");

/// Longest frame here.
const FRAME_BYTES_MAX: usize = 16 << 10;

pub(super) const BODIES: Target = Target {
    name: "kafka_bodies",
    about: "reads request and response bodies of every API and version",
    seeds: bodies,
    repair: nothing_to_repair,
    run: |input| body(input, check),
    // What decoding may take, and the copy of the body that is decoded here.
    limits: Limits { heap_per_input_byte: Limits::DECODE.heap_per_input_byte + 1, ..Limits::DECODE },
};

pub(super) const REWRITE: Target = Target {
    name: "kafka_rewrite",
    about: "reads bodies and writes what was read, which must be read as the same again",
    seeds: bodies,
    repair: nothing_to_repair,
    run: |input| body(input, rewrite),
    limits: Limits { heap_per_input_byte: 16, ..Limits::DECODE },
};

pub(super) const CONNECTION: Target = Target {
    name: "kafka_connection",
    about: "cuts frames out of what a connection receives, in reads of any size, and reads the headers",
    seeds: requests,
    repair: |input| repair(input),
    run: connection,
    limits: Limits { heap_per_input_byte: 6, ..Limits::DECODE },
};

/// An input is an index of the API, a version, a side, and a body.
fn body(input: &[u8], run: impl FnOnce(&Body, i16, &Bytes, &mut Outcome)) -> u64 {
    let mut outcome = Outcome::default();
    let Some(([api, version, side], bytes)) = input.split_first_chunk() else { return 0 };
    let Some(schema) = SCHEMAS.get(usize::from(*api) % SCHEMAS.len()) else { return 0 };
    let body = if side & 1 == 0 { &schema.request } else { &schema.response };
    // Now and then a version that does not exist.
    let version = i16::from(*version) % (schema.versions.end() + 2);
    outcome.add((body.name, version));
    run(body, version, &Bytes::copy_from_slice(bytes), &mut outcome);
    outcome.finish()
}

fn check(body: &Body, version: i16, bytes: &Bytes, outcome: &mut Outcome) {
    match (body.check)(bytes, version) {
        Ok(()) => outcome.add("read"),
        Err(error) => outcome.add_message(&error.to_string()),
    }
}

fn rewrite(body: &Body, version: i16, bytes: &Bytes, outcome: &mut Outcome) {
    let rewritten = |bytes| {
        (body.rewrite)(bytes, version).map(|frame| {
            let frame = frame.expect("what was read in a version can be written in it");
            frame.into_bytes().expect("nothing that was read is deferred")
        })
    };
    match rewritten(bytes) {
        Ok(once) => {
            outcome.add_count(once.len());
            assert_eq!(rewritten(&once), Ok(once), "{} v{version}: read differently", body.name);
        }
        Err(error) => outcome.add_message(&error.to_string()),
    }
}

/// The first byte says how much each read brings.
fn connection(input: &[u8]) -> u64 {
    let mut outcome = Outcome::default();
    let Some((step, mut rest)) = input.split_first() else { return 0 };
    let mut reader = FrameReader::new(FRAME_BYTES_MAX);
    while !rest.is_empty() {
        let (read, after) = rest.split_at(rest.len().min(usize::from(*step) + 1));
        rest = after;
        match reader.push(read) {
            Ok(frames) => frames.iter().for_each(|frame| request(frame, &mut outcome)),
            Err(error) => {
                outcome.add_message(&error.to_string());
                break;
            }
        }
    }
    outcome.add_count(reader.pending_bytes());
    outcome.finish()
}

fn request(frame: &Bytes, outcome: &mut Outcome) {
    match Incoming::read(frame) {
        Ok(Incoming::Request { header, body }) => {
            outcome.add((header.key, header.version, header.client_id.is_some()));
            check(&header.key.schema().request, header.version, &body, outcome);
        }
        Ok(Incoming::UnsupportedApiVersions { .. }) => outcome.add("newer"),
        Err(error) => outcome.add_message(&error.to_string()),
    }
}

fn goldens() -> impl Iterator<Item = (u8, &'static Schema, u8, bool, Vec<u8>)> {
    GOLDENS.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let (index, schema) = (0_u8..).zip(SCHEMAS).find(|(_, schema)| schema.name == name)?;
        let version = words.next()?.parse().ok()?;
        let is_request = words.next()? == "request";
        Some((index, schema, version, is_request, hex(words.next().unwrap_or_default())))
    })
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

fn bodies() -> Vec<Vec<u8>> {
    goldens()
        .map(|(index, _, version, is_request, body)| {
            [&[index, version, u8::from(!is_request)][..], &body].concat()
        })
        .collect()
}

/// One request of each version of each API, alone; and several in one input.
fn requests() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = goldens()
        .filter(|(_, _, _, is_request, _)| *is_request)
        .map(|(_, schema, version, _, body)| {
            let mut header = (schema.key as i16).to_be_bytes().to_vec();
            header.extend([0, version, 0, 0, 0, 7, 0, 1, b'c']);
            header.extend(schema.key.is_flexible(version.into()).then_some(0));
            let frame = [header, body].concat();
            let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            [&[200][..], &length.to_be_bytes(), &frame].concat()
        })
        .collect();
    let several = inputs.iter().take(8).flat_map(|input| input.iter().skip(1)).copied().collect::<Vec<u8>>();
    inputs.push([&[3][..], &several].concat());
    inputs
}

/// The length of the first frame is made to fit; it takes all bytes there are.
fn repair(input: &mut [u8]) {
    let length = u32::try_from(input.len().saturating_sub(5)).unwrap_or(u32::MAX);
    super::batch::put(input, 1, &length.to_be_bytes());
}
