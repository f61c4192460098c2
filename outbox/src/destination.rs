//! What a destination may be.
//!
//! The one check of all doors: the API, files, and once more before something is sent.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proto::id::DestinationId;
use proto::resource::Destination;
use proto::status::Status;
use proto::subject;
use proto::wire::destination::To;
use url::Url;

/// How many destinations a trigger may have.
pub const DESTINATIONS_MAX: usize = 8;
/// Longest address of a webhook, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;
/// Longest subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 256;
/// The ends that can be told, as a destination names them.
pub const STATUSES: [&str; 4] = ["completed", "failed", "cancelled", "dead"];
/// What a signing key of Standard Webhooks begins with.
pub const KEY_PREFIX: &str = "whsec_";
/// How long a signing key may be, in bytes (Standard Webhooks says 24 to 64).
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What is wrong with the destinations of a trigger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("results{}{field}: {reason}", index.map(|index| format!("[{index}]")).unwrap_or_default())]
pub struct Fault {
    /// Which destination; none for all of them.
    pub index: Option<usize>,
    /// The field in it, with a dot before it; empty for the whole.
    pub field: &'static str,
    /// What is wrong.
    pub reason: String,
}

/// Whether a destination wants to be told of such an end.
pub fn wants(destination: &Destination, status: Status) -> bool {
    let name = name_of(status);
    name.is_some_and(|name| destination.statuses.is_empty() || destination.statuses.iter().any(|wanted| wanted == name))
}

/// The name of an end that can be told.
pub fn name_of(status: Status) -> Option<&'static str> {
    match status {
        Status::Completed => Some("completed"),
        Status::Failed => Some("failed"),
        Status::Cancelled => Some("cancelled"),
        Status::Dead => Some("dead"),
        Status::Scheduled | Status::Queued | Status::Running | Status::Waiting | Status::Expired => None,
    }
}

/// Says what is wrong with the destinations of a trigger first.
pub fn check(destinations: &[Destination]) -> Result<(), Fault> {
    if destinations.len() > DESTINATIONS_MAX {
        let reason = format!("has {} destinations, at most {DESTINATIONS_MAX} are taken", destinations.len());
        return Err(Fault { index: None, field: "", reason });
    }
    let mut seen = HashSet::new();
    for (index, destination) in destinations.iter().enumerate() {
        let fault = |field, reason: String| Fault { index: Some(index), field, reason };
        destination.id.parse::<DestinationId>().map_err(|error| fault(".id", error.to_string()))?;
        if !seen.insert(destination.id.as_str()) {
            return Err(fault(".id", format!("{} stands twice", destination.id)));
        }
        match &destination.to {
            Some(To::Webhook(webhook)) => check_url(&webhook.url).map(drop).map_err(|reason| fault(".webhook.url", reason))?,
            Some(To::Subject(subject)) => check_subject(subject).map_err(|reason| fault(".subject", reason))?,
            None => return Err(fault("", "must be one of webhook and subject".into())),
        }
        if let Some(unknown) = destination.statuses.iter().find(|status| !STATUSES.contains(&status.as_str())) {
            return Err(fault(".statuses", format!("{unknown:?} is no end of a turn: {} are", STATUSES.join(", "))));
        }
    }
    Ok(())
}

/// Reads the address of a webhook.
pub fn check_url(text: &str) -> Result<Url, String> {
    if text.len() > URL_BYTES_MAX {
        return Err(format!("has {} bytes, at most {URL_BYTES_MAX} are taken", text.len()));
    }
    let url: Url = text.parse().map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be a http or https URL".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("may carry no user name or password".into());
    }
    Ok(url)
}

