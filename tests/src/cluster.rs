//! nats-servers: one, or three that replicate.

use std::path::Path;

use cuepoint::server::{Kind, Options, Server, free_port};

/// Starts one server.
pub async fn one(data: &Path) -> Vec<Server> {
    vec![Options::nats(data.join("nats")).start().await.expect("nats-server starts")]
}

/// Starts one server that is told more.
pub(crate) async fn secured(data: &Path, extra: String) -> Vec<Server> {
    let kind = Kind::Nats { name: "cuepoint".into(), extra };
    vec![Options { kind, ..Options::nats(data.join("nats")) }.start().await.expect("nats-server starts")]
}

/// Starts three servers that know each other.
///
/// They do not tell clients of each other, so that a client reaches only what it was told of.
pub async fn three(data: &Path) -> Vec<Server> {
    let ports: Vec<u16> = (0..3).map(|_| free_port().expect("a free port")).collect();
    let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let routes = routes.join(", ");
    let starts = ports.iter().enumerate().map(|(index, port)| {
        let extra =
            format!("cluster {{\n  name: \"tests\"\n  listen: \"127.0.0.1:{port}\"\n  no_advertise: true\n  routes: [{routes}]\n}}\n");
        let kind = Kind::Nats { name: format!("n{index}"), extra };
        Options { kind, ..Options::nats(data.join(format!("nats{index}"))) }.start()
    });
    futures_util::future::try_join_all(starts).await.expect("three nats-servers start")
}
