//! The few messages inside of messages: what consumers tell each other through the classic protocol, as far as a coordinator
//! has to understand it. Of all other protocol types they are opaque.

mod assignment;
mod read;
mod subscription;

pub(crate) use assignment::{assigned_partitions, encode_assignment, has_user_data};
pub(crate) use subscription::{Subscription, subscribed_topics};
