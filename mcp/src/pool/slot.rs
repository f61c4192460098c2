//! A server's place in the pool: its connection, its authorization, and how it failed last.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::connect::Dialect;
use super::{Inner, Users};
use crate::connection::Connection;
use crate::error::Error;
use crate::failure::{Failure, Teller};
use crate::limit::{AUTHORIZE_TIMEOUT, BACK_OFF_FIRST, BACK_OFF_MAX};
use crate::mask::Mask;
use crate::oauth;
use crate::oauth::session::Session;
use crate::server::{Auth, Server};

/// A server's place in the pool.
pub(super) struct Slot {
    pub(super) server: Server,
    pub(super) teller: Teller,
    state: tokio::sync::Mutex<State>,
    users: Users,
    last_used: Mutex<Instant>,
    /// Counts authorizations: whoever saw an older token need not authorize again.
    grants: AtomicU64,
    is_connected: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    connection: Option<Arc<Connection>>,
    /// The authorization, once there was a connection that may need it.
    pub(super) session: Option<Session>,
    pub(super) dialect: Dialect,
    failures: u32,
    /// Until when the server is left alone, and why.
    shunned: Option<(Instant, String)>,
}

impl Slot {
    pub(super) fn new(server: Server) -> Self {
        let mask = Mask::default();
        mask_secrets(&server, &mask);
        Self {
            teller: Teller { server: server.label(), mask },
            server,
            state: tokio::sync::Mutex::default(),
            users: Users::default(),
            last_used: Mutex::new(Instant::now()),
            grants: AtomicU64::new(0),
            is_connected: AtomicBool::new(false),
        }
    }

    pub(super) fn users(&self) -> &Users {
        &self.users
    }

    pub(super) fn is_used(&self) -> bool {
        self.users.load(Ordering::Acquire) > 0
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    pub(super) fn touch(&self, now: Instant) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub(super) fn last_used(&self) -> Instant {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn grants(&self) -> u64 {
        self.grants.load(Ordering::Acquire)
    }

    pub(super) fn can_authorize(&self) -> bool {
        matches!(&self.server, Server::Http(http) if matches!(http.auth, Auth::Token(_)))
    }

    /// The connection, and whether it was made just now.
    pub(super) async fn connection(&self, pool: &Inner, patience: Duration) -> Result<(Arc<Connection>, bool), Failure> {
        let connecting = Box::pin(async {
            let mut state = self.state.lock().await;
            if let Some(connection) = state.connection.as_ref().filter(|connection| !connection.is_closed()) {
                return Ok((Arc::clone(connection), false));
            }
            self.set(&mut state, None);
            state.is_shunned(&self.teller)?;
            match self.connect(pool, &mut state).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    state.well();
                    self.set(&mut state, Some(Arc::clone(&connection)));
                    Ok((connection, true))
                }
                Err(Failure::Broken(error)) => {
                    state.failed(&error);
                    Err(Failure::Broken(error))
                }
                Err(failure) => Err(failure),
            }
        });
        let late = || Failure::Broken(self.teller.unreachable(format!("no connection within {patience:?}")));
        timeout(patience, connecting).await.unwrap_or_else(|_| Err(late()))
    }

    /// Gets a token that answers a challenge, unless somebody did since `seen`.
    pub(super) async fn authorize(&self, pool: &Inner, challenge: &str, seen: u64) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        if self.grants() != seen {
            return Ok(());
        }
        state.is_shunned(&self.teller).map_err(Failure::into_error)?;
        let Some(session) = &mut state.session else { return Err(Error::Unauthorized) };
        let authorizing = Box::pin(session.authorize(challenge, pool.config.consent.as_deref()));
        let authorized = timeout(AUTHORIZE_TIMEOUT, authorizing).await;
        let authorized = authorized.unwrap_or(Err(oauth::Error::Late(AUTHORIZE_TIMEOUT))).map_err(Error::OAuth);
        match &authorized {
            Ok(()) => {
                self.grants.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) => state.failed(error),
        }
        authorized
    }

    /// Lets go of a connection that is of no use.
    pub(super) async fn discard(&self, broken: &Arc<Connection>) {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, broken)) {
            self.set(&mut state, None);
        }
    }

    /// Closes the connection; whether the slot has a token that is worth keeping.
    pub(super) fn disconnect_and_stay(&self) -> bool {
        // Locked, it is in use after all.
        let Ok(mut state) = self.state.try_lock() else { return true };
        self.set(&mut state, None);
        state.session.is_some() && self.grants() > 0
    }

    /// Closes the connection and waits for it, if nobody else has it.
    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        let connection = state.connection.take();
        self.set(&mut state, None);
        if let Some(connection) = connection.and_then(Arc::into_inner) {
            connection.close().await;
        }
    }

    fn set(&self, state: &mut State, connection: Option<Arc<Connection>>) {
        self.is_connected.store(connection.is_some(), Ordering::Release);
        state.connection = connection;
    }
}

impl State {
    fn well(&mut self) {
        self.failures = 0;
        self.shunned = None;
    }

    fn failed(&mut self, error: &Error) {
        // The policy's word: nobody was bothered, and waiting changes nothing.
        if matches!(error, Error::Refused(_)) {
            return;
        }
        let pause = BACK_OFF_FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(BACK_OFF_MAX);
        self.failures = self.failures.saturating_add(1);
        self.shunned = Some((Instant::now() + pause, error.to_string()));
    }

    fn is_shunned(&self, teller: &Teller) -> Result<(), Failure> {
        let Some((until, reason)) = &self.shunned else { return Ok(()) };
        let wait = until.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let (server, reason) = (teller.server.clone(), reason.clone());
        Err(Failure::Broken(Error::BackingOff { server, wait_ms: wait.as_millis(), reason }))
    }
}

fn mask_secrets(server: &Server, mask: &Mask) {
    use secrecy::ExposeSecret as _;

    let Server::Http(http) = server else { return };
    // A key in a query is a bad place for it, and a common one.
    for (_, value) in http.url.query_pairs() {
        mask.add(&value);
    }
    for (_, value) in &http.headers {
        mask.add(value.expose_secret());
    }
    match &http.auth {
        Auth::None => {}
        Auth::Bearer(token) => mask.add(token.expose_secret()),
        Auth::Token(oauth) => oauth.secrets().for_each(|secret| mask.add(secret)),
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("server", &self.teller.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::State;
    use crate::error::Error;
    use crate::failure::{Failure, Teller};
    use crate::mask::Mask;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_fails_is_left_alone_for_longer_each_time_and_forgiven() {
        let teller = Teller { server: "http://a".into(), mask: Mask::default() };
        let mut state = State::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            state.failed(&Error::Closed);
            let Err(Failure::Broken(Error::BackingOff { wait_ms, .. })) = state.is_shunned(&teller) else { panic!("not shunned") };
            pauses.push(wait_ms);
            tokio::time::advance(Duration::from_millis(u64::try_from(wait_ms).unwrap())).await;
            state.is_shunned(&teller).unwrap();
        }
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        state.well();
        state.failed(&Error::Closed);
        let Err(Failure::Broken(error)) = state.is_shunned(&teller) else { panic!("not shunned") };
        assert_eq!(
            error.to_string(),
            "http://a failed a moment ago and is left alone for another 500 ms: the connection ended before the answer came"
        );
    }
}
