//! Accepting connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use runtime::{Stop, TaskKind, Tasks, http::BindError};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Server, connection};

/// How long to wait after an `accept` that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// At most one line in this time about the same trouble.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// Listens on `host`:`port`, on every address that the name has: clients that take `localhost` for `::1` must not
/// find the door closed. Port 0 takes any free one, the same on all.
///
/// # Errors
/// [`BindError`], if the first address cannot be listened on.
pub async fn bind(host: &str, port: u16) -> Result<Vec<TcpListener>, BindError> {
    let first = runtime::http::bind(host, port).await?;
    let Ok(own) = first.local_addr() else { return Ok(vec![first]) };
    let mut listeners = vec![first];
    let others = tokio::net::lookup_host((host, own.port())).await.into_iter().flatten();
    for address in others.filter(|address| *address != own) {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            // A machine may name an address that it does not have, ::1 above all.
            Err(error) => tracing::debug!(event = "kafka.bind", %address, %error, "not listening there"),
        }
    }
    Ok(listeners)
}

/// Serves Kafka clients on `listeners` as tasks of `tasks`, until the shutdown.
pub fn serve(tasks: &Tasks, listeners: Vec<TcpListener>, server: &Arc<Server>) {
    for listener in listeners {
        let acceptor = Acceptor { tasks: tasks.clone(), server: Arc::clone(server), complained: None };
        tasks.spawn(TaskKind::Listener, "kafka.listener", move |stop| acceptor.run(listener, stop));
    }
}

struct Acceptor {
    tasks: Tasks,
    server: Arc<Server>,
    complained: Option<Instant>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener, stop: Stop) {
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
            if self.complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
                self.complained = Some(Instant::now());
                tracing::warn!(event = "kafka.refused", "{trouble}");
            }
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr) -> Result<(), String> {
        let server = Arc::clone(&self.server);
        let slot = server.connections.enter(peer.ip(), &server.limits())?;
        // Small answers must not wait for the acknowledgement of earlier ones; a socket that is closed already
        // cannot be told, and ends in the next read.
        let _ = stream.set_nodelay(true);
        self.tasks.spawn(TaskKind::Connection, "kafka.connection", move |stop| {
            // In a box: what wraps it would have room for it several times, and most connections are idle.
            let serving = Box::pin(connection::serve(stream, peer, server, stop));
            async move {
                serving.await;
                drop(slot);
            }
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
