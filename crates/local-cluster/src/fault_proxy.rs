//! A TCP proxy in front of a metadata node that can break the network between certain nodes, while clients still
//! get through.
//!
//! The members of a quorum know each other by one URL each. With the proxy's address as that URL, all traffic to the
//! node passes here; and since requests between nodes say who sends them (`"from":<id>` in the head of each), the
//! first bytes of a connection tell which link it belongs to. Brokers say who they are in `user-agent`. A kept-alive
//! connection has one sender for its life.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use common::{BrokerId, NodeId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// What happens to the bytes of a connection, in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// They are held back, and delivered once the fault ends: a network that drops packets, as TCP shows it. New
    /// connections come about and are silent.
    Silence,
    /// Connections break, and new ones break at once: a peer whose process is gone.
    Reset,
    /// Each chunk arrives so much later.
    Delay(Duration),
}

/// Faults by sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rules {
    nodes: BTreeMap<NodeId, Fault>,
    brokers: BTreeMap<BrokerId, Fault>,
    clients: Fault,
}

impl Rules {
    fn of(&self, sender: Sender) -> Fault {
        match sender {
            Sender::Node(node) => self.nodes.get(&node).copied().unwrap_or_default(),
            Sender::Broker(broker) => self.brokers.get(&broker).copied().unwrap_or(self.clients),
            Sender::Other => self.clients,
        }
    }
}

/// Who began a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Node(NodeId),
    Broker(BrokerId),
    Other,
}

/// A proxy. Dropping it breaks all its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    /// Holds the accept loop, which holds the connections.
    _tasks: JoinSet<()>,
}

/// Bytes moved at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How much of a connection is looked at to find out who sends: a request's head and the start of its body.
const SENDER_BYTES_MAX: usize = 4 * 1024;

