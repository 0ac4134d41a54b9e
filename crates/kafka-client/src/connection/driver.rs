//! The task of a connection: writes requests, reads answers, and ends the connection when one is late.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use kafka_wire::{Frame, FrameError, FrameReader};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot},
    time::Instant,
};

use super::{CallError, pieces::Pieces};
use crate::address::Address;

/// The bytes of an answer, or why there are none; of what is not answered no bytes, when it is written.
pub(super) type Answer = Result<Bytes, CallError>;

/// A request that is to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) frame: Frame,
    pub(super) reply: Reply,
}

/// Who waits for an answer; or, where none comes, for the request to be written.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) correlation_id: i32,
    pub(super) is_answered: bool,
    pub(super) to: oneshot::Sender<Answer>,
    /// How long it may take from when the request begins to be written.
    pub(super) within: Duration,
    /// Its place among the requests in flight.
    pub(super) permit: OwnedSemaphorePermit,
}

/// A request that was written, or is being written.
#[derive(Debug)]
struct Awaited {
    reply: Reply,
    due: Instant,
}

/// All of them.
#[derive(Debug, Default)]
struct Waiting {
    /// In the order in which they are answered.
    for_answers: VecDeque<Awaited>,
    /// Those that nobody answers. They are written together, and then there is nothing more to wait for.
    to_be_written: Vec<Awaited>,
}

impl Waiting {
    fn push(&mut self, reply: Reply) {
        let awaited = Awaited { due: Instant::now() + reply.within, reply };
        if awaited.reply.is_answered {
            self.for_answers.push_back(awaited);
        } else {
            self.to_be_written.push(awaited);
        }
    }

    /// What is due first, and why the connection ends if it does not come.
    fn next_due(&self) -> Option<(Instant, impl FnOnce() -> String + use<>)> {
        let foremost = self.for_answers.front().into_iter().chain(self.to_be_written.first());
        let Awaited { reply, due } = foremost.min_by_key(|awaited| awaited.due)?;
        let what = if reply.is_answered { "no answer" } else { "it takes nothing in" };
        let within_ms = reply.within.as_millis();
        Some((*due, move || format!("{what} within {within_ms} ms")))
    }
}

/// What the task and the handle of a connection share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: Address,
    waiting: Mutex<Waiting>,
    /// An awaited request was added.
    added: Notify,
    /// Why the connection ended.
    end: OnceLock<Arc<str>>,
}

impl Shared {
    pub(super) fn new(address: Address) -> Self {
        Self { address, waiting: Mutex::default(), added: Notify::new(), end: OnceLock::new() }
    }

    /// Why the connection ended, if it did.
    pub(super) fn end(&self) -> Option<Arc<str>> {
        self.end.get().cloned()
    }

