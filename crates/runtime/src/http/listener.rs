//! Accepting connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::Instant,
};

use super::{HttpLimits, connection};
use crate::tasks::{Stop, TaskKind, Tasks};

/// How long to wait after an `accept` that failed for want of descriptors or memory: trying again at once would
/// only burn the processor, and closing connections is what helps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// At most one line in this time about the same trouble.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// What a connection over the limit is told before it is closed.
const OVERLOADED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// The name does not resolve.
    #[error("cannot listen on {host}:{port}: the host does not resolve: {source}")]
    Resolve {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// Somebody else has it.
    #[error("cannot listen on {address}: the port is in use by another process")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
}

/// Listens on `host`:`port`; port 0 takes any free one. Of a name with several addresses, IPv4 goes first, so
/// that `localhost` is 127.0.0.1 on every machine.
///
/// # Errors
/// [`BindError`].
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, BindError> {
    let failed = |source| BindError::Resolve { host: host.to_owned(), port, source };
    let mut addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(failed)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = *addresses
        .first()
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "it has no address")))?;
    TcpListener::bind(address).await.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            BindError::InUse { address }
        } else {
            BindError::Refused { address, source }
        }
    })
}

/// Serves `router` on `listener` as tasks of `tasks`, until its shutdown: then the listener closes at once, and
/// each connection after the request at hand. Handlers find the client's address as `ConnectInfo<SocketAddr>`.
pub fn serve(tasks: &Tasks, listener: TcpListener, router: Router, limits: HttpLimits) {
    let router = router.layer(DefaultBodyLimit::max(limits.body_bytes_max));
    let connections = tasks.clone();
    tasks.spawn(TaskKind::Listener, "http.listener", move |stop| async move {
        let acceptor = Acceptor {
            slots: Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS))),
            tasks: connections,
            router,
            limits,
        };
        acceptor.run(listener, &stop).await;
    });
}

struct Acceptor {
    slots: Arc<Semaphore>,
    tasks: Tasks,
    router: Router,
    limits: HttpLimits,
}

impl Acceptor {
    async fn run(&self, listener: TcpListener, stop: &Stop) {
        let mut complained: Option<Instant> = None;
        while let Some(accepted) = stop.or(listener.accept()).await {
            let trouble = match accepted {
                Ok((stream, peer)) => match self.start(stream, peer) {
                    Ok(()) => continue,
                    Err(refused) => refused,
                },
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    let _ = stop.or(tokio::time::sleep(ACCEPT_PAUSE)).await;
                    format!("cannot accept connections: {error}")
                }
            };
            if complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
                complained = Some(Instant::now());
                tracing::warn!(event = "http.refused", "{trouble}");
            }
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr) -> Result<(), String> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            // Best effort: what the socket's buffer does not take at once is not worth waiting for.
            let _ = stream.try_write(OVERLOADED);
            return Err(format!("{} connections are open, which is the most", self.limits.connections_max));
        };
        // Small answers must not wait for the acknowledgement of earlier ones; a socket that is closed already
        // cannot be told, and ends in the next read.
        let _ = stream.set_nodelay(true);
        let (router, limits) = (self.router.clone(), self.limits);
        self.tasks.spawn(TaskKind::Connection, "http.connection", move |stop| async move {
            connection::serve(stream, peer, router, limits, stop).await;
            drop(slot);
        });
        Ok(())
    }
}

/// Whether `accept` failed because of one client that has gone already.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
