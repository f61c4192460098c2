//! When an event counts: now or later, and until when.
//!
//! `delay` or `at` make it come later, `expiresIn` lets it lapse when its turn cannot begin in
//! time. Each may stand in the query, or in a header (`Cuepoint-Delay`, `Cuepoint-At`,
//! `Cuepoint-Expires-In`) where the query does not have it. A time to live counts from the moment
//! at which the event comes, so a later event has all of it.

use std::time::Duration;

use axum::http::HeaderMap;
use jiff::tz::TimeZone;
use proto::code::Code;
use proto::limit::{DELAY_MAX, EXPIRES_IN_MAX};
use proto::resource::Trigger;
use schedule::{moment, zone};

use crate::api_error::ApiError;
use crate::door::Door;
use crate::query;

/// Longest text that says a time or a length of time, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// What was said about time, as it was written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// How long the event is put off.
    pub(crate) delay: Option<String>,
    /// When it comes.
    pub(crate) at: Option<String>,
    /// How long it may wait for its turn.
    pub(crate) expires_in: Option<String>,
}

/// When an event comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    In(Duration),
    At(i64),
}

/// When an event counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    due: Option<Due>,
    expires_in: Option<Duration>,
}

/// The same, in milliseconds since 1970.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moments {
    /// When the event comes; none for now.
    pub(crate) due_ms: Option<i64>,
    /// When it is too late for its turn to begin.
    pub(crate) expires_at_ms: Option<i64>,
}

impl Written {
    /// What a call says in its query and headers.
    pub(crate) fn of_call(query: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        let said = |name: &'static str, header: &str| match query::first(query, name) {
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(fault(name, "must be percent-encoded UTF-8")),
            None => {
                let value = headers.get(header).map(|value| value.to_str().map(str::to_owned)).transpose();
                value.map_err(|_| fault(name, "must be visible ASCII where it stands in a header"))
            }
        };
        Ok(Self {
            delay: said("delay", "cuepoint-delay")?,
            at: said("at", "cuepoint-at")?,
            expires_in: said("expiresIn", "cuepoint-expires-in")?,
        })
    }

    /// What that means; times without an offset are read in the trigger's zone.
    pub(crate) fn read(&self, trigger: &Trigger) -> Result<Timing, ApiError> {
        let said = [("delay", &self.delay), ("at", &self.at), ("expiresIn", &self.expires_in)];
        if let Some((field, _)) = said.into_iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX)) {
            return Err(fault(field, "must have at most 64 bytes"));
        }
        let delay = self.delay.as_deref().map(|text| length("delay", text, DELAY_MAX)).transpose()?;
        let zone = || trigger.timezone.as_deref().and_then(|name| zone::parse(name).ok()).unwrap_or(TimeZone::UTC);
        let at = self.at.as_deref().map(|text| moment::instant_ms(text, &zone()).ok_or_else(unreadable)).transpose()?;
        let expires_in = self.expires_in.as_deref().map(|text| length("expiresIn", text, EXPIRES_IN_MAX)).transpose()?;
        if expires_in.is_some_and(|expires_in| expires_in.is_zero()) {
            return Err(fault("expiresIn", "must be longer than 0"));
        }
        let due = match (delay, at) {
            (Some(_), Some(_)) => return Err(fault("at", "must not stand beside delay: give one of the two")),
            (Some(delay), None) => Some(Due::In(delay)),
            (None, at) => at.map(Due::At),
        };
        Ok(Timing { due, expires_in })
    }
}

impl Timing {
    /// Whether the event comes later.
    pub(crate) fn is_later(self) -> bool {
        self.due.is_some()
    }

    /// The moments, by the broker's clock, which is asked only where something depends on it.
    pub(crate) async fn moments(self, door: &Door) -> Result<Moments, ApiError> {
        if self == Self::default() {
            return Ok(Moments::default());
        }
        match door.clock.now_ms(&door.client).await {
            Some(now_ms) => self.at(now_ms),
            None => Err(ApiError::unavailable("the broker does not say what time it is", &"no answer about the stream LOG")),
        }
    }