/// Says what is wrong with a subject to publish on.
pub fn check_subject(text: &str) -> Result<(), String> {
    let first = text.split('.').next().unwrap_or_default();
    if subject::OWN.contains(&first) || first.starts_with('$') {
        return Err(format!("{first} may not stand first: it reaches into Cuepoint's own subjects"));
    }
    let is_token = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'*' && byte != b'>');
    if text.len() <= SUBJECT_BYTES_MAX && text.split('.').all(is_token) {
        Ok(())
    } else {
        Err(format!("must be a subject such as results.orders, without wildcards, of at most {SUBJECT_BYTES_MAX} bytes"))
    }
}

/// The bytes of a signing key as Standard Webhooks writes it.
pub fn read_key(text: &str) -> Result<Vec<u8>, &'static str> {
    const RULE: &str = "must be a key of Standard Webhooks: whsec_ and 24 to 64 bytes in base64";
    let bytes = text.strip_prefix(KEY_PREFIX).and_then(|rest| STANDARD.decode(rest).ok()).ok_or(RULE)?;
    if KEY_BYTES.contains(&bytes.len()) { Ok(bytes) } else { Err(RULE) }
}

/// Makes a signing key of random bytes.
pub fn make_key(bytes: [u8; 32]) -> String {
    format!("{KEY_PREFIX}{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use proto::resource::{Destination, Webhook};
    use proto::status::Status;
    use proto::wire::destination::To;

    use super::{check, make_key, read_key, wants};

    fn webhook(id: &str, url: &str) -> Destination {
        let to = To::Webhook(Webhook { url: url.into(), key_sealed: bytes::Bytes::new() });
        Destination { id: id.into(), to: Some(to), ..Destination::default() }
    }

    fn subject(text: &str) -> Destination {
        Destination { id: "s".into(), to: Some(To::Subject(text.into())), ..Destination::default() }
    }

    #[test]
    fn only_what_can_be_told_to_is_a_destination() {
        check(&[webhook("a", "https://example.com/x?y=1"), subject("results.orders")]).unwrap();
        for (destination, field) in [
            (webhook("a b", "https://example.com"), "results[0].id"),
            (webhook("a", "ftp://example.com"), "results[0].webhook.url"),
            (webhook("a", "nowhere"), "results[0].webhook.url"),
            (webhook("a", "https://me:pw@example.com"), "results[0].webhook.url"),
            (subject("results.*"), "results[0].subject"),
            (subject("results..x"), "results[0].subject"),
            (subject(""), "results[0].subject"),
            (Destination { id: "a".into(), ..Destination::default() }, "results[0]"),
            (Destination { statuses: vec!["running".into()], ..subject("x") }, "results[0].statuses"),
        ] {
            let fault = check(&[destination]).unwrap_err().to_string();
            assert!(fault.starts_with(&format!("{field}: ")), "{fault}");
        }
        assert!(check(&[subject("a"), subject("b")]).unwrap_err().to_string().contains("stands twice"));
        assert!(check(&vec![subject("a"); 9]).is_err());
    }

    #[test]
    fn no_subject_reaches_into_our_own() {
        for own in proto::subject::OWN.into_iter().chain(["$JS", "$KV", "$SYS"]) {
            check(&[subject(&format!("{own}.a.b"))]).unwrap_err();
        }
        check(&[subject("events.a")]).unwrap();
    }

    #[test]
    fn a_destination_hears_of_the_ends_that_it_names_or_of_all() {
        let all = subject("x");
        let some = Destination { statuses: vec!["failed".into(), "dead".into()], ..subject("x") };
        for (status, by_all, by_some) in [
            (Status::Completed, true, false),
            (Status::Failed, true, true),
            (Status::Cancelled, true, false),
            (Status::Dead, true, true),
            (Status::Running, false, false),
            (Status::Expired, false, false),
        ] {
            assert_eq!((wants(&all, status), wants(&some, status)), (by_all, by_some), "{status:?}");
        }
    }

    #[test]
    fn a_key_is_what_standard_webhooks_calls_one() {
        assert_eq!(read_key(&make_key([7; 32])).unwrap(), [7; 32]);
        for text in ["", "whsec_", "whsec_!!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA"] {
            read_key(text).unwrap_err();
        }
        read_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    }
}
