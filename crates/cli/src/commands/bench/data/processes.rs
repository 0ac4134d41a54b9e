//! Processor time and memory of the brokers, where they run on this machine: found by the ports they listen on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::IpAddr,
};

use kafka_client::{Address, Cluster};
use runtime::metrics::ProcessFigures;
use serde::Serialize;
use tokio::time::Instant;

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;
const KIB_PER_MIB: f64 = 1024.0;

/// The brokers' processes when a measurement began.
pub(super) struct Watch {
    begun: Instant,
    brokers: Vec<(i32, u32, ProcessFigures)>,
}

/// What a broker's process used meanwhile.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BrokerUse {
    pub(super) broker: i32,
    pub(super) pid: u32,
    /// Processor time, in seconds.
    pub(super) cpu_seconds: f64,
    /// Of one core.
    pub(super) cpu_percent: f64,
    /// Resident memory now.
    pub(super) memory_mib: f64,
    /// The most there was since the process began.
    pub(super) peak_mib: f64,
}

impl Watch {
    /// Begins to watch the brokers that run here.
    pub(super) fn begin(cluster: &Cluster) -> Self {
        let ports = listening_ports();
        let pids = pids_of(ports.values().copied().collect());
        let brokers = cluster.metadata().brokers.into_iter().filter(|(_, address)| is_local(address));
        let brokers = brokers.filter_map(|(id, address)| {
            let pid = *pids.get(ports.get(&address.port)?)?;
            Some((id.0, pid, ProcessFigures::read(Some(pid))?))
        });
        Self { begun: Instant::now(), brokers: brokers.collect() }
    }

    /// What they used since.
    pub(super) fn end(&self) -> Vec<BrokerUse> {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let brokers = self.brokers.iter().filter_map(|(broker, pid, before)| {
            let now = ProcessFigures::read(Some(*pid))?;
            let cpu_seconds = now.cpu_seconds - before.cpu_seconds;
            let memory_mib = now.resident_memory_bytes as f64 / BYTES_PER_MIB;
            Some(BrokerUse {
                broker: *broker,
                pid: *pid,
                cpu_seconds,
                cpu_percent: 100.0 * cpu_seconds / seconds,
                memory_mib,
                peak_mib: peak_mib(*pid).unwrap_or(memory_mib),
            })
        });
        brokers.collect()
    }
}

fn is_local(address: &Address) -> bool {
    address.host == "localhost" || address.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The high-water mark of resident memory.
fn peak_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / KIB_PER_MIB)
}

/// The socket that listens on each TCP port.
fn listening_ports() -> BTreeMap<u16, u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    texts.flat_map(|text| text.lines().filter_map(listening).collect::<Vec<_>>()).collect()
}

/// Port and inode of a line of `/proc/net/tcp`, if it listens.
fn listening(line: &str) -> Option<(u16, u64)> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    (*fields.get(3)? == LISTEN).then_some(())?;
    Some((u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
}

/// The process that holds each of these sockets, of those that may be looked at.
fn pids_of(sockets: BTreeSet<u64>) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        for file in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(file.path()).unwrap_or_default();
            let socket = target.to_str().and_then(|target| target.strip_prefix("socket:["));
            let inode = socket.and_then(|inode| inode.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| sockets.contains(inode)) {
                found.insert(inode, pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ports = listening_ports();
        let pids = pids_of(ports.values().copied().collect());
        let pid = ports.get(&port).and_then(|socket| pids.get(socket));
        assert_eq!(pid, Some(&std::process::id()));
        assert!(is_local(&Address::new("127.0.0.1", port)));
        assert!(!is_local(&Address::new("example.com", port)));
    }
}
