//! Names and small files.

use common::{PartitionId, TopicId, TopicName};
use uuid::Uuid;

use super::layout::*;

#[test]
fn names_of_directories_say_what_they_are() {
    let replica =
        |topic: &str, partition| DirKind::Replica(TopicName::new(topic).unwrap(), PartitionId(partition));
    for (name, kind) in [
        ("orders-0", replica("orders", 0)),
        ("a-b-12", replica("a-b", 12)),
        ("x-delete-3", replica("x-delete", 3)),
        ("x.0-stray-3", replica("x.0-stray", 3)),
        ("orders-0.6f9619ff8b86d011b42d00c04fc964ff-delete", DirKind::Deleted),
        ("orders-0.6f9619ff8b86d011b42d00c04fc964ff-stray", DirKind::Stray),
        ("orders", DirKind::Other),
        ("orders-", DirKind::Other),
        ("-1", DirKind::Other),
        ("orders-007", DirKind::Other),
        ("orders--1", replica("orders-", 1)),
        ("orders-2147483648", DirKind::Other),
        ("lost+found", DirKind::Other),
        ("..-1", DirKind::Other),
    ] {
        assert_eq!(dir_kind(name), kind, "{name}");
    }
}

#[test]
fn directories_put_aside_have_names_of_their_own() {
    for topic in ["orders", &"x".repeat(249)] {
        let dir = replica_dir_name(&TopicName::new(topic).unwrap(), PartitionId(i32::MAX));
        let (deleted, stray) = (aside_dir_name(&dir, Aside::Deleted), aside_dir_name(&dir, Aside::Stray));
        assert_eq!((dir_kind(&deleted), dir_kind(&stray)), (DirKind::Deleted, DirKind::Stray));
        assert!(deleted.len() <= 255 && stray.len() <= 255);
        assert_ne!(deleted, aside_dir_name(&dir, Aside::Deleted));
    }
}

#[test]
fn partition_metadata_survives_and_torn_files_are_noticed() {
    let id = TopicId(Uuid::from_u128(7));
    let text = partition_metadata(id);
    assert_eq!(parse_partition_metadata(&text), Some(id));
    for length in 0..text.len() {
        assert_eq!(parse_partition_metadata(&text[..length]), None, "cut at {length}");
    }
    assert_eq!(parse_partition_metadata(&text.replace("version: 0", "version: 1")), None);
}
