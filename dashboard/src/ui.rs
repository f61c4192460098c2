//! What every page is made with.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use backbone::seal::MasterKey;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::api::Api;
use crate::asset::Assets;
use crate::session::Keeper;

/// The time, in milliseconds since 1970; none while nobody knows it.
pub type Clock = Arc<dyn Fn() -> BoxFuture<'static, Option<i64>> + Send + Sync>;

/// What an operator sets.
pub struct Settings {
    /// Seals the cookies of sessions.
    pub master: MasterKey,
    /// Where callers reach this deployment; without it what the browser asked for.
    pub public_url: Option<Url>,
    /// Where a trace is looked at, with `{traceId}` for its id; without it ids are shown alone.
    pub trace_url: Option<String>,
    /// The time by which sessions end.
    pub clock: Clock,
    /// Ends the streams of open pages, so that the gateway can stop.
    pub shutdown: CancellationToken,
    /// A code that logs in once, and the token that it stands for.
    pub once: Option<(SecretString, SecretString)>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// What every page is made with.
pub(crate) struct Ui {
    /// The management API.
    pub(crate) api: Api,
    /// Makes and reads sessions.
    pub(crate) keeper: Keeper,
    /// Scripts and styles.
    pub(crate) assets: Assets,
    /// Where callers reach this deployment.
    pub(crate) public_url: Option<Url>,
    /// Where a trace is looked at.
    pub(crate) trace_url: Option<String>,
    /// Ends the streams of open pages.
    pub(crate) shutdown: CancellationToken,
    /// The time.
    pub(crate) clock: Clock,
    once: Mutex<Option<(SecretString, SecretString)>>,
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl Ui {
    /// Pages over an API.
    pub(crate) fn new(api: Router, settings: Settings) -> Self {
        let Settings { master, public_url, trace_url, clock, shutdown, once } = settings;
        Self {
            api: Api::new(api),
            keeper: Keeper::new(master),
            assets: Assets::default(),
            public_url,
            trace_url,
            shutdown,
            clock,
            once: Mutex::new(once),
        }
    }

    /// The token that a code stands for, the first time that it is shown.
    pub(crate) fn redeem(&self, code: &str) -> Option<SecretString> {
        use secrecy::ExposeSecret as _;

        let mut once = self.once.lock().unwrap_or_else(PoisonError::into_inner);
        once.take_if(|(known, _)| known.expose_secret().as_bytes().ct_eq(code.as_bytes()).into()).map(|(_, token)| token)
    }
}
