//! What every process of DistributedMQ needs at its edge, written once.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tasks`] | named tasks, each with a cancel and an error policy; the only place that starts any |
//! | [`shutdown`] | who asked the process to stop and why; SIGINT and SIGTERM |
//! | [`executor`] | the tokio runtime, sized for a process that shares its machine |
//! | [`http`] | serving an axum router: limits, timeouts, graceful drain, `GET /livez` |
//! | [`atomic_file`] | small files that a crash cannot tear |
//! | [`telemetry`] | log lines as text or JSON, panics included |
//! | [`metrics`] | the Prometheus registry, with figures of the process itself |
//! | [`clock`] | wall clock and monotonic milliseconds |
//! | [`services`] | `services.json` from disk |
//! | [`parent`] | child processes that die with their parent |

pub mod atomic_file;
pub mod clock;
mod crc32c;
pub mod executor;
pub mod http;
pub mod metrics;
pub mod parent;
pub mod services;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;

pub use shutdown::{Shutdown, ShutdownReason};
pub use tasks::{Stop, TaskHandle, TaskKind, Tasks};
