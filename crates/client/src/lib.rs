//! How one part of DistributedMQ talks to another over REST: brokers, controllers, `dmq` and the drills use
//! the same few types.
//!
//! | type | what it does |
//! |---|---|
//! | [`HttpClient`] | one request, one bounded answer; keep-alive, `TCP_NODELAY`, a deadline on everything |
//! | [`ControllerDiscovery`] | asks all metadata nodes at once who leads |
//! | [`MetadataClient`] | the metadata REST API, typed; follows the leader and retries what is safe to retry |
//! | [`PeerWatch`] | learns within milliseconds that a peer's process died |
//!
//! Nothing here keeps state that could be lost: every answer can be had again by asking again.

pub mod call;
pub mod discovery;
pub mod http;
pub mod metadata;
pub mod watch;

pub use call::{Call, CallError, LeaderHint, Target};
pub use discovery::{Controller, ControllerDiscovery, DiscoveryError};
pub use http::{HttpClient, HttpError, HttpOptions, HttpRequest, Reply};
pub use metadata::{MetadataClient, MetadataClientOptions};
pub use watch::{PeerLost, PeerWatch, PeerWatchOptions};
