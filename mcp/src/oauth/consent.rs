//! Whoever consents.

use std::fmt;

use async_trait::async_trait;
use reqwest::header::LOCATION;
use url::Url;

use crate::limit::ERRAND_TIMEOUT;
use crate::server::origin;
use egress::Egress;

/// Gets somebody to consent.
#[async_trait]
pub trait Consent: fmt::Debug + Send + Sync {
    /// Shows a page of an authorization server, and gives the URL that it leads to in the end: `redirect` with a query.
    ///
    /// Fails with the reason, a sentence without a secret.
    async fn obtain(&self, page: &Url, redirect: &Url) -> Result<Url, String>;
}

/// Opens the page itself: for authorization servers that ask nobody, such as those of tests.
#[derive(Debug, Clone)]
pub struct Unattended {
    egress: Egress,
}

impl Unattended {
    /// Opens pages under a policy.
    pub fn new(egress: Egress) -> Self {
        Self { egress }
    }
}

#[async_trait]
impl Consent for Unattended {
    async fn obtain(&self, page: &Url, redirect: &Url) -> Result<Url, String> {
        let client = self.egress.client(page).map_err(|refusal| refusal.to_string())?;
        let response = client.get(page.clone()).timeout(ERRAND_TIMEOUT).send().await;
        let response = response.map_err(|_| format!("{} cannot be reached", origin(page)))?;
        let target = response.headers().get(LOCATION).and_then(|to| page.join(to.to_str().ok()?).ok());
        match target {
            Some(target) if target.origin() == redirect.origin() && target.path() == redirect.path() => Ok(target),
            _ => Err(format!("the page of {} does not lead back by itself", origin(page))),
        }
    }
}
