//! `dmq bench produce|consume|end-to-end`: the data plane, as a client sees it. Works with every broker that speaks Kafka's
//! protocol, so that two can be compared.
//!
//! The load comes from a client that costs little, since it shares the machine with the brokers it measures. With a rate,
//! latencies count from the moment that a record was due, not from when the client got round to it: a broker that stalls is
//! charged for all that had to wait (coordinated omission).

mod consume;
mod end_to_end;
mod processes;
mod produce;
mod report;
mod topic;

pub(super) use consume::ConsumeBench;
pub(super) use end_to_end::EndToEndBench;
pub(super) use produce::ProduceBench;
