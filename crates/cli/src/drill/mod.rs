//! Drills: break the real thing while it works, measure how long it is out of order, and check afterwards that it
//! kept every promise.

mod history;
mod workload;
