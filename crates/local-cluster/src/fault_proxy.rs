//! A TCP proxy in front of a process that can break the network between certain others and it, while the rest still gets
//! through.
//!
//! The members of a cluster know each other by one address each. With the proxy's as that address, all traffic to the
//! process passes here, and the first bytes of a connection tell [who](Sender) began it.

mod sender;

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

pub use sender::Sender;
use sender::{Protocol, SENDER_BYTES_MAX};

/// What happens to the bytes of a connection.
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

/// Which bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From who began it: requests.
    There,
    /// To who began it: answers.
    Back,
}

/// Faults by sender and way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rules(BTreeMap<(Sender, Way), Fault>);

impl Rules {
    fn of(&self, sender: Sender, way: Way) -> Fault {
        let own = self.0.get(&(sender, way));
        // A broker is a client like others, unless something is said of it.
        let fallback = || self.0.get(&(Sender::Other, way));
        let fault = if matches!(sender, Sender::Node(_)) { own } else { own.or_else(fallback) };
        fault.copied().unwrap_or_default()
    }

    fn set(&mut self, sender: Sender, way: Way, fault: Fault) {
        self.0.insert((sender, way), fault);
    }
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

impl FaultProxy {
    /// Listens on a free port of the loopback address and passes HTTP requests on to `target`.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        Self::start_as(Protocol::Http, target).await
    }

    /// The same for what speaks Kafka's protocol.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start_kafka(target: SocketAddr) -> io::Result<Self> {
        Self::start_as(Protocol::Kafka, target).await
    }

    async fn start_as(protocol: Protocol, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (rules, _) = watch::channel(Rules::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, protocol, target, rules.subscribe()));
        Ok(Self { address, rules, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault of what `from` sends here, or of the answers it gets.
    pub fn set_way(&self, from: Sender, way: Way, fault: Fault) {
        self.rules.send_modify(|rules| rules.set(from, way, fault));
    }

    /// Sets the fault of what the node `from` sends here, and of the answers it gets.
    pub fn set(&self, from: NodeId, fault: Fault) {
        self.set_both(Sender::Node(from), fault);
    }

    /// Sets the fault of what the broker `from` sends here, and of the answers it gets.
    pub fn set_broker(&self, from: BrokerId, fault: Fault) {
        self.set_both(Sender::Broker(from), fault);
    }

    /// Sets the fault of everything that comes from elsewhere: clients and brokers.
    pub fn set_clients(&self, fault: Fault) {
        self.set_both(Sender::Other, fault);
    }

    fn set_both(&self, from: Sender, fault: Fault) {
        self.rules.send_modify(|rules| {
            rules.set(from, Way::There, fault);
            rules.set(from, Way::Back, fault);
        });
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.rules.send_replace(Rules::default());
    }
}

async fn accept(
    listener: TcpListener,
    protocol: Protocol,
    target: SocketAddr,
    rules: watch::Receiver<Rules>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of descriptors or the like: the peer sees a broken connection, which is what faults are.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, protocol, target, rules.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, to its end. Errors end it: both sides then see it break.
async fn connection(
    mut from: TcpStream,
    protocol: Protocol,
    target: SocketAddr,
    rules: watch::Receiver<Rules>,
) {
    let _ = from.set_nodelay(true);
    let mut first = Vec::with_capacity(SENDER_BYTES_MAX);
    let sender = loop {
        match from.read_buf(&mut first).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if let Some(sender) = protocol.sender_of(&first) {
            break sender;
        }
    };
    let (mut there, back) =
        (Gate { sender, way: Way::There, rules: rules.clone() }, Gate { sender, way: Way::Back, rules });
    if !there.pass().await {
        return;
    }
    let Ok(mut to) = TcpStream::connect(target).await else { return };
    let _ = to.set_nodelay(true);
    if to.write_all(&first).await.is_err() {
        return;
    }
    let (from_read, from_write) = from.into_split();
    let (to_read, to_write) = to.into_split();
    tokio::join!(pump(from_read, to_write, there), pump(to_read, from_write, back));
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

/// Lets the bytes of one way of a connection pass as the rules want it.
struct Gate {
    sender: Sender,
    way: Way,
    rules: watch::Receiver<Rules>,
}

impl Gate {
    /// Waits until the next chunk may pass. False: the connection is to break.
    async fn pass(&mut self) -> bool {
        let (sender, way) = (self.sender, self.way);
        let fault = match self.rules.wait_for(|rules| rules.of(sender, way) != Fault::Silence).await {
            Ok(rules) => rules.of(sender, way),
            Err(_) => return false,
        };
        if let Fault::Delay(delay) = fault {
            tokio::time::sleep(delay).await;
        }
        fault != Fault::Reset
    }

    /// Resolves when the connection is to break.
    async fn reset(&mut self) {
        let (sender, way) = (self.sender, self.way);
        // An error means that the proxy is gone: that breaks the connection as well.
        let _ = self.rules.wait_for(|rules| rules.of(sender, way) == Fault::Reset).await;
    }
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

    #[tokio::test(flavor = "local")]
    async fn one_way_can_be_silent_alone() {
        let proxy = FaultProxy::start(echo().await).await.unwrap();
        let mut node = TcpStream::connect(proxy.address()).await.unwrap();
        exchange(&mut node, RAFT).await.unwrap();
        proxy.set_way(Sender::Node(NodeId(2)), Way::Back, Fault::Silence);
        node.write_all(b"arrives").await.unwrap();
        // The echo has it, and its answer is held: another client's exchange comes after it.
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        exchange(&mut client, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(node.try_read(&mut [0; 7]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        proxy.heal();
        let mut back = [0; 7];
        node.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"arrives");
    }
}
