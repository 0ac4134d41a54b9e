//! Group coordinators: for each partition of `__consumer_offsets` that this broker leads, a task that owns the groups in it.
//!
//! ```text
//! kafka/api, http --> Groups -- bounded queue --> Owner { coordinator::Coordinator } -- records --> Partition
//!                       ^                            |   replies, once that is committed <-- high watermark
//!                       |  who leads what            |
//!   metadata, roles --> supervisor -- starts, ends --+
//! ```
//!
//! - [`groups`]: the way in: finds the owner of a group, asks it, waits for the reply.
//! - [`supervisor`]: keeps owners in step with what this broker leads, and tells them of topics.
//! - [`owner`]: the task; [`load`]: how it learns what there is; [`serve`]: how it answers; [`batch`]: what it appends;
//!   [`stage`]: how far it is, [`collector`]: as a figure.
//! - [`codec`]: records as bytes; [`topic`]: how `__consumer_offsets` comes to be; [`options`]: settings.
//!
//! What groups are and what they may do is crate `coordinator`'s. It decides at once and in memory; here its decisions are
//! made durable before anybody hears of them, and forgotten as a whole when that fails: the owner then loads anew.

mod batch;
mod codec;
mod collector;
mod groups;
mod load;
mod options;
mod owner;
mod serve;
mod stage;
mod supervisor;
mod topic;

pub use collector::GroupCollector;
pub use groups::{Asked, Groups, Surveyed, Unavailable};
pub use options::GroupOptions;
pub use topic::{NoTopic, OffsetsTopic};
