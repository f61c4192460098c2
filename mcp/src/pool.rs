//! Connections to servers, kept while they are used.
//!
//! One connection for each configuration of a server, made when it is first needed and shared by
//! all who use it. It is made anew when it turns out to be dead; a server that cannot be reached is
//! left alone for a while that grows with each failure. What nobody uses is closed.
//!
//! Guarantees: a call is sent again only where the first try cannot have been carried out. Not
//! guaranteed: that a call whose answer was lost was not carried out; [`Error::may_have_happened`] tells.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::slot::Slot;
use crate::connection::Connection;
use crate::error::Error;
use crate::failure::Failure;
use crate::handler::Elicitation;
use crate::limit::{
    ARGUMENT_BYTES_MAX, AUTHORIZATIONS_MAX, CONNECT_TIMEOUT, CONNECTS_MAX, GOODBYE_TIMEOUT, IDLE, KEY_BYTES_MAX, NAME_BYTES_MAX,
    SERVERS_MAX,
};
use crate::oauth;
use crate::oauth::consent::Consent;
use crate::program::{PATH, Programs};
use crate::server::{Key, Server};
use crate::tool::Tool;
use egress::Egress;

mod connect;
mod slot;

/// Shortest time between two looks for idle connections.
const SWEEP_MIN: Duration = Duration::from_millis(20);

/// What a pool may do, and how much of it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The programs that may be started.
    pub programs: Programs,
    /// The `PATH` of those programs.
    pub path: String,
    /// How many servers are kept track of.
    pub servers_max: usize,
    /// How long a connection that nobody uses is kept.
    pub idle: Duration,
    /// What is said to a server that asks a person for input.
    pub elicitation: Elicitation,
    /// Who consents to authorizations, if anybody.
    pub consent: Option<Arc<dyn Consent>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            programs: Programs::new(),
            path: PATH.to_owned(),
            servers_max: SERVERS_MAX,
            idle: IDLE,
            elicitation: Elicitation::Decline,
            consent: None,
        }
    }
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The tool, by the name that the server gives it.
    pub tool: &'a str,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// Tells a repeat of this call from a new one, to servers that mind it: `cuepoint/idempotencyKey` in `_meta`.
    pub idempotency_key: Option<&'a str>,
    /// How long it may go without an answer or a sign of progress.
    pub timeout: Duration,
}

/// Connections to servers; a clone is the same pool. Dropping the last one closes it.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    egress: Egress,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A server in use: it is not swept away.
struct Use {
    slot: Arc<Slot>,
}

impl Pool {
    /// Opens a pool; to be called in a runtime.
    pub fn new(config: Config, egress: Egress) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let every = (config.idle / 4).max(SWEEP_MIN);
        let inner = Arc::new(Inner { config, egress, slots: Mutex::default(), tasks: tasks.clone(), stop: stop.clone() });
        // Ends with the pool.
        tasks.spawn(sweep(Arc::downgrade(&inner), stop, every));
        Self(inner)
    }

    /// The tools of a server; asked for again when the server says that they have changed, or after some minutes.
    pub async fn tools(&self, server: &Server) -> Result<Arc<[Tool]>, Error> {
        self.0.operate(server, CONNECT_TIMEOUT, &List).await
    }

    /// Calls a tool, and gives its result: `content` and, where the server gave it, `structuredContent`.
    ///
    /// Text is bounded; pictures and files are described, not inlined. Dropping the future tells the
    /// server that nobody waits.
    pub async fn call(&self, server: &Server, call: Call<'_>) -> Result<Value, Error> {
        let bytes = serde_json::to_vec(&call.arguments).map_or(usize::MAX, |bytes| bytes.len());
        bounded("arguments", bytes, ARGUMENT_BYTES_MAX)?;
        bounded("tool", call.tool.len(), NAME_BYTES_MAX)?;
        bounded("idempotency key", call.idempotency_key.map_or(0, str::len), KEY_BYTES_MAX)?;
        let patience = call.timeout.min(CONNECT_TIMEOUT);
        self.0.operate(server, patience, &call).await
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.0.slots().values().filter(|slot| slot.is_connected()).count()
    }

    /// Closes every connection, and waits for it: sessions are given back, programs stopped.
    pub async fn close(&self) {
        self.0.stop.cancel();
        let slots: Vec<_> = self.0.slots().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            // Each is bounded by itself.
            self.0.tasks.spawn(async move { slot.close().await });
        }
        self.0.tasks.close();
        drop(timeout(GOODBYE_TIMEOUT, self.0.tasks.wait()).await);
    }
}

