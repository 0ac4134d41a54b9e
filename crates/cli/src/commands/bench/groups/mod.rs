//! `dmq bench groups`: consumer groups, as their members see them. Works with every cluster that speaks Kafka's protocol, so
//! that two can be compared; the members are those of this project's own client.
//!
//! | module | what it measures |
//! |---|---|
//! | [`rebalance`] | until all members have their share, when all start and when one more comes |
//! | [`outage`] | until members commit again, when their coordinator is killed |
//! | [`commits`] | commits per second of one coordinator; and how soon another one has read a million of them |
//! | [`cluster`] | the cluster: a throw-away one, or any other |
//! | [`samples`] | how many samples are taken, and for how long |

mod cluster;
mod command;
mod commits;
mod outage;
mod rebalance;
mod samples;

pub(super) use command::GroupsBench;
