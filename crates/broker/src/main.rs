//! The thin binary of one broker; `dmq broker` is the same.
fn main() {}