    /// The error of a request that was not written.
    pub(super) fn not_sent(&self) -> CallError {
        let why = self.end().unwrap_or_else(|| "the connection was closed".into());
        CallError::NotSent { address: self.address.clone(), why }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a connection to its end.
pub(super) async fn drive(
    stream: TcpStream,
    frames: FrameReader,
    mut requests: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
) {
    let (read, write) = stream.into_split();
    let why = tokio::select! {
        why = write_all(write, &mut requests, &shared) => why,
        why = read_all(read, frames, &shared) => why,
        why = watch(&shared) => why,
    };
    let why: Arc<str> = why.into();
    // First the reason, so that whoever finds the channel closed can give it.
    let _ = shared.end.set(why.clone());
    requests.close();
    let Waiting { for_answers, to_be_written } = std::mem::take(&mut *shared.waiting());
    for Awaited { reply, .. } in for_answers.into_iter().chain(to_be_written) {
        let lost = CallError::NoAnswer { address: shared.address.clone(), why: why.clone() };
        // Whoever gave up waiting needs no error.
        let _ = reply.to.send(Err(lost));
    }
    // Not what is there now: who has a place in the channel already may be about to hand its request over, and would wait
    // for an answer for ever. It is there when the last place is given back.
    while let Some(Outgoing { reply, .. }) = requests.recv().await {
        let _ = reply.to.send(Err(shared.not_sent()));
    }
}

/// Writes requests, those that wait together in one go, until that fails or nobody can send any more.
async fn write_all(
    mut stream: OwnedWriteHalf,
    requests: &mut mpsc::Receiver<Outgoing>,
    shared: &Shared,
) -> String {
    let mut pieces = Pieces::default();
    while let Some(first) = requests.recv().await {
        let mut next = Some(first);
        while let Some(Outgoing { frame, reply }) = next {
            pieces.push(&frame);
            shared.waiting().push(reply);
            next = requests.try_recv().ok();
        }
        shared.added.notify_one();
        while pieces.has_remaining() {
            if let Err(error) = stream.write_buf(&mut pieces).await {
                return ended(&error);
            }
        }
        let written = std::mem::take(&mut shared.waiting().to_be_written);
        for Awaited { reply, .. } in written {
            // Whoever gave up waiting need not know.
            let _ = reply.to.send(Ok(Bytes::new()));
        }
    }
    "the connection was closed".to_owned()
}

/// Hands answers to those who wait for them, until the broker closes the connection or breaks the protocol.
async fn read_all(mut stream: OwnedReadHalf, mut frames: FrameReader, shared: &Shared) -> String {
    loop {
        match stream.read_buf(&mut frames.space()).await {
            Ok(0) => return "it closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => return ended(&error),
        }
        loop {
            match frames.next_frame() {
                Ok(Some(frame)) => {
                    if let Err(why) = deliver(frame, shared) {
                        return why;
                    }
                }
                Ok(None) => break,
                Err(error) if error.length == i32::from_be_bytes(*b"HTTP") => {
                    return "it speaks HTTP, not Kafka's protocol".to_owned();
                }
                Err(error) => {
                    refuse(error, shared);
                    return error.to_string();
                }
            }
        }
    }
}

/// An answer that is too long is the one that is due. Who waits for it is told so: it would be as long the next time.
fn refuse(error: FrameError, shared: &Shared) {
    let Some(Awaited { reply, .. }) = shared.waiting().for_answers.pop_front() else { return };
    let address = shared.address.clone();
    let refused = match usize::try_from(error.length) {
        Ok(size_bytes) => CallError::TooLong { address, size_bytes, answer_bytes_max: error.frame_bytes_max },
        Err(_) => CallError::NoAnswer { address, why: error.to_string().into() },
    };
    let _ = reply.to.send(Err(refused));
}

fn deliver(frame: Bytes, shared: &Shared) -> Result<(), String> {
    let id = frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
    let id = id.ok_or_else(|| format!("it sent an answer of {} bytes", frame.len()))?;
    let Some(Awaited { reply, .. }) = shared.waiting().for_answers.pop_front() else {
        return Err(format!("it sent answer {id}, and nothing was asked"));
    };
    let Reply { correlation_id, to, permit, .. } = reply;
    if correlation_id != id {
        let why = format!("it sent answer {id}, and {correlation_id} was due");
        let _ =
            to.send(Err(CallError::NoAnswer { address: shared.address.clone(), why: why.as_str().into() }));
        return Err(why);
    }
    drop(permit);
    // Whoever gave up waiting needs no answer.
    let _ = to.send(Ok(frame));
    Ok(())
}

/// Ends when an answer is overdue, or the broker takes in too slowly what it does not answer.
async fn watch(shared: &Shared) -> String {
    loop {
        let due = shared.waiting().next_due();
        match due {
            None => shared.added.notified().await,
            Some((due, why)) if due <= Instant::now() => return why(),
            // The next to be due may be another one by then, and may be due sooner.
            Some((due, _)) => tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = shared.added.notified() => {}
            },
        }
    }
}

fn ended(error: &io::Error) -> String {
    format!("the connection broke: {error}")
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Poll};

    use tokio::{net::TcpListener, sync::Semaphore};

    use super::*;

    #[tokio::test]
    async fn a_request_that_is_handed_over_while_the_connection_ends_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let shared = Arc::new(Shared::new(Address::new("127.0.0.1", address.port())));
        let (requests, receiver) = mpsc::channel(4);
        let place = requests.reserve().await.unwrap();
        let mut driving = pin!(drive(stream.unwrap(), FrameReader::new(1024), receiver, shared.clone()));
        // The broker is gone; the place in the channel is still held.
        drop(accepted);
        while shared.end().is_none() {
            assert_eq!(futures_util::poll!(&mut driving), Poll::Pending);
            tokio::task::yield_now().await;
        }
        let (to, answer) = oneshot::channel();
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let within = Duration::from_secs(1);
        let reply = Reply { correlation_id: 1, is_answered: true, to, within, permit };
        let frame =
            kafka_wire::encode_request(1, None, 4, &kafka_wire::messages::HeartbeatRequest::default());
        place.send(Outgoing { frame: frame.unwrap(), reply });
        driving.await;
        assert!(matches!(answer.await.unwrap(), Err(CallError::NotSent { .. })));
    }
}
