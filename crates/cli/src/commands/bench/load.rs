//! A closed-loop HTTP/1.1 load generator that costs little: it shares two cores with the cluster it measures, so
//! requests are built once, written to a kept-alive socket, and answers are scanned only for status and length.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// The longest latency told apart, in microseconds.
const LATENCY_MAX_US: u64 = 60_000_000;

/// The largest answer read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What a run of the generator saw.
#[derive(Debug)]
pub(crate) struct Load {
    /// Latencies of the accepted answers, in microseconds.
    pub(crate) latencies_us: Histogram<u64>,
    /// Answers with another status than the wanted one, with one example.
    pub(crate) refused: u64,
    /// One of the refused answers.
    pub(crate) example: Option<String>,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

impl Load {
    fn new() -> Self {
        let latencies_us =
            Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are constant and valid");
        Self { latencies_us, refused: 0, example: None, elapsed: Duration::ZERO }
    }

    /// Accepted answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies_us.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    fn merge(&mut self, other: Self) {
        self.latencies_us.add(&other.latencies_us).expect("all histograms have the same bounds");
        self.refused += other.refused;
        self.example = self.example.take().or(other.example);
    }
}

/// How much to send.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amount {
    /// For so long.
    For(Duration),
    /// So many requests by each client.
    Each(u64),
}

/// Runs `clients` connections against `address`. `request(client, n)` gives the bytes of a client's n-th request;
/// an answer counts when its status is `wanted`.
pub(crate) async fn run<F>(
    address: SocketAddr,
    clients: usize,
    amount: Amount,
    wanted: u16,
    request: F,
) -> std::io::Result<Load>
where
    F: Fn(usize, u64, &mut Vec<u8>) + Clone + Send + 'static,
{
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let mut connection = Connection::open(address).await?;
        let request = request.clone();
        tasks.spawn(async move { connection.drive(client, amount, wanted, request).await });
    }
    let mut total = Load::new();
    while let Some(joined) = tasks.join_next().await {
        total.merge(joined.map_err(std::io::Error::other)??);
    }
    total.elapsed = started.elapsed();
    Ok(total)
}

/// One kept-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer's status and body.
pub(crate) struct Answer<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    async fn drive<F>(
        &mut self,
        client: usize,
        amount: Amount,
        wanted: u16,
        request: F,
    ) -> std::io::Result<Load>
    where
        F: Fn(usize, u64, &mut Vec<u8>),
    {
        let mut load = Load::new();
        let mut bytes = Vec::with_capacity(1 << 10);
        let begun = Instant::now();
        let mut sent = 0;
        loop {
            match amount {
                Amount::For(time) if begun.elapsed() >= time => break,
                Amount::Each(count) if sent >= count => break,
                _ => {}
            }
            bytes.clear();
            request(client, sent, &mut bytes);
            sent += 1;
            let asked = Instant::now();
            let answer = self.ask(&bytes).await?;
            let latency_us = asked.elapsed().as_micros() as u64;
            if answer.status == wanted {
                load.latencies_us.saturating_record(latency_us.max(1));
            } else {
                load.refused += 1;
                load.example.get_or_insert_with(|| {
                    format!(
                        "{} {}",
                        answer.status,
                        String::from_utf8_lossy(answer.body.get(..300).unwrap_or(answer.body))
                    )
                });
            }
        }
        Ok(load)
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> std::io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::UnexpectedEof,
                    "the connection closed mid-answer",
                ));
            }
            if let Some(head) = Head::parse(&self.buffer)? {
                let end = head.length + head.body_length;
                while self.buffer.len() < end {
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
                let body = self.buffer.get(head.length..end).unwrap_or_default();
                return Ok(Answer { status: head.status, body });
            }
        }
    }
}

/// The part of an answer's head that matters here.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes up to the body.
    length: usize,
    body_length: usize,
}

impl Head {
    /// `None` until the head is complete.
    fn parse(bytes: &[u8]) -> std::io::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let malformed = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        let head = std::str::from_utf8(bytes.get(..end).unwrap_or_default())
            .map_err(|_| malformed("the head of an answer is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| malformed("an answer without a status"))?;
        let mut body_length = 0;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                body_length =
                    value.trim().parse().map_err(|_| malformed("an answer with a bad content-length"))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(malformed("a chunked answer, which this generator does not read"));
            }
        }
        if body_length > ANSWER_BYTES_MAX {
            return Err(malformed("an answer above 64 MiB"));
        }
        Ok(Some(Self { status, length: end + 4, body_length }))
    }
}

/// Appends a request with a JSON body to `bytes`.
pub(crate) fn write_request(bytes: &mut Vec<u8>, method: &str, path: &str, body: &str) {
    use std::io::Write;
    write!(
        bytes,
        "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("writing to a vector cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_complete() {
        assert_eq!(Head::parse(b"HTTP/1.1 201 Created\r\nContent-Len").unwrap(), None);
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nx: y\r\n\r\nabc";
        assert_eq!(
            Head::parse(bytes).unwrap(),
            Some(Head { status: 201, length: bytes.len() - 3, body_length: 3 })
        );
    }

    #[test]
    fn what_cannot_be_measured_is_an_error() {
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").is_err());
        assert!(Head::parse(b"nonsense\r\n\r\n").is_err());
    }
}
