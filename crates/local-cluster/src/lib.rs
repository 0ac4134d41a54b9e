//! A cluster of real processes on this machine: started, watched, hurt and stopped.

pub mod fault_proxy;

pub use fault_proxy::{Fault, FaultProxy};