    fn at(self, now_ms: i64) -> Result<Moments, ApiError> {
        let due_ms = match self.due {
            Some(Due::In(delay)) => Some(now_ms.saturating_add(millis(delay))),
            Some(Due::At(at_ms)) if at_ms.saturating_sub(now_ms) > millis(DELAY_MAX) => {
                return Err(fault("at", "must be at most 30 days ahead"));
            }
            // What is past comes at once.
            Some(Due::At(at_ms)) => Some(at_ms.max(now_ms)),
            None => None,
        };
        let from_ms = due_ms.unwrap_or(now_ms);
        let expires_at_ms = self.expires_in.map(|expires_in| from_ms.saturating_add(millis(expires_in)));
        Ok(Moments { due_ms, expires_at_ms })
    }
}

fn length(field: &'static str, text: &str, longest: Duration) -> Result<Duration, ApiError> {
    let read = moment::duration(text).ok_or_else(|| fault(field, "must be milliseconds or a length of time such as 90s, 5m or 1h 30m"))?;
    if read <= longest {
        return Ok(read);
    }
    let days = usize::try_from(longest.as_secs() / 86_400).ok();
    Err(ApiError { limit: days, ..fault(field, if days == Some(30) { "must be at most 30 days" } else { "must be at most 365 days" }) })
}

fn unreadable() -> ApiError {
    fault("at", "must be milliseconds since 1970 or a time such as 2027-03-01T07:30:00Z, or 2027-03-01T07:30 in the trigger's time zone")
}

pub(crate) fn fault(field: &'static str, rule: &str) -> ApiError {
    ApiError { field: Some(field.into()), ..ApiError::new(Code::TimingInvalid, format!("{field} {rule}")) }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use proto::resource::Trigger;

    use super::{Moments, Written};

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    fn read(query: &str, header: &str) -> Result<Moments, String> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header.split_once('=') {
            headers.insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let trigger = Trigger { timezone: Some("Asia/Kolkata".into()), ..Trigger::new("t".parse().unwrap(), None) };
        let timing = Written::of_call(Some(query), &headers).and_then(|written| written.read(&trigger));
        timing.and_then(|timing| timing.at(NOW)).map_err(|error| {
            assert_eq!(error.code.as_str(), "CUE0135");
            error.field.unwrap().into_owned()
        })
    }

    fn check(query: &str, header: &str, due: Option<i64>, expires: Option<i64>) {
        assert_eq!(read(query, header), Ok(Moments { due_ms: due, expires_at_ms: expires }), "{query} {header}");
    }

    #[test]
    fn query_precedes_header_and_both_forms_are_read() {
        check("", "", None, None);
        check("delay=1500", "", Some(NOW + 1_500), None);
        check("delay=1h%2030m", "", Some(NOW + 5_400_000), None);
        check("", "cuepoint-delay=2s", Some(NOW + 2_000), None);
        check("delay=1s", "cuepoint-delay=2s", Some(NOW + 1_000), None);
        check("delay=0", "", Some(NOW), None);
        check("at=1800000001000", "", Some(NOW + 1_000), None);
        check("at=2027-01-15T08:00:01Z", "", Some(NOW + 1_000), None);
        check("at=2027-01-15T13:30:01", "", Some(NOW + 1_000), None);
        check("at=1970-01-02T00:00:00Z", "", Some(NOW), None);
        check("", "cuepoint-at=2027-01-15T08:00:01Z", Some(NOW + 1_000), None);
        check("expiresIn=5m", "", None, Some(NOW + 300_000));
        check("expiresIn=5m&delay=1000", "", Some(NOW + 1_000), Some(NOW + 301_000));
        check("delay=30d", "", Some(NOW + 30 * DAY), None);
    }

    #[test]
    fn each_fault_names_its_parameter() {
        for (query, field) in [
            ("delay=", "delay"),
            ("delay=soon", "delay"),
            ("delay=-1", "delay"),
            ("delay=31d", "delay"),
            ("delay=%ff", "delay"),
            ("at=tomorrow", "at"),
            ("at=2027-03-01T00:00:00Z", "at"),
            ("delay=1s&at=1800000001000", "at"),
            ("expiresIn=0", "expiresIn"),
            ("expiresIn=x", "expiresIn"),
            ("expiresIn=366d", "expiresIn"),
        ] {
            assert_eq!(read(query, ""), Err(field.to_owned()), "{query}");
        }
    }
}
