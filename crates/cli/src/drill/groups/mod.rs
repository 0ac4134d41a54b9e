//! Consumer groups under a drill: members that come and go, and whether the coordinators kept their word to them.
//!
//! | module | what it holds |
//! |---|---|
//! | [`history`] | the checker: one owner at a time, offsets never go back, every record consumed; pure |
//! | [`member`] | a member that reads, commits, and writes down what it has |
//! | [`group`] | a group: its members, who of them comes and goes, an independent reader of its offsets |
//! | [`calm`] | waiting until a group is stable again |

pub(crate) mod calm;
pub(crate) mod group;
pub(crate) mod history;
pub(crate) mod member;
