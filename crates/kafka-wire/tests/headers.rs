//! Headers and the rules around ApiVersions: what every client meets first.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

use bytes::Bytes;
use kafka_wire::{
    ApiKey, ErrorCode, Incoming, IncomingError, Message as _, RequestHeader, decode_response, encode_request,
    encode_response,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, HeartbeatRequest,
        MetadataRequest, MetadataResponse, ProduceResponse, api_versions,
        produce::{PartitionProduceResponse, TopicProduceResponse},
    },
    registry,
};

fn frame_body(frame: kafka_wire::Frame) -> Bytes {
    frame.into_bytes().unwrap().slice(4..)
}

#[test]
fn an_api_versions_response_has_header_version_0_even_when_flexible() {
    let response = ApiVersionsResponse::default();
    for version in 0..=4 {
        let bytes = encode_response(0x0102_0304, version, &response).unwrap().into_bytes().unwrap();
        assert_eq!(bytes[4..8], [1, 2, 3, 4]);
        // The error code follows at once; a flexible header would have a byte for its tags in between.
        let body = response.write_body(Vec::new(), version).unwrap().0;
        assert_eq!(bytes[8..], body, "v{version}");
    }
    // Any other flexible response has that byte.
    let bytes = encode_response(1, 12, &MetadataResponse::default()).unwrap().into_bytes().unwrap();
    assert_eq!(
        bytes[8..],
        [&[0][..], &MetadataResponse::default().write_body(Vec::new(), 12).unwrap().0].concat()
    );
}