/// What is done over a connection, perhaps more than once.
trait Act: Sync {
    type Done: Send;

    fn act(&self, connection: &Connection) -> impl Future<Output = Result<Self::Done, Failure>> + Send;
}

struct List;

impl Act for List {
    type Done = Arc<[Tool]>;

    async fn act(&self, connection: &Connection) -> Result<Self::Done, Failure> {
        connection.tools().await
    }
}

impl Act for Call<'_> {
    type Done = Value;

    async fn act(&self, connection: &Connection) -> Result<Value, Failure> {
        connection.call(self.tool.to_owned(), self.arguments.clone(), self.idempotency_key, self.timeout).await
    }
}

fn bounded(field: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max { Err(Error::Arguments { field, bytes, bytes_max }) } else { Ok(()) }
}

impl Inner {
    /// Does something over a server's connection, and again where the first try came to nothing.
    async fn operate<A: Act>(&self, server: &Server, patience: Duration, act: &A) -> Result<A::Done, Error> {
        let used = self.take(server)?;
        let (mut connects, mut authorizations) = (0, 0);
        loop {
            let seen = used.slot.grants();
            let (failure, is_new) = match used.slot.connection(self, patience).await {
                Ok((connection, is_new)) => match act.act(&connection).await {
                    Ok(done) => return Ok(done),
                    Err(failure) => {
                        if matches!(failure, Failure::Broken(_)) {
                            used.slot.discard(&connection).await;
                        }
                        (failure, is_new)
                    }
                },
                Err(failure) => (failure, true),
            };
            match failure {
                Failure::Challenge(challenge) if used.slot.can_authorize() => {
                    if authorizations >= AUTHORIZATIONS_MAX {
                        return Err(Error::OAuth(oauth::Error::NeverEnough(authorizations)));
                    }
                    authorizations += 1;
                    used.slot.authorize(self, &challenge, seen).await?;
                }
                Failure::Broken(error) if !is_new && !error.may_have_happened() && connects + 1 < CONNECTS_MAX => connects += 1,
                failure => return Err(failure.into_error()),
            }
        }
    }

    /// The slot of a server, made where there is none; another that nobody uses makes room.
    fn take(&self, server: &Server) -> Result<Use, Error> {
        if self.stop.is_cancelled() {
            return Err(Error::PoolClosed);
        }
        let key = server.key();
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&key) {
            return Ok(Use::of(slot));
        }
        if slots.len() >= self.config.servers_max {
            let unused = slots.iter().filter(|(_, slot)| !slot.is_used());
            let oldest = unused.min_by_key(|(_, slot)| slot.last_used()).map(|(key, _)| *key);
            // Its connection ends with it.
            oldest.and_then(|key| slots.remove(&key)).ok_or(Error::Full { max: self.config.servers_max })?;
        }
        let slot = Arc::new(Slot::new(server.clone()));
        slots.insert(key, Arc::clone(&slot));
        Ok(Use::of(&slot))
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what nobody has used for a while.
    fn sweep(&self) {
        let is_idle = |slot: &Slot| !slot.is_used() && slot.last_used().elapsed() >= self.config.idle;
        self.slots().retain(|_, slot| !is_idle(slot) || slot.disconnect_and_stay());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn sweep(pool: Weak<Inner>, stop: CancellationToken, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match pool.upgrade() {
            Some(pool) => pool.sweep(),
            None => return,
        }
    }
}

impl Use {
    fn of(slot: &Arc<Slot>) -> Self {
        slot.users().fetch_add(1, Ordering::AcqRel);
        Self { slot: Arc::clone(slot) }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.slot.touch(Instant::now());
        self.slot.users().fetch_sub(1, Ordering::AcqRel);
    }
}

type Users = AtomicUsize;
