//! Log, vote, snapshots and the SQL projection.
