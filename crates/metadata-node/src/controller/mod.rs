//! What only the leader does: it keeps the sessions of brokers, finds out who is dead, and tells brokers what is new.
//!
//! Nothing here is replicated. A new leader starts from the applied state and gives every live broker one full session
//! before it judges it (F1: KAFKA-18138), so no failover marks live brokers OFFLINE. What it finds out it proposes
//! like any other writer; that an entry commits is what makes it true. A leader that was itself held up (paused, starved)
//! does not take its own deafness for the silence of brokers: sessions begin anew then.
//!
//! | module | what it does |
//! |---|---|
//! | `handle` | [`Controller`]: what REST handlers tell and ask; never waits for the quorum |
//! | `contacts` | who was heard of when, bound to the term it was noted in |
//! | `reign` | one term of office: fences, unfences, gives leaderships back, pushes; dropped as a whole when it ends |
//! | `vigil` | watches one broker's process and resolves when it is proven to be gone |
//! | `probe` | asks a broker directly which process it is |
//! | `push` | CONTROLLER_CHANGED and METADATA_CHANGED |
//!
//! Failures are found at two speeds. A silent host (no heartbeat for a session) is fenced by the session timeout. A
//! crashed process breaks the connection that the leader holds to it; if its port then refuses, or another process
//! answers there, it is fenced at once, usually within milliseconds. Reports of others only start such a check.

mod contacts;
mod handle;
mod probe;
mod push;
mod reign;
mod vigil;

pub use handle::{Controller, ControllerOptions};

#[cfg(test)]
mod tests;