#[test]
fn an_unsupported_api_versions_request_is_answered_in_version_0() {
    // Version 9 of a distant future, with a header and a body that nobody here can read.
    let frame = Bytes::from_static(&[0, 18, 0, 9, 0, 0, 0, 77, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    assert_eq!(Incoming::read(&frame), Ok(Incoming::UnsupportedApiVersions { correlation_id: 77 }));
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: registry::advertised(),
        ..ApiVersionsResponse::default()
    };
    let answer = frame_body(encode_response(77, 0, &response).unwrap());
    assert_eq!(answer[..6], [0, 0, 0, 77, 0, 35]);
    let count = registry::all().len();
    assert_eq!(answer.len(), 4 + 2 + 4 + 6 * count, "nothing but keys and versions");
}

#[test]
fn tagged_fields_that_hold_their_default_are_left_out() {
    // Debian's kcat 1.7.1 cannot skip tagged fields, so the epoch of -1 must not be there.
    let response = ApiVersionsResponse { finalized_features_epoch: -1, ..ApiVersionsResponse::default() };
    let (body, _) = response.write_body(Vec::new(), 3).unwrap();
    // Error code, no keys, throttle time, no tags.
    assert_eq!(body, [0, 0, 1, 0, 0, 0, 0, 0]);
    let with_epoch = ApiVersionsResponse { finalized_features_epoch: 0, ..ApiVersionsResponse::default() };
    assert_eq!(with_epoch.write_body(Vec::new(), 3).unwrap().0[7..], [1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/// The one field that is not Kafka's: whoever does not know it skips it.
#[test]
fn that_nothing_was_appended_is_told_in_a_tagged_field_of_our_own() {
    let answer = |nothing_appended| {
        let partition = PartitionProduceResponse {
            error_code: ErrorCode::KAFKA_STORAGE_ERROR,
            nothing_appended,
            ..PartitionProduceResponse::default()
        };
        let topic =
            TopicProduceResponse { partition_responses: vec![partition], ..TopicProduceResponse::default() };
        ProduceResponse { responses: vec![topic], ..ProduceResponse::default() }
    };
    let body =
        |nothing_appended, version| answer(nothing_appended).write_body(Vec::new(), version).unwrap().0;
    for version in [9, 12, 13] {
        let told = ProduceResponse::from_body(&body(true, version).into(), version).unwrap();
        assert!(told.responses[0].partition_responses[0].nothing_appended, "v{version}");
        // One tag more, which is 1000 in two bytes, one byte long, and true.
        let [with, without] = [true, false].map(|nothing_appended| body(nothing_appended, version));
        assert_eq!(with.len(), without.len() + 4, "v{version}");
        assert!(with.windows(4).any(|bytes| bytes == [0xe8, 0x07, 1, 1]), "v{version}: {with:?}");
    }
    assert_eq!(body(true, 8), body(false, 8), "older versions have no tags");
}

#[test]
fn client_ids_of_null_and_unknown_header_tags_are_accepted() {
    let mut frame = vec![0, 3, 0, 12, 0, 0, 0, 5, 0xff, 0xff];
    frame.extend([1, 42, 3, 9, 9, 9]);
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    frame.extend(request.write_body(Vec::new(), 12).unwrap().0);
    let Ok(Incoming::Request { header, body }) = Incoming::read(&frame.into()) else { panic!() };
    let expected = RequestHeader { key: ApiKey::Metadata, version: 12, correlation_id: 5, client_id: None };
    assert_eq!(header, expected);
    assert_eq!(MetadataRequest::from_body(&body, 12), Ok(request));
}

#[test]
fn what_is_not_served_is_an_error_and_closes_the_connection() {
    let read = |bytes: &'static [u8]| Incoming::read(&Bytes::from_static(bytes)).unwrap_err();
    assert_eq!(read(&[0, 18, 0]), IncomingError::TooShort { length: 3 });
    assert_eq!(read(&[0x12, 0x34, 0, 0, 0, 0, 0, 1]), IncomingError::Key { api_key: 0x1234 });
    assert_eq!(read(&[0xff, 0xff, 0, 0, 0, 0, 0, 1]), IncomingError::Key { api_key: -1 });
    // Advertised for old librdkafka, but not answered.
    let old_produce = read(&[0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff]);
    assert_eq!(old_produce.to_string(), "Produce v0 is not served: 3 to 13 are");
    let cut_header = read(&[0, 3, 0, 12, 0, 0, 0, 5, 0, 9, b'x']);
    assert_eq!(cut_header.to_string(), "RequestHeader v1, field ClientId: 9 bytes needed, 1 left");
}

#[test]
fn requests_and_responses_come_back_as_they_were_sent() {
    let request = FetchRequest { max_wait_ms: 500, min_bytes: 1, ..FetchRequest::default() };
    for version in FetchRequest::VERSIONS {
        let frame = frame_body(encode_request(9, Some("test"), version, &request).unwrap());
        let Ok(Incoming::Request { header, body }) = Incoming::read(&frame) else { panic!("v{version}") };
        assert_eq!((header.correlation_id, header.client_id.as_deref()), (9, Some("test")));
        assert_eq!(FetchRequest::from_body(&body, version), Ok(request.clone()));
        let response = FetchResponse { throttle_time_ms: 3, ..FetchResponse::default() };
        let frame = frame_body(encode_response(9, version, &response).unwrap());
        assert_eq!(decode_response::<FetchRequest>(&frame, version), Ok((9, response)));
    }
}

#[test]
fn a_value_that_a_version_cannot_carry_is_an_error() {
    // A static member would lose its identity: Kafka does not call the field ignorable.
    let request = HeartbeatRequest { group_instance_id: Some("a".into()), ..HeartbeatRequest::default() };
    assert!(request.write_body(Vec::new(), 3).is_ok());
    let error = request.write_body(Vec::new(), 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "HeartbeatRequest v2, field GroupInstanceId: the version has no such field"
    );
    // The software name only helps operators: it is ignorable.
    let request = ApiVersionsRequest { client_software_name: "x".into(), ..ApiVersionsRequest::default() };
    assert!(request.write_body(Vec::new(), 0).is_ok());
}

#[test]
fn the_advertised_versions_are_those_of_the_registry() {
    let keys: Vec<api_versions::ApiVersion> = registry::advertised();
    assert!(keys.contains(&api_versions::ApiVersion { api_key: 0, min_version: 0, max_version: 13 }));
    assert!(keys.contains(&api_versions::ApiVersion { api_key: 18, min_version: 0, max_version: 4 }));
}
