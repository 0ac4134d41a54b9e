//! How a broker follows the controller, as a state machine without IO: time, random seeds and answers are
//! arguments, requests are values. [`crate::follower`] carries them out.
//!
//! ```text
//!              found                       registered
//! Discovering -------> Registering ------------------------> Following
//!      ^                 |     ^                              |  |   |
//!      |    3 failures   |     |  UNKNOWN_BROKER,             |  |   | 503 or a push names another controller:
//!      +-----------------+     |  STALE_BROKER_EPOCH          |  |   | follow that one at once
//!      |                       +------------------------------+  |   v
//!      +---------------------------------------------------------+  Following
//!                              3 failures in a row
//!
//! anywhere -- fenced by another process, refused, wrong cluster, left --> Ended
//! ```
//!
//! What holds always:
//! - The highest term ever seen is kept, and nothing of a lower one is believed: no answer, no push, no
//!   discovery. Likewise the version: what is known to exist never shrinks, and neither does the broker's own.
//! - At most one request of discovery, registration and heartbeat is under way, and beside it at most one pull:
//!   a slow pull never delays a heartbeat.
//! - The answer to a request that was given up (the controller changed meanwhile) is ignored.

mod answers;
mod catchup;
mod machine;
mod push;
mod random;
mod types;

pub use machine::Link;
pub use types::{Action, Answer, End, Job, JobId, LinkConfig, LinkStatus, Phase, PullFailure, Pulled, Time};

#[cfg(test)]
mod tests;
