//! Fetch sessions (KIP-227): the broker remembers what a client fetches, so that a request names only what changed, and an
//! answer only what has news. Without them a follower of a thousand partitions would name all of them, many times per second.
//!
//! | session id, epoch | meaning |
//! |---|---|
//! | any, 0 | everything is named; a session begins, if there is room; the one named ends |
//! | any, -1 | everything is named, and nothing is to be remembered; the one named ends |
//! | of a session, its epoch | what is named is added or altered, what is forgotten is left out; the epoch grows by 1 |
//!
//! There is room for so many sessions, and for so many partitions in all of them. A new session takes the place of one that
//! was not used for a while; or of one that is worth less: a follower's is worth more than a consumer's, and a larger one
//! more than a smaller one. Followers may displace consumers at once, everybody else only those that lived for a while.

mod cache;
mod session;

pub(super) use cache::FetchSessions;
