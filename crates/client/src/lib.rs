//! How one part of DistributedMQ talks to another over REST: brokers, controllers, `dmq` and the drills use
//! the same few types.
//!
//! | type | what it does |
//! |---|---|
//! | [`HttpClient`] | one request, one bounded answer; keep-alive, `TCP_NODELAY`, a deadline on everything |
//! | [`ControllerDiscovery`] | asks all metadata nodes at once who leads |
//! | [`api`] | every call of the metadata REST API, typed |
//! | [`MetadataClient`] | makes such calls: follows the leader, repeats what is safe to repeat |
//! | [`PeerWatch`] | learns within milliseconds that a peer's process died |
//!
//! ```no_run
//! # async fn example() -> Result<(), client::CallError> {
//! use client::{HttpClient, MetadataClient, MetadataClientOptions, api};
//!
//! let nodes = ["http://localhost:9091".to_owned(), "http://localhost:9092".to_owned()];
//! let metadata = MetadataClient::new(HttpClient::default(), nodes, MetadataClientOptions::default());
//! let orders = metadata.call(&api::topic("orders")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here keeps state that could be lost: every answer can be had again by asking again.

pub mod api;
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
