//! How a node is to be started.

use std::time::Duration;

use proto::limit;

use crate::proxy::Proxy;

/// Where a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the process of the test.
    Here,
    /// In a process of its own, which can be killed, frozen and terminated.
    Child,
}

/// How a node is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(crate) place: Place,
    pub(crate) nats: Option<String>,
    pub(crate) user: String,
    pub(crate) redis: Option<String>,
    pub(crate) turns: usize,
    pub(crate) body_bytes: usize,
    pub(crate) bounds: gateway::config::Bounds,
    pub(crate) drain: gateway::config::Drain,
    pub(crate) durability: Option<gateway::durability::Claim>,
    pub(crate) access: gateway::config::Access,
    pub(crate) drain_deadline: Duration,
    pub(crate) settings: Option<String>,
    pub(crate) fatal: Option<String>,
    pub(crate) retries: Vec<Duration>,
    pub(crate) flags: Vec<String>,
}

impl Setup {
    fn of(place: Place) -> Self {
        Self {
            place,
            nats: None,
            user: "worker".to_owned(),
            redis: None,
            turns: 64,
            body_bytes: limit::BODY_BYTES_MAX,
            bounds: gateway::config::Bounds::default(),
            drain: gateway::config::Drain::default(),
            durability: None,
            access: gateway::config::Access::default(),
            drain_deadline: limit::DRAIN_DEADLINE,
            settings: None,
            fatal: None,
            retries: outbox::config::Config::default().retries,
            flags: Vec::new(),
        }
    }

    /// What a gateway of a process of its own is told.
    pub(crate) fn gateway_flags(&self) -> Vec<String> {
        let gateway::config::Bounds { connections, body_memory_bytes, waits, followers, publishes, .. } = self.bounds;
        let gateway::config::Bounds { queue_time, head_time, body_time, idle_time, .. } = self.bounds;
        let counts = [
            ("--connections", connections),
            ("--body-memory-bytes", body_memory_bytes),
            ("--waits", waits),
            ("--followers", followers),
            ("--publishes", publishes),
            ("--body-bytes", self.body_bytes),
        ];
        let times = [
            ("--queue-time", queue_time),
            ("--head-time", head_time),
            ("--body-time", body_time),
            ("--idle-time", idle_time),
            ("--drain-delay", self.drain.delay),
            ("--drain-deadline", self.drain.deadline),
        ];
        let counts = counts.into_iter().map(|(flag, count)| [flag.to_owned(), count.to_string()]);
        let times = times.into_iter().map(|(flag, time)| [flag.to_owned(), format!("{}ms", time.as_millis())]);
        counts.chain(times).flatten().chain(self.flags.clone()).collect()
    }

    /// Further flags, of a process of its own.
    #[must_use]
    pub fn flags(self, flags: &[String]) -> Self {
        Self { flags: [self.flags.as_slice(), flags].concat(), ..self }
    }

    /// In the process of the test.
    pub fn here() -> Self {
        Self::of(Place::Here)
    }

    /// In a process of its own.
    pub fn child() -> Self {
        Self::of(Place::Child)
    }

    /// A worker of one role alone, and of the user for that; it must be a child.
    #[must_use]
    pub fn role(self, role: &str) -> Self {
        Self { user: role.to_owned(), ..self }.flags(&["--roles".to_owned(), role.to_owned()])
    }

    /// It reaches NATS at this address.
    #[must_use]
    pub fn nats(self, url: impl Into<String>) -> Self {
        Self { nats: Some(url.into()), ..self }
    }

    /// It reaches NATS over a proxy.
    #[must_use]
    pub fn nats_over(self, proxy: &Proxy) -> Self {
        self.nats(format!("nats://127.0.0.1:{}", proxy.port()))
    }

    /// It reaches Redis over a proxy.
    #[must_use]
    pub fn redis_over(self, proxy: &Proxy) -> Self {
        Self { redis: Some(format!("redis://127.0.0.1:{}", proxy.port())), ..self }
    }

    /// How many turns a worker runs at once.
    #[must_use]
    pub fn turns(self, turns: usize) -> Self {
        Self { turns, ..self }
    }

    /// The largest body that a gateway takes.
    #[must_use]
    pub fn body_bytes(self, body_bytes: usize) -> Self {
        Self { body_bytes, ..self }
    }

    /// What a worker lends its bots, as YAML.
    #[must_use]
    pub fn settings(self, settings: impl Into<String>) -> Self {
        Self { settings: Some(settings.into()), ..self }
    }

    /// The point at which a worker kills itself; it must be a child.
    #[must_use]
    pub fn fatal(self, point: impl Into<String>) -> Self {
        Self { fatal: Some(point.into()), ..self }
    }

    /// The pauses between attempts to tell the end of a turn.
    #[must_use]
    pub fn retries(self, retries: impl IntoIterator<Item = Duration>) -> Self {
        Self { retries: retries.into_iter().collect(), ..self }
    }

    /// How many readers may follow a gateway.
    #[must_use]
    pub fn followers(self, followers: usize) -> Self {
        self.bounds(|bounds| bounds.followers = followers)
    }

    /// How much a gateway takes on at once; it must be here.
    #[must_use]
    pub fn bounds(mut self, set: impl FnOnce(&mut gateway::config::Bounds)) -> Self {
        set(&mut self.bounds);
        self
    }

    /// How a gateway ends.
    #[must_use]
    pub fn drain(self, delay: Duration, deadline: Duration) -> Self {
        Self { drain: gateway::config::Drain { delay, deadline }, ..self }
    }

    /// What is known of the broker's servers.
    #[must_use]
    pub fn durability(self, claim: gateway::durability::Claim) -> Self {
        Self { durability: Some(claim), ..self }
    }

    /// What callers of a gateway are held to; it must be here.
    #[must_use]
    pub fn access(self, access: gateway::config::Access) -> Self {
        Self { access, ..self }
    }

    /// How long a clean stop of a worker may take.
    #[must_use]
    pub fn drain_deadline(self, drain_deadline: Duration) -> Self {
        Self { drain_deadline, ..self }
    }
}
