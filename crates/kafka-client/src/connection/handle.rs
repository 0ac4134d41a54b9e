//! The handle of a connection.

use std::{
    io,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use kafka_wire::{
    ApiKey, DecodeError, ErrorCode, FrameReader, Request, decode_response, encode_request,
    messages::{ApiVersionsRequest, ApiVersionsResponse},
};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use super::{
    CallError, ConnectionOptions,
    driver::{self, Answer, Outgoing, Reply, Shared},
};
use crate::{address::Address, versions::Versions};

/// The version of ApiVersions that is asked first, and the one that a broker answers in which does not have it (KIP-511).
const API_VERSIONS: (i16, i16) = (4, 0);

/// A connection to a broker. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    options: ConnectionOptions,
    versions: Versions,
    requests: mpsc::Sender<Outgoing>,
    in_flight: Arc<Semaphore>,
    next_id: AtomicI32,
    shared: Arc<Shared>,
    /// Dropped with the connection.
    _driver: JoinSet<()>,
}

/// A request that nobody answers, on its way. Dropping this does not take it back.
#[derive(Debug)]
pub struct Unanswered {
    written: oneshot::Receiver<Answer>,
    shared: Arc<Shared>,
}

/// An answer that is on its way. Dropping it does not take the request back.
#[derive(Debug)]
pub struct Pending<R> {
    answer: oneshot::Receiver<Answer>,
    version: i16,
    shared: Arc<Shared>,
    request: PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects, and asks which versions the broker has.
    ///
    /// # Errors
    /// If the broker cannot be reached or does not speak Kafka's protocol.
    pub async fn open(address: &Address, options: &ConnectionOptions) -> Result<Self, CallError> {
        let stream = connect(address, options.connection_setup_timeout).await.map_err(|error| {
            CallError::NotSent { address: address.clone(), why: error.to_string().into() }
        })?;
        let shared = Arc::new(Shared::new(address.clone()));
        let (requests, receiver) = mpsc::channel(options.max_in_flight.max(1));
        let frames = FrameReader::new(options.answer_bytes_max);
        let mut driver = JoinSet::new();
        driver.spawn(driver::drive(stream, frames, receiver, shared.clone()));
        let mut connection = Self {
            options: options.clone(),
            versions: Versions::default(),
            requests,
            in_flight: Arc::new(Semaphore::new(options.max_in_flight.max(1))),
            next_id: AtomicI32::new(0),
            shared,
            _driver: driver,
        };
        connection.versions = connection.negotiate().await?;
        Ok(connection)
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.start(request, i16::MAX, Duration::ZERO).await?.answer().await
    }

    /// Sends a request in the highest common version up to `version_max`, and does not wait for the answer. Requests are
    /// written in the order of these calls; while the most that may be in flight are, the call waits. `patience` is how
    /// long the request lets the broker wait, for example the `max_wait_ms` of a fetch.
    ///
    /// # Errors
    /// If it could not be sent.
    pub async fn start<R: Request>(
        &self,
        request: &R,
        version_max: i16,
        patience: Duration,
    ) -> Result<Pending<R>, CallError> {
        let version = self.version::<R>(version_max)?;
        let within = self.options.request_timeout + patience;
        let answer = self.send(request, version, true, within).await?;
        Ok(Pending { answer, version, shared: self.shared.clone(), request: PhantomData })
    }

    /// Sends a request that the broker does not answer: Produce with `acks=0`. It counts as in flight until it is written.
    ///
    /// # Errors
    /// If it could not be sent.
    pub async fn start_unanswered<R: Request>(
        &self,
        request: &R,
        version_max: i16,
    ) -> Result<Unanswered, CallError> {
        let version = self.version::<R>(version_max)?;
        let written = self.send(request, version, false, self.options.request_timeout).await?;
        Ok(Unanswered { written, shared: self.shared.clone() })
    }

    /// The versions that the broker has.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Where it leads.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Whether it has ended: every call will fail.
    pub fn is_closed(&self) -> bool {
        self.shared.end().is_some()
    }

    fn version<R: Request>(&self, version_max: i16) -> Result<i16, CallError> {
        self.versions
            .best::<R>(version_max)
            .ok_or_else(|| CallError::Version { address: self.address().clone(), api: R::KEY })
    }

    async fn send<R: Request>(
        &self,
        request: &R,
        version: i16,
        is_answered: bool,
        within: Duration,
    ) -> Result<oneshot::Receiver<Answer>, CallError> {
        let permit = self.in_flight.clone().acquire_owned().await.map_err(|_| self.shared.not_sent())?;
        let correlation_id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode_request(correlation_id, Some(&self.options.client_id), version, request)?;
        let (to, answer) = oneshot::channel();
        let reply = Reply { correlation_id, is_answered, to, within, permit };
        self.requests.send(Outgoing { frame, reply }).await.map_err(|_| self.shared.not_sent())?;
        Ok(answer)
    }

    async fn negotiate(&self) -> Result<Versions, CallError> {
        let request = ApiVersionsRequest {
            client_software_name: "distributedmq".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let (newest, oldest) = API_VERSIONS;
        let answer = self.send(&request, newest, true, self.options.connection_setup_timeout).await?;
        let frame = received(answer, &self.shared).await?;
        // A broker that is older than the request says so in version 0, and names its versions as well.
        let response = match decode_response::<ApiVersionsRequest>(&frame, newest) {
            Ok((_, response)) if response.error_code.is_none() => response,
            _ => self.readable(decode_response::<ApiVersionsRequest>(&frame, oldest))?,
        };
        let usable = response.error_code.is_none() || response.error_code == ErrorCode::UNSUPPORTED_VERSION;
        if usable && !response.api_keys.is_empty() {
            return Ok(Versions::of(&response));
        }
        Err(CallError::Version { address: self.address().clone(), api: ApiKey::ApiVersions })
    }

    fn readable(
        &self,
        decoded: Result<(i32, ApiVersionsResponse), DecodeError>,
    ) -> Result<ApiVersionsResponse, CallError> {
        let unreadable = |source| CallError::Unreadable { address: self.address().clone(), source };
        decoded.map(|(_, response)| response).map_err(unreadable)
    }
}

impl Unanswered {
    /// Waits until the network has it. That it arrived, nobody knows. Cancel safe.
    ///
    /// # Errors
    /// If the connection ended before; so it does when the broker has not taken everything in within the request timeout.
    pub async fn written(self) -> Result<(), CallError> {
        received(self.written, &self.shared).await.map(drop)
    }
}

impl<R: Request> Pending<R> {
    /// Waits for the answer. Cancel safe.
    ///
    /// # Errors
    /// If there is none.
    pub async fn answer(self) -> Result<R::Response, CallError> {
        let frame = received(self.answer, &self.shared).await?;
        match decode_response::<R>(&frame, self.version) {
            Ok((_, response)) => Ok(response),
            Err(source) => Err(CallError::Unreadable { address: self.shared.address.clone(), source }),
        }
    }
}

async fn received(answer: oneshot::Receiver<Answer>, shared: &Shared) -> Result<Bytes, CallError> {
    // The task was dropped with its connection: whether it had written the request, nobody knows.
    answer.await.unwrap_or_else(|_| {
        Err(CallError::NoAnswer { address: shared.address.clone(), why: "the connection was closed".into() })
    })
}

async fn connect(address: &Address, within: Duration) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let stream = timeout(within, connecting).await.map_err(|_| {
        let why = format!("not connected within {} ms", within.as_millis());
        io::Error::new(io::ErrorKind::TimedOut, why)
    })??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
