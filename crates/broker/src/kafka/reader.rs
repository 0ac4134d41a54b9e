//! Reading requests off a connection, one frame after the other.
//!
//! What a frame's buffer grows by is taken from the memory that all connections share, as it arrives and not as it is
//! announced. A connection that finds none left, or whose client stops in the middle of a request, is cut off after a
//! while: so no number of slow clients can keep the others out for long.

use std::{future::Future, io, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes};
use kafka_wire::FrameReader;
use tokio::{net::tcp::ReadHalf, time::timeout};

use super::{
    Server,
    limits::{Budget, Held},
};

/// A request as it came, without its length, and the memory that it counts as.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) bytes: Bytes,
    pub(super) held: Held,
}

/// Why no more requests come.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client closed the connection.
    Closed,
    /// It was silent for too long.
    Idle,
    /// It is cut off.
    Cut(String),
}

/// The requests of one connection.
pub(super) struct Requests<'a> {
    stream: ReadHalf<'a>,
    frames: FrameReader,
    /// What the frame that is arriving counts as.
    held: Held,
    budget: Budget,
    stall_timeout: Duration,
}

impl<'a> Requests<'a> {
    pub(super) fn new(stream: ReadHalf<'a>, server: &Arc<Server>) -> Self {
        Self {
            stream,
            frames: FrameReader::new(server.limits.request_bytes_max),
            held: Held::default(),
            budget: server.queued.clone(),
            stall_timeout: server.limits.stall_timeout,
        }
    }

    /// Waits until the next request begins to arrive, if it has not. May also return when nothing came: a socket counts as
    /// readable until somebody finds it empty.
    pub(super) async fn begins(&mut self) -> io::Result<()> {
        if self.frames.pending_bytes() == 0 { self.stream.readable().await } else { Ok(()) }
    }

    /// The next request; `None` if it has not begun to arrive.
    pub(super) async fn next(&mut self) -> Result<Option<Request>, Ended> {
        loop {
            let frame = self.frames.next_frame();
            if let Some(bytes) = frame.map_err(|error| Ended::Cut(error.to_string()))? {
                self.hold(bytes.len()).await?;
                return Ok(Some(Request { bytes, held: std::mem::take(&mut self.held) }));
            }
            let room = self.frames.space().remaining_mut();
            self.hold(self.frames.pending_bytes() + room).await?;
            if !self.fill().await? {
                self.held = Held::default();
                return Ok(None);
            }
        }
    }

    /// Takes memory, so that it is `bytes` in all.
    async fn hold(&mut self, bytes: usize) -> Result<(), Ended> {
        let more = bytes.saturating_sub(self.held.bytes());
        if more > 0 {
            let taken = self.in_time(self.budget.take(more)).await;
            let full = || Ended::Cut("no memory for its request (queued.max.request.bytes)".to_owned());
            self.held.add(taken.ok_or_else(full)?);
        }
        Ok(())
    }

    /// Reads what is there. In the middle of a request it waits for more; before one there may be nothing.
    async fn fill(&mut self) -> Result<bool, Ended> {
        loop {
            match self.stream.try_read_buf(&mut self.frames.space()) {
                Ok(0) if self.frames.pending_bytes() == 0 => return Err(Ended::Closed),
                Ok(0) => return Err(Ended::Cut("it ended in the middle of a request".to_owned())),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.frames.pending_bytes() == 0 {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(Ended::Cut(error.to_string())),
            }
            match self.in_time(self.stream.readable()).await {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(Ended::Cut(error.to_string())),
                None => return Err(Ended::Cut("it stopped in the middle of a request".to_owned())),
            }
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        timeout(self.stall_timeout, work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::{
        io::AsyncWriteExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A client between two requests is not one that stops in the middle of one, however long it is silent.
    #[tokio::test]
    async fn silence_between_requests_is_no_stall() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = listener.accept().await.unwrap().0;
        let mut requests = Requests {
            stream: stream.split().0,
            frames: FrameReader::new(1 << 20),
            held: Held::default(),
            budget: Budget::new(1 << 20),
            // Whoever waits at all waits too long.
            stall_timeout: Duration::ZERO,
        };
        for _ in 0..2 {
            client.write_all(b"\0\0\0\x02hi").await.unwrap();
            requests.begins().await.unwrap();
            assert_eq!(&requests.next().await.unwrap().unwrap().bytes[..], b"hi");
            assert!(requests.next().await.unwrap().is_none());
            assert_eq!(requests.held.bytes(), 0);
            // Now it is known that nothing is there.
            assert!(requests.begins().now_or_never().is_none());
        }
        // A part of a request; the length alone, of a large one, is a part too.
        for part in [&b"\0\0\0\x02h"[..], b"\0\x10\0\0"] {
            requests.frames = FrameReader::new(1 << 20);
            client.write_all(part).await.unwrap();
            requests.begins().await.unwrap();
            let Err(Ended::Cut(why)) = requests.next().await else { panic!("a part of a request") };
            assert_eq!(why, "it stopped in the middle of a request");
        }
    }
}
