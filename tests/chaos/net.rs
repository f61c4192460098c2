//! The ways between processes and servers: each process has its own to each server.

use std::time::Duration;

use tests::proxy::Proxy;
use tests::system::System;

/// The ways of one process.
#[derive(Debug)]
struct Lane {
    nats: Vec<Proxy>,
    redis: Proxy,
}

/// All ways, by process.
#[derive(Debug)]
pub(crate) struct Net(Vec<Lane>);

/// What happens on some of the ways.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Weather {
    /// Everything passes.
    Fair,
    /// Nothing does, and connections are closed.
    Cut,
    /// Everything passes after a while.
    Slow(Duration),
}

impl Net {
    /// Ways for so many processes.
    pub(crate) async fn of(system: &System, processes: usize) -> Self {
        let mut lanes = Vec::new();
        for _ in 0..processes {
            let nats = futures_util::future::join_all(system.nats.iter().map(|server| Proxy::to(server.port()))).await;
            lanes.push(Lane { nats, redis: system.redis_proxy().await });
        }
        Self(lanes)
    }

    /// Where a process reaches NATS, the servers turned so that not all begin at one.
    pub(crate) fn nats_url(&self, process: usize) -> String {
        let ports: Vec<u16> = self.0.get(process).map(|lane| lane.nats.iter().map(Proxy::port).collect()).unwrap_or_default();
        let turned = ports.iter().cycle().skip(process % ports.len().max(1)).take(ports.len());
        turned.map(|port| format!("nats://127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }

    /// Where a process reaches Redis.
    pub(crate) fn redis_url(&self, process: usize) -> String {
        let port = self.0.get(process).map(|lane| lane.redis.port()).unwrap_or_default();
        format!("redis://127.0.0.1:{port}")
    }

    /// Sets the weather between one process and all nats-servers.
    pub(crate) fn nats_of(&self, process: usize, weather: Weather) {
        self.0.iter().skip(process).take(1).flat_map(|lane| &lane.nats).for_each(|proxy| set(proxy, weather));
    }

    /// Sets the weather between all processes and one nats-server.
    pub(crate) fn nats_to(&self, server: usize, weather: Weather) {
        self.0.iter().filter_map(|lane| lane.nats.get(server)).for_each(|proxy| set(proxy, weather));
    }

    /// Sets the weather between one process, or all of them, and Redis.
    pub(crate) fn redis_of(&self, process: Option<usize>, weather: Weather) {
        let lanes = self.0.iter().enumerate().filter(|(number, _)| process.is_none_or(|process| process == *number));
        lanes.for_each(|(_, lane)| set(&lane.redis, weather));
    }
}

fn set(proxy: &Proxy, weather: Weather) {
    match weather {
        Weather::Fair => proxy.restore(),
        Weather::Cut => proxy.cut(),
        Weather::Slow(by) => proxy.delay(by),
    }
}
