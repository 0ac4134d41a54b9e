//! What hostile clients send.

use std::{net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, stream};
use kafka_wire::registry;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long to read an answer to nonsense, if there is one.
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);

/// Connections of nonsense at the same time.
const AT_ONCE: usize = 32;

/// What a slow client announces. It never gets there.
const ANNOUNCED_BYTES: i32 = 1 << 20;

/// How often a slow client sends some bytes, and with which pauses.
const TRICKLES: usize = 20;
const TRICKLE_PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Attacks {
    target: SocketAddr,
}

/// Connections that are kept open.
pub(crate) struct Held(Vec<TcpStream>);

impl Attacks {
    pub(crate) fn new(target: SocketAddr) -> Self {
        Self { target }
    }

    /// Sends a round of nonsense, each piece on a connection of its own, and takes whatever is answered.
    pub(crate) async fn nonsense(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let pieces = nonsense(&mut random);
        stream::iter(pieces)
            .for_each_concurrent(AT_ONCE, async |piece| {
                let mut stream = self.connect(1).await;
                // It may be cut off in the middle.
                let _ = stream.write_all(&piece).await;
                let mut answer = [0; 4096];
                let _ = timeout(ANSWER_PATIENCE, stream.read(&mut answer)).await;
            })
            .await;
    }

    /// Opens connections that say nothing, from several addresses, as there is a limit for each.
    pub(crate) async fn idle(&self, count: usize) -> Held {
        let streams = stream::iter(0..count).map(|index| self.connect(index));
        Held(streams.buffer_unordered(AT_ONCE).collect().await)
    }

    /// Opens connections that begin a request, and wait.
    pub(crate) async fn slow(&self, count: usize) -> Held {
        let Held(mut streams) = self.idle(count).await;
        for stream in &mut streams {
            stream.write_all(&ANNOUNCED_BYTES.to_be_bytes()).await.unwrap();
            stream.write_all(&header(0, 9)).await.unwrap();
        }
        Held(streams)
    }

    async fn connect(&self, index: usize) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        let last = u8::try_from(2 + index % 8).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(self.target).await.expect("connections are taken")
    }
}

impl Held {
    /// How many the broker has not closed.
    pub(crate) fn open(&self) -> usize {
        let waits = |stream: &TcpStream| {
            stream.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        self.0.iter().filter(|stream| waits(stream)).count()
    }

    /// Sends a few bytes on each, again and again.
    pub(crate) async fn trickle(&mut self) {
        let mut pause = tokio::time::interval(TRICKLE_PAUSE);
        for _ in 0..TRICKLES {
            pause.tick().await;
            for stream in &mut self.0 {
                // Whoever is cut off for it is cut off.
                let _ = stream.try_write(&[0; 8]);
            }
        }
    }
}

/// Size, API key, version, correlation id, and the client id that is none.
fn header(key: i16, version: i16) -> Vec<u8> {
    [&key.to_be_bytes()[..], &version.to_be_bytes(), &1_i32.to_be_bytes(), &[0xff, 0xff]].concat()
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&i32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

fn nonsense(random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut bytes = |length: usize| -> Vec<u8> { (0..length).map(|_| random.u8(..)).collect() };
    // Random bytes; another protocol; sizes beyond reason, of which nothing follows.
    pieces.extend([1, 3, 4, 7, 100, 4096, 100_000].map(&mut bytes));
    pieces.push(b"GET / HTTP/1.1\r\nhost: broker\r\n\r\n".to_vec());
    pieces.push([&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &bytes(500)].concat());
    for size in [i32::MAX, i32::MIN, -1, 0, 1, 7, 100 << 20] {
        pieces.push([&size.to_be_bytes()[..], &bytes(64)].concat());
    }
    // Every API in every version, and some that are not: with random bodies, none, and counts beyond reason.
    for served in registry::all() {
        let key = served.key as i16;
        for version in [*served.answered.start(), *served.answered.end(), served.answered.end() + 1, -1] {
            let head = header(key, version);
            let many = [0xff, 0xff, 0xff, 0xff, 0x07];
            let bodies = [
                Vec::new(),
                bytes(200),
                vec![0xff; 64],
                vec![0x7f; 64],
                // No tags, and then the largest counts: of a compact array, and of an old one.
                [&[0][..], &many, &many, &many].concat(),
                [&[0, 0, 0][..], &i32::MAX.to_be_bytes(), &i32::MAX.to_be_bytes()].concat(),
            ];
            pieces.extend(bodies.iter().map(|body| framed(&[&head[..], body].concat())));
            // A request that breaks off.
            let mut whole = framed(&[&head[..], &bytes(100)].concat());
            whole.truncate(40);
            pieces.push(whole);
        }
    }
    pieces
}
