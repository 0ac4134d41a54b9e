//! The snapshot format: round trips, and damage of every kind is noticed.

use bytes::Bytes;
use common::{BrokerId, ClusterId, IncarnationId, MetadataVersion, NodeId};
use metadata_core::{Command, Proposal, State};
use uuid::Uuid;

use super::Applied;
use super::codec::{decode, encode, read_head};
use crate::raft::types::LogId;

fn cluster() -> ClusterId {
    ClusterId("c".into())
}

fn sample() -> Applied {
    let mut state = State::new(cluster());
    for id in 1..=50 {
        let proposal = Proposal {
            time_ms: 5,
            author: "t".into(),
            request_id: Some(Uuid::from_u128(u128::from(id))),
            command: Command::RegisterBroker {
                broker_id: BrokerId(i32::try_from(id).unwrap()),
                incarnation_id: IncarnationId(Uuid::from_u128(u128::from(id))),
                host: "h".into(),
                port: 1,
                kafka_port: None,
                rack: Some("r".into()),
                directory_id: None,
                previous_is_gone: false,
            },
        };
        state.apply(MetadataVersion(id), &proposal).result.unwrap();
    }
    let mut applied = Applied::empty(state);
    applied.last_applied = Some(LogId::new_term_index(3, 50));
    applied.used_ids.extend([NodeId(1), NodeId(7)]);
    applied
}

fn recompressed(text: &[u8]) -> Bytes {
    zstd::encode_all(text, 1).unwrap().into()
}

#[test]
fn a_snapshot_gives_the_state_back() {
    let applied = sample();
    let data = encode(&applied).unwrap();
    let back = decode(&data, &cluster()).unwrap();
    assert_eq!(back.state.digest(), applied.state.digest());
    assert_eq!(back.last_applied, applied.last_applied);
    assert_eq!(back.membership, applied.membership);
    assert_eq!(back.used_ids, applied.used_ids);
    assert_eq!(read_head(&data).unwrap().last_log_id, applied.last_applied);
}

#[test]
fn a_snapshot_that_is_cut_short_or_changed_is_refused() {
    let data = encode(&sample()).unwrap();
    for length in (0..data.len()).step_by(97) {
        assert!(decode(&data[..length], &cluster()).is_err(), "cut to {length} of {}", data.len());
    }
    let text = zstd::decode_all(&data[..]).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    for left_out in 0..lines.len() {
        let rest: Vec<u8> = lines
            .iter()
            .enumerate()
            .filter(|(line, _)| *line != left_out)
            .flat_map(|(_, line)| line.to_vec())
            .collect();
        assert!(decode(&recompressed(&rest), &cluster()).is_err(), "without line {left_out}");
    }
    let mut changed = text.clone();
    let position = changed.iter().position(|byte| *byte == b'h').unwrap();
    changed[position] = b'i';
    assert!(decode(&recompressed(&changed), &cluster()).is_err());
}

#[test]
fn a_snapshot_of_another_cluster_is_refused() {
    let data = encode(&sample()).unwrap();
    let error = decode(&data, &ClusterId("other".into())).unwrap_err();
    assert!(error.to_string().contains("it is of cluster `c`, not of `other`"), "{error}");
}
