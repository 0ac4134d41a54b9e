//! Frames: cutting them out of a stream, and sending them in pieces.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

use bytes::{BufMut as _, Bytes};
use kafka_wire::{
    Frame, FrameError, FrameReader, Message as _, Piece, Records, decode_response, encode_request,
    encode_response,
    messages::{FetchRequest, FetchResponse, ProduceRequest, fetch, produce},
};
use proptest::prelude::*;

fn with_length(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut(
        sizes in prop::collection::vec(prop_oneof![0..40_usize, 4_000..4_200_usize, 0..60_000_usize], 0..8),
        reads in prop::collection::vec(1..9_000_usize, 1..20),
    ) {
        let bodies: Vec<Vec<u8>> = sizes.iter().zip(0_u8..).map(|(size, fill)| vec![fill; *size]).collect();
        let stream: Vec<u8> = bodies.iter().flat_map(|body| with_length(body)).collect();
        let mut reader = FrameReader::new(60_000);
        let (mut rest, mut frames) = (stream.as_slice(), Vec::new());
        for read in reads.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*read).min(rest.len()));
            rest = later;
            frames.extend(reader.push(now).unwrap());
        }
        prop_assert_eq!(frames, bodies);
        prop_assert_eq!(reader.pending_bytes(), 0);
    }
}

#[test]
fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
    let mut reader = FrameReader::new(100 << 20);
    assert_eq!(reader.push(&(100_u32 << 20).to_be_bytes()), Ok(vec![]));
    let mut received = 0;
    while received < 1 << 20 {
        let mut space = reader.space();
        let room = space.remaining_mut();
        assert!(room > 0 && received + room <= (4 * received).max(16 << 10), "{room} bytes after {received}");
        space.put_bytes(7, room.min(10_000));
        received += room.min(10_000);
        assert_eq!(reader.next_frame(), Ok(None));
    }
}

#[test]
fn a_frame_that_fills_its_buffer_exactly_is_complete() {
    let mut reader = FrameReader::new(1 << 20);
    for size in [4091, 4092, 4093, 16_384, 65_536] {
        let body = vec![1; size];
        assert_eq!(reader.push(&with_length(&body)), Ok(vec![Bytes::from(body)]), "{size}");
        assert!(reader.space().remaining_mut() > 0);
    }
}

#[test]
fn lengths_that_are_not_allowed_are_named() {
    let refuse = |length: i32| FrameReader::new(1000).push(&length.to_be_bytes()).unwrap_err();
    assert_eq!(refuse(-1), FrameError { length: -1, frame_bytes_max: 1000 });
    assert_eq!(refuse(1001).to_string(), "frame of 1001 bytes announced, allowed are 0 to 1000");
    let mut reader = FrameReader::new(1000);
    reader.set_frame_bytes_max(10);
    assert!(reader.push(&11_u32.to_be_bytes()).is_err());
}

fn fetch_response(records: Vec<Records>) -> FetchResponse {
    let partition = |records| fetch::PartitionData { records, ..fetch::PartitionData::default() };
    let topic = fetch::FetchableTopicResponse {
        partitions: records.into_iter().map(partition).collect(),
        ..fetch::FetchableTopicResponse::default()
    };
    FetchResponse { responses: vec![topic], ..FetchResponse::default() }
}

fn lengths(frame: &Frame) -> Vec<i64> {
    let length = |piece| match piece {
        Piece::Bytes(bytes) => bytes.len() as i64,
        Piece::Deferred(length) => -i64::from(length),
    };
    frame.pieces().into_iter().map(length).collect()
}

#[test]
fn records_are_sent_without_being_copied() {
    let records = Bytes::from(vec![7; 100_000]);
    let frame = encode_response(1, 17, &fetch_response(vec![records.clone().into()])).unwrap();
    let pieces = frame.pieces();
    let Piece::Bytes(sent) = &pieces[1] else { panic!() };
    assert_eq!((pieces.len(), sent.as_ptr()), (3, records.as_ptr()));
    // In one, they are where they belong.
    let whole = frame.clone().into_bytes().unwrap();
    assert_eq!(whole.len(), frame.len());
    assert_eq!(whole[..4], (whole.len() as u32 - 4).to_be_bytes());
    let (_, read) = decode_response::<FetchRequest>(&whole.slice(4..), 17).unwrap();
    let read = &read.responses[0].partitions[0].records;
    assert_eq!(read.bytes(), Some(&records));
    // And reading does not copy them either.
    assert!(whole.as_ptr_range().contains(&read.bytes().unwrap().as_ptr()));
}

#[test]
fn deferred_records_are_gaps_of_a_known_length() {
    for version in [4, 17] {
        let records =
            [Records::Deferred(5000), Records::default(), Records::Deferred(0), Records::Deferred(1)];
        let frame = encode_response(1, version, &fetch_response(records.to_vec())).unwrap();
        let gaps: Vec<i64> = lengths(&frame).into_iter().filter(|length| *length < 0).collect();
        assert_eq!(gaps, [-5000, -1]);
        assert_eq!(frame.len() as i64, lengths(&frame).iter().map(|length| length.abs()).sum::<i64>());
        // Filled by the sender, it is the frame of the same records in memory.
        let filled: Vec<u8> = frame.pieces().into_iter().fold(Vec::new(), |mut sent, piece| {
            match piece {
                Piece::Bytes(bytes) => sent.extend_from_slice(&bytes),
                Piece::Deferred(length) => sent.resize(sent.len() + length as usize, 9),
            }
            sent
        });
        let in_memory = [5000, 0, 0, 1].map(|length| Records::from(Bytes::from(vec![9; length])));
        let expected = encode_response(1, version, &fetch_response(in_memory.to_vec())).unwrap();
        assert_eq!(expected.into_bytes().unwrap(), filled);
        assert_eq!(frame.into_bytes(), None);
    }
}

#[test]
fn records_in_several_pieces_are_sent_as_they_are() {
    for size in [100, 5000] {
        let batches: Vec<Bytes> = (0..3).map(|fill| Bytes::from(vec![fill; size])).collect();
        let frame = encode_response(1, 17, &fetch_response(vec![batches.clone().into()])).unwrap();
        let one =
            encode_response(1, 17, &fetch_response(vec![Bytes::from(batches.concat()).into()])).unwrap();
        assert_eq!(frame.pieces().len(), if size == 100 { 1 } else { 5 });
        assert_eq!(frame.len(), one.len());
        assert_eq!(frame.into_bytes(), one.into_bytes());
    }
}

#[test]
fn short_records_do_not_become_pieces() {
    let frame = encode_response(1, 17, &fetch_response(vec![Bytes::from(vec![7; 1024]).into()])).unwrap();
    assert_eq!(frame.pieces().len(), 1);
}

#[test]
fn null_records_are_read_as_none_and_never_written() {
    let data = produce::PartitionProduceData::default();
    let topic = produce::TopicProduceData { partition_data: vec![data], ..Default::default() };
    let request = ProduceRequest { topic_data: vec![topic], ..Default::default() };
    let frame = encode_request(1, None, 8, &request).unwrap().into_bytes().unwrap();
    let mut null = request.write_body(Vec::new(), 8).unwrap().0;
    assert!(frame.ends_with(&null) && null.ends_with(&[0, 0, 0, 0]));
    let at = null.len() - 4;
    null[at..].copy_from_slice(&(-1_i32).to_be_bytes());
    assert_eq!(ProduceRequest::from_body(&null.into(), 8), Ok(request));
}
