//! What the tables hold against what the state holds.
