//! The way out: every request of this crate goes through it, and it says no where the operator does.

use std::fmt;
use std::sync::Arc;

use url::Url;

/// Why a request may not go out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// Gives a client for a URL, or refuses. The client follows no redirect.
#[derive(Clone)]
pub struct Gate(Arc<Open>);

type Open = dyn Fn(&Url) -> Result<reqwest::Client, Refusal> + Send + Sync;

impl Gate {
    /// A gate that asks `open`.
    pub fn new(open: impl Fn(&Url) -> Result<reqwest::Client, Refusal> + Send + Sync + 'static) -> Self {
        Self(Arc::new(open))
    }

    pub(crate) fn client(&self, url: &Url) -> Result<reqwest::Client, Refusal> {
        (self.0)(url)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}
