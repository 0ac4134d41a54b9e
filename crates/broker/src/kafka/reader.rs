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

    /// Waits until the next request begins to arrive, if it has not.
    pub(super) async fn begins(&mut self) -> io::Result<()> {
        if self.frames.pending_bytes() == 0 { self.stream.readable().await } else { Ok(()) }
    }

    /// The next request, which has begun to arrive.
    pub(super) async fn next(&mut self) -> Result<Request, Ended> {
        loop {
            let frame = self.frames.next_frame();
            if let Some(bytes) = frame.map_err(|error| Ended::Cut(error.to_string()))? {
                self.hold(bytes.len()).await?;
                return Ok(Request { bytes, held: std::mem::take(&mut self.held) });
            }
            let room = self.frames.space().remaining_mut();
            self.hold(self.frames.pending_bytes() + room).await?;
            self.fill().await?;
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

    /// Reads what is there, once anything is.
    async fn fill(&mut self) -> Result<(), Ended> {
        loop {
            match self.stream.try_read_buf(&mut self.frames.space()) {
                Ok(0) if self.frames.pending_bytes() == 0 => return Err(Ended::Closed),
                Ok(0) => return Err(Ended::Cut("it ended in the middle of a request".to_owned())),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
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
