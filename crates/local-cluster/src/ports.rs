//! Ports for processes that are killed and started again.
//!
//! Asking the system for any free port is not enough: it hands out ports of its ephemeral range, and while a process is
//! down some outgoing connection may take its port as a source port. These are taken from below that range, and a
//! lock file per port keeps clusters of several test processes apart for as long as the reservation lives.

use std::{
    fs::{File, OpenOptions},
    io,
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below Linux's ephemeral ports (32768 and up), above those of well-known servers.
const FIRST_PORT: u16 = 14_000;
const PORTS: u16 = 16_000;

/// A port that nobody else of this project uses while this lives.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    /// Locked; the lock ends with the file.
    _lock: File,
}

impl ReservedPort {
    /// Finds a port that is free now.
    ///
    /// # Errors
    /// If there is none, or no lock file can be made in the temporary directory.
    pub fn find() -> io::Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let directory = std::env::temp_dir().join("dmq-ports");
        std::fs::create_dir_all(&directory)?;
        // Processes begin at different places, so that they seldom meet.
        let offset = u16::try_from(process::id().wrapping_mul(97) % u32::from(PORTS)).unwrap_or_default();
        for _ in 0..PORTS {
            let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset) % PORTS;
            let port = FIRST_PORT + step;
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(directory.join(port.to_string()))?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(Self { port, _lock: lock });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("no free port from {FIRST_PORT} to {}", FIRST_PORT + PORTS - 1),
        ))
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_differ_although_nobody_listens() {
        let ports: Vec<_> = (0..20).map(|_| ReservedPort::find().unwrap()).collect();
        let mut numbers: Vec<_> = ports.iter().map(ReservedPort::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
    }
}
