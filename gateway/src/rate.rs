//! How often something may be asked.
//!
//! Limits are held by GCRA (the leaky bucket as a meter): `count` calls may come at once, and one more
//! each `per / count`. All gateways share one count, in Redis; with Redis away each process counts for
//! itself by the same rule, so a deployment of N gateways then lets through up to N times as much.
//! Where no limit applies, Redis is not asked.
//!
//! In reading order:
//! - [`shared`]: the count in Redis, one script call for all limits that apply;
//! - [`local`]: the count of this process;
//! - [`address`]: where a call comes from;
//! - [`policy`]: what the caller is told.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backbone::redis::Redis;
use proto::code::Code;
use proto::resource::Rate;
use tokio::time::Instant;

use crate::api_error::ApiError;

pub mod address;
mod local;
pub(crate) mod policy;
mod shared;

/// How long Redis is not asked again after it was silent: a call must not wait for it each time.
const SILENT_FOR: Duration = Duration::from_secs(1);

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Events of a trigger.
    Trigger,
    /// Calls by a token.
    Token,
    /// Calls from an address.
    Address,
}

impl Kind {
    /// The name that the caller is told.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Token => "token",
            Self::Address => "address",
        }
    }
}

/// A limit that applies to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What it is about.
    pub(crate) kind: Kind,
    /// Which one of these.
    pub(crate) of: String,
    /// How many in which time.
    pub(crate) rate: Rate,
}

impl Limit {
    /// A limit, where there is one.
    pub(crate) fn of(kind: Kind, of: impl Into<String>, rate: Option<Rate>) -> Option<Self> {
        rate.filter(|rate| rate.count > 0 && rate.per_ms > 0).map(|rate| Self { kind, of: of.into(), rate })
    }
}

/// Where a limit stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Which one.
    pub(crate) kind: Kind,
    /// How many in which time.
    pub(crate) rate: Rate,
    /// How many more may come now.
    pub(crate) left: u32,
    /// After what time all of them may come again.
    pub(crate) whole_in: Duration,
    /// After what time the next may come, where this one may not.
    pub(crate) refused_for: Option<Duration>,
}

/// Holds calls to their limits.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    local: local::Counts,
    silent_since: Mutex<Option<Instant>>,
}

impl Limiter {
    /// Counts a call against all limits that apply, or refuses it.
    pub(crate) async fn take(&self, redis: &Redis, limits: &[Limit]) -> Result<Vec<Standing>, ApiError> {
        if limits.is_empty() {
            return Ok(Vec::new());
        }
        let counted = if self.is_silent() { None } else { shared::take(redis, limits).await };
        let standings = if let Some(standings) = counted {
            standings
        } else {
            self.note_silent();
            self.local.take(limits)
        };
        let worst = standings.iter().filter(|standing| standing.refused_for.is_some()).max_by_key(|standing| standing.refused_for);
        match worst {
            None => Ok(standings),
            Some(worst) => Err(refusal(*worst, standings.clone())),
        }
    }

    fn is_silent(&self) -> bool {
        let since = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() < SILENT_FOR)
    }

    fn note_silent(&self) {
        let mut since = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none_or(|since| since.elapsed() >= SILENT_FOR) {
            *since = Some(Instant::now());
        }
    }
}

fn refusal(worst: Standing, standings: Vec<Standing>) -> ApiError {
    let per = humantime::format_duration(Duration::from_millis(worst.rate.per_ms));
    let message = format!("at most {} calls in {per} are taken of this {}", worst.rate.count, worst.kind.as_str());
    let limit = usize::try_from(worst.rate.count).ok();
    ApiError { limit, standings, ..ApiError::new(Code::RateLimited, message) }
}
