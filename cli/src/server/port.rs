//! Free ports.
//!
//! They are taken below the range from which the kernel takes the ports of outgoing connections:
//! a client that keeps connecting to a dead port of that range can meet itself, and then holds the
//! port against the server's return.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// The ports to choose from; Linux takes those of outgoing connections from 32768 up.
const RANGE: std::ops::Range<u16> = 12_000..32_000;
/// How many are tried.
const TRIES_MAX: usize = 100;

/// A port of 127.0.0.1 that is free at this moment.
pub fn free() -> io::Result<u16> {
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES_MAX {
        let port = RANGE.start + u16::from_le_bytes(backbone::chance::bytes()) % (RANGE.end - RANGE.start);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}
