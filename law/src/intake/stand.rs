//! A gateway that stands by itself, over some triggers and tokens.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use backbone::catalogue::Snapshot;
use backbone::config;
use backbone::seal::{self, Purpose};
use bytes::Bytes;
use proto::id::TriggerId;
use proto::resource::{ApiToken, Busy, Common, Resource, Scope, SecretDigest, Signature, SignatureScheme, State, Trigger};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::broker::{self, Held, Published};
use super::sign;

/// The time, in milliseconds since 1970.
pub const NOW_MS: i64 = 1_790_000_000_000;
/// How long an answer is waited for: what waits for a turn, or follows one, has no other end here.
const PATIENCE: Duration = Duration::from_millis(250);
/// Largest answer that is looked at, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// The gateway, and what its broker holds.
#[derive(Debug)]
pub struct Stand {
    runtime: Runtime,
    router: Router,
    held: Held,
}

thread_local! {
    static STAND: Stand = Stand::new();
}

/// Lends this thread's gateway, which is made once: a connection for each case would be most of the work.
pub fn with_stand(work: impl FnOnce(&Stand)) {
    STAND.with(|stand| {
        stand.held.clear();
        work(stand);
    });
}

impl Stand {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let held = Held::default();
        let router = runtime.block_on(gateway(held.clone()));
        Self { runtime, router, held }
    }

    /// The answer to a request; none where there is none yet.
    pub fn ask(&self, request: Request<Body>) -> Option<Answer> {
        let asked = async {
            let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await.ok()?;
            Some(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await.ok().flatten() })
    }

    /// What was published since the last time, which is kept for repeats.
    pub fn published(&self) -> Vec<Published> {
        self.held.fresh()
    }
}

async fn gateway(held: Held) -> Router {
    let tasks = TaskTracker::new();
    let listener = async || TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (nats, redis) = (listener().await, listener().await);
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let addresses = (format!("nats://127.0.0.1:{}", port(&nats)), format!("redis://127.0.0.1:{}", port(&redis)));
    tasks.spawn(broker::serve_nats(nats, held));
    tasks.spawn(broker::serve_redis(redis));
    let client = backbone::nats::connect(&config::Nats::at(addresses.0), "law").await.expect("a client");
    client.flush().await.expect("a connection");
    gateway::fuzz::router(client, &config::Redis::at(addresses.1), snapshot(), NOW_MS)
}

/// Triggers of every kind, named by what is special about them.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let named = |id: &str| Trigger { secret: Some(SecretDigest::of("mine")), ..Trigger::new(trigger(id), None) };
    let open = |id: &str| Trigger { open: true, ..Trigger::new(trigger(id), None) };
    let signed = |id: &str, scheme, key: &str| {
        let key_sealed = seal::seal(&gateway::fuzz::master(), Purpose::SigningKey(&trigger(id)), key).expect("a seal");
        Trigger { signature: Some(Signature { scheme: SignatureScheme::into(scheme), key_sealed, ..Signature::default() }), ..open(id) }
    };
    let triggers = [
        named("orders"),
        open("open"),
        Trigger { text: Some("do it".to_owned()), ..open("text") },
        Trigger { busy: Busy::Reject, ..open("reject") },
        Trigger { state: State::Draining, ..open("draining") },
        Trigger { timezone: Some("Europe/Berlin".to_owned()), schedule: Some("daily".to_owned()), ..open("berlin") },
        signed("github", SignatureScheme::Github, sign::KEY),
        signed("stripe", SignatureScheme::Stripe, sign::KEY),
        signed("slack", SignatureScheme::Slack, sign::KEY),
        signed("standard", SignatureScheme::Standard, sign::STANDARD_KEY),
    ];
    for trigger in triggers {
        snapshot.insert(1, Resource::Trigger(trigger));
    }
    for (id, scopes, triggers) in
        [("admin", vec![Scope::Admin], vec![]), ("limited", vec![Scope::Operate, Scope::Publish], vec![trigger("orders")])]
    {
        let token = ApiToken {
            id: id.parse().expect("an id"),
            common: Common::of("api"),
            name: id.to_owned(),
            digest: SecretDigest::of(&format!("sk-{id}")),
            scopes,
            triggers,
            expires_at_ms: None,
            hint: String::new(),
            rate: None,
        };
        snapshot.insert(2, Resource::Token(token));
    }
    snapshot
}

fn trigger(id: &str) -> TriggerId {
    id.parse().expect("an id")
}
