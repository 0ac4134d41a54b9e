//! Sending answers, in the order of their requests.
//!
//! An answer is made when its turn comes, so requests of one connection are carried out one after the other. The
//! exception are produce requests: their records were appended when they were read, in order, and what is waited for
//! here is only their acknowledgement. Answers that are ready together leave together.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    net::tcp::WriteHalf,
    sync::mpsc::{Receiver, error::TryRecvError},
    time::timeout,
};

use super::limits::Held;

/// Pieces that one system call sends at most.
const SLICES_MAX: usize = 64;

/// Bytes that are worth a system call: no more answers are waited for beside them.
const ENOUGH_BYTES: usize = 256 * 1024;

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// These bytes, length included.
    Answer(Answer),
    /// No answer (acks=0).
    Silence,
    /// The connection is closed.
    Close(String),
}

/// An answer: its pieces in order.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) pieces: Vec<Bytes>,
    /// The memory that it counts as until it is sent.
    pub(super) _held: Held,
}

/// An outcome that is still to come.
pub(super) type Pending = BoxFuture<'static, Outcome>;

/// The sending half of a connection.
pub(super) struct Writer<'a> {
    pub(super) stream: WriteHalf<'a>,
    pub(super) stall_timeout: Duration,
}

impl Writer<'_> {
    /// Answers until nothing more comes. Gives why it stopped before, if so.
    pub(super) async fn run(mut self, mut queue: Receiver<Pending>) -> Result<(), String> {
        let mut next: Option<Pending> = None;
        loop {
            let pending = match next.take() {
                Some(pending) => pending,
                None => match queue.recv().await {
                    Some(pending) => pending,
                    None => return Ok(()),
                },
            };
            let mut answers = Vec::new();
            let mut trouble = take(&mut answers, pending.await);
            // What is ready beside it goes with it.
            while trouble.is_none() && size_bytes(&answers) < ENOUGH_BYTES {
                let mut pending = match queue.try_recv() {
                    Ok(pending) => pending,
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                };
                match (&mut pending).now_or_never() {
                    Some(outcome) => trouble = take(&mut answers, outcome),
                    None => {
                        next = Some(pending);
                        break;
                    }
                }
            }
            self.send(&answers).await.map_err(|error| error.to_string())?;
            if let Some(trouble) = trouble {
                return Err(trouble);
            }
        }
    }

    async fn send(&mut self, answers: &[Answer]) -> io::Result<()> {
        let pieces = answers.iter().flat_map(|answer| &answer.pieces);
        let mut left: VecDeque<Bytes> = pieces.filter(|piece| !piece.is_empty()).cloned().collect();
        while !left.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                left.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
            match self.stream.try_write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => advance(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let Ok(ready) = timeout(self.stall_timeout, self.stream.writable()).await else {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes no answers"));
                    };
                    ready?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The first `written` bytes are gone.
fn advance(left: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = left.front_mut() {
        if written < first.len() {
            first.advance(written);
            return;
        }
        written -= first.len();
        left.pop_front();
    }
}

/// Keeps an answer; gives the reason if the connection is to be closed.
fn take(answers: &mut Vec<Answer>, outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Answer(answer) => {
            answers.push(answer);
            None
        }
        Outcome::Silence => None,
        Outcome::Close(why) => Some(why),
    }
}

fn size_bytes(answers: &[Answer]) -> usize {
    answers.iter().flat_map(|answer| &answer.pieces).map(Bytes::len).sum()
}