impl FaultProxy {
    /// Listens on a free port of the loopback address and passes everything on to `target`.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (rules, _) = watch::channel(Rules::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, rules.subscribe()));
        Ok(Self { address, rules, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault of what the node `from` sends here, and of the answers it gets.
    pub fn set(&self, from: NodeId, fault: Fault) {
        self.rules.send_modify(|rules| {
            rules.nodes.insert(from, fault);
        });
    }

    /// Sets the fault of what the broker `from` sends here, and of the answers it gets.
    pub fn set_broker(&self, from: BrokerId, fault: Fault) {
        self.rules.send_modify(|rules| {
            rules.brokers.insert(from, fault);
        });
    }

    /// Sets the fault of everything that comes from elsewhere: clients and brokers.
    pub fn set_clients(&self, fault: Fault) {
        self.rules.send_modify(|rules| rules.clients = fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.rules.send_replace(Rules::default());
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, rules: watch::Receiver<Rules>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of descriptors or the like: the peer sees a broken connection, which is what faults are.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, target, rules.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, to its end. Errors end it: both sides then see it break.
async fn connection(mut from: TcpStream, target: SocketAddr, rules: watch::Receiver<Rules>) {
    let _ = from.set_nodelay(true);
    let mut first = Vec::with_capacity(SENDER_BYTES_MAX);
    let sender = loop {
        match from.read_buf(&mut first).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if let Some(sender) = sender_of(&first) {
            break sender;
        }
    };
    let mut gate = Gate { sender, rules };
    if !gate.pass().await {
        return;
    }
    let Ok(mut to) = TcpStream::connect(target).await else { return };
    let _ = to.set_nodelay(true);
    if to.write_all(&first).await.is_err() {
        return;
    }
    let (from_read, from_write) = from.into_split();
    let (to_read, to_write) = to.into_split();
    tokio::join!(pump(from_read, to_write, gate.clone()), pump(to_read, from_write, gate));
}

/// Moves bytes one way until one side ends.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: Gate) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = tokio::select! {
            read = from.read(&mut chunk) => read,
            () = gate.reset() => return,
        };
        let Ok(count @ 1..) = read else { return };
        if !gate.pass().await || to.write_all(chunk.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

/// Lets bytes of one connection pass as the rules want it.
#[derive(Clone)]
struct Gate {
    sender: Sender,
    rules: watch::Receiver<Rules>,
}

impl Gate {
    /// Waits until the next chunk may pass. False: the connection is to break.
    async fn pass(&mut self) -> bool {
        let sender = self.sender;
        let fault = match self.rules.wait_for(|rules| rules.of(sender) != Fault::Silence).await {
            Ok(rules) => rules.of(sender),
            Err(_) => return false,
        };
        if let Fault::Delay(delay) = fault {
            tokio::time::sleep(delay).await;
        }
        fault != Fault::Reset
    }

    /// Resolves when the connection is to break.
    async fn reset(&mut self) {
        let sender = self.sender;
        // An error means that the proxy is gone: that breaks the connection as well.
        let _ = self.rules.wait_for(|rules| rules.of(sender) == Fault::Reset).await;
    }
}

/// Who sends, from the first bytes of a connection: `None` if more of them are needed.
fn sender_of(bytes: &[u8]) -> Option<Sender> {
    const BETWEEN_NODES: &[u8] = b"POST /api/v1/raft/";
    const FROM: &[u8] = b"\"from\":";
    let prefix = bytes.get(..BETWEEN_NODES.len().min(bytes.len())).unwrap_or_default();
    if !BETWEEN_NODES.starts_with(prefix) {
        return broker_or_other(bytes);
    }
    let after = bytes.windows(FROM.len()).position(|window| window == FROM).map(|at| at + FROM.len());
    let rest = after.and_then(|at| bytes.get(at..)).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // The number may go on in the next bytes.
    if digits > 0 && digits < rest.len() {
        let id =
            rest.get(..digits).and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| id.parse().ok());
        return Some(id.map_or(Sender::Other, Sender::Node));
    }
    (bytes.len() >= SENDER_BYTES_MAX).then_some(Sender::Other)
}

/// A broker by the `user-agent` in the head of its first request, which must be there as a whole.
fn broker_or_other(bytes: &[u8]) -> Option<Sender> {
    const AGENT: &str = "user-agent: dmq-broker/";
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    if end.is_none() && bytes.len() < SENDER_BYTES_MAX {
        return None;
    }
    let head = String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
    let head = head.to_ascii_lowercase();
    let id = head.lines().find_map(|line| line.strip_prefix(AGENT)).and_then(|id| id.trim().parse().ok());
    Some(id.map_or(Sender::Other, |id| Sender::Broker(BrokerId(id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAFT: &[u8] =
        b"POST /api/v1/raft/append-entries HTTP/1.1\r\nhost: x\r\n\r\n{\"header\":{\"from\":2,";

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::task::spawn_local(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes).await?;
        let mut back = vec![0; bytes.len()];
        stream.read_exact(&mut back).await?;
        assert_eq!(back, bytes);
        Ok(())
    }

    #[test]
    fn the_sender_is_read_from_the_first_request() {
        assert_eq!(sender_of(RAFT), Some(Sender::Node(NodeId(2))));
        assert_eq!(sender_of(RAFT.get(..RAFT.len() - 1).unwrap()), None, "the id may have more digits");
        assert_eq!(sender_of(b"POST /api"), None);
        assert_eq!(sender_of(b"GET /livez HTTP/1.1\r\n"), None, "the head has no end yet");
        assert_eq!(sender_of(b"GET /livez HTTP/1.1\r\n\r\n"), Some(Sender::Other));
        let broker = b"POST /x HTTP/1.1\r\nHost: y\r\nUser-Agent: dmq-broker/101\r\n\r\n";
        assert_eq!(sender_of(broker), Some(Sender::Broker(BrokerId(101))));
    }

    #[tokio::test(flavor = "local")]
    async fn a_silent_link_holds_bytes_and_delivers_them_when_it_heals() {
        let proxy = FaultProxy::start(echo().await).await.unwrap();
        let mut node = TcpStream::connect(proxy.address()).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        exchange(&mut node, RAFT).await.unwrap();
        proxy.set(NodeId(2), Fault::Silence);
        exchange(&mut client, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        node.write_all(b"held").await.unwrap();
        // The client's answer comes although it was sent later; the node's is still held.
        exchange(&mut client, b"more").await.unwrap();
        assert_eq!(node.try_read(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        proxy.heal();
        let mut back = [0; 4];
        node.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"held");
    }

    #[tokio::test(flavor = "local")]
    async fn a_reset_link_breaks_and_stays_broken() {
        let proxy = FaultProxy::start(echo().await).await.unwrap();
        let mut node = TcpStream::connect(proxy.address()).await.unwrap();
        exchange(&mut node, RAFT).await.unwrap();
        proxy.set(NodeId(2), Fault::Reset);
        let mut rest = [0; 1];
        assert!(matches!(node.read(&mut rest).await, Ok(0) | Err(_)));
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(exchange(&mut again, RAFT).await.is_err());
    }
}
