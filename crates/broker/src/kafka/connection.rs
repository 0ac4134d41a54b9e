//! One connection: a half that reads requests and a half that sends answers, in one task.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use runtime::Stop;
use tokio::{net::TcpStream, sync::mpsc, time::timeout};

use super::{
    Server,
    api::{self, Client},
    reader::{Ended, Requests},
    writer::{Pending, Writer},
};

/// How long what was begun for a client that has gone may take to come to its end.
const LINGER: Duration = Duration::from_secs(1);

/// How long a shutdown waits for answers, above all for acknowledgements of replicas that may be leaving too.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves a client until it goes, breaks the rules, or `stop` is requested and everything it asked is answered.
pub(super) async fn serve(mut stream: TcpStream, peer: SocketAddr, server: Arc<Server>, stop: Stop) {
    let (read, write) = stream.split();
    let (queue, answers) = mpsc::channel(server.limits.requests_per_connection_max);
    let writer = Writer { stream: write, stall_timeout: server.limits.stall_timeout };
    let mut writing = pin!(writer.run(answers));
    let client = Client { peer, stop: stop.clone() };
    let reading = read_requests(Requests::new(read, &server), &server, client, queue);
    let ended = tokio::select! {
        ended = stop.or(reading) => ended,
        stopped = writing.as_mut() => {
            let why = stopped.err().unwrap_or_default();
            tracing::debug!(event = "kafka.connection_end", %peer, "{why}");
            return;
        }
    };
    let rest = match ended {
        // Everything that was asked is answered, if that takes no longer: the logs are to be closed in order after it.
        None => timeout(LEAVE_TIMEOUT, writing).await.ok(),
        Some(Ended::Cut(why)) => {
            server.metrics.connection_cut();
            tracing::info!(event = "kafka.connection_cut", %peer, "cut off: {why}");
            timeout(LINGER, writing).await.ok()
        }
        Some(ended @ (Ended::Closed | Ended::Idle)) => {
            tracing::debug!(event = "kafka.connection_end", %peer, ?ended, "closed");
            timeout(LINGER, writing).await.ok()
        }
    };
    if let Some(Err(why)) = rest {
        tracing::debug!(event = "kafka.connection_end", %peer, "{why}");
    }
}

/// Starts requests in the order they come, and queues what comes of them.
async fn read_requests(
    mut requests: Requests<'_>,
    server: &Arc<Server>,
    client: Client,
    queue: mpsc::Sender<Pending>,
) -> Ended {
    loop {
        // Room for its outcome first: a client that takes no answers is not read any further.
        let Ok(place) = queue.reserve().await else { return Ended::Closed };
        match timeout(server.limits.idle_timeout, requests.begins()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Ended::Cut(error.to_string()),
            Err(_) => return Ended::Idle,
        }
        let request = match requests.next().await {
            Ok(Some(request)) => request,
            Ok(None) => continue,
            Err(ended) => return ended,
        };
        match api::start(server, &client, request).await {
            Ok(pending) => place.send(pending),
            Err(why) => return Ended::Cut(why),
        }
    }
}
