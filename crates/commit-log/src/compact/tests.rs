use super::*;
use crate::offset::Offset;

#[test]
fn a_map_holds_the_last_offset_of_each_key_in_bounded_memory() {
    let mut map = OffsetMap::new(24 * 100, usize::MAX, Offset(0));
    let mut put = 0_i64;
    while map.put(format!("key {put}").as_bytes(), Offset(put)) {
        put += 1;
    }
    assert_eq!(put, 90, "nine tenths of a hundred");
    assert!(map.put(b"key 3", Offset(1_000)), "a key that is there needs no room");
    assert_eq!(map.get(b"key 3"), Some(Offset(1_000)));
    assert!((4..put).all(|at| map.get(format!("key {at}").as_bytes()) == Some(Offset(at))));
    assert_eq!(map.get(b"another"), None);
}

#[test]
fn a_map_is_no_larger_than_its_keys_need() {
    let map = OffsetMap::new(1 << 30, 1_000, Offset(0));
    assert!(map.has_room(1_000) && !map.has_room(1_200));
}
