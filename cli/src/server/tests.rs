//! The servers themselves; `make tools` has put them into `.tools/bin`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::{Error, Options, free_port};

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("cuepoint-{:016x}", u64::from_le_bytes(backbone::chance::bytes()))))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test]
async fn a_server_comes_back_on_its_port_and_data() {
    for make in [|data: &Path| Options::nats(data), |data: &Path| Options::redis(data)] {
        let directory = Directory::new();
        let mut server = make(&directory.0).start().await.unwrap();
        let (port, pid) = (server.port(), server.pid());
        server.freeze().unwrap();
        server.thaw().unwrap();
        server.kill().await.unwrap();
        assert_eq!(server.pid(), None);
        server.restart().await.unwrap();
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        server.freeze().unwrap();
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_next_start_stops_what_an_earlier_one_left() {
    let directory = Directory::new();
    let mut left = Options::redis(&directory.0).start().await.unwrap();
    left.freeze().unwrap();
    let mut server = Options::redis(&directory.0).start().await.unwrap();
    left.exited().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    for make in [|data: &Path| Options::nats(data), |data: &Path| Options::redis(data)] {
        let directory = Directory::new();
        let port = free_port().unwrap();
        let _held = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let error = Options { port: Some(port), ..make(&directory.0) }.start().await.unwrap_err();
        assert!(matches!(error, Error::PortTaken { .. }), "{error}");
        assert!(error.to_string().contains(&port.to_string()));
    }
}

#[tokio::test]
async fn a_missing_or_foreign_program_is_a_sentence() {
    let directory = Directory::new();
    let start = |binary: &str| Options { binary: Some(binary.into()), ..Options::nats(&directory.0) }.start();
    assert_eq!(start("/nowhere/nats-server").await.unwrap_err().to_string(), "cannot run /nowhere/nats-server");
    assert_eq!(start("/bin/true").await.unwrap_err().to_string(), "/bin/true does not say its version: is it nats-server?");
}
