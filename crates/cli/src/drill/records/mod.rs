//! Records under a drill: producers and a consumer that never stop, and whether the brokers kept their word about every
//! record.
//!
//! | module | what it holds |
//! |---|---|
//! | [`history`] | the checker: what was acknowledged is there, once, in order, where it was said to be; pure |
//! | [`workload`] | idempotent producers with `acks=all`, which write down how every record ended |
//! | [`reader`] | a consumer that reads along, and one that reads everything in the end |

pub(crate) mod history;
pub(crate) mod reader;
pub(crate) mod workload;
