//! What the caller is told of limits.
//!
//! `RateLimit-Policy` says what the limits are, `RateLimit` where they stand: lists of structured fields
//! by draft-ietf-httpapi-ratelimit-headers-10, such as `"trigger";q=100;w=60` and `"trigger";r=7;t=12`.
//! A refusal also has `Retry-After`, in whole seconds, never too few.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::Standing;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Puts the standings into the headers of an answer.
pub(crate) fn tell(headers: &mut HeaderMap, standings: &[Standing]) {
    if standings.is_empty() {
        return;
    }
    let policy = list(standings, |standing| {
        let window = ceiling_s(Duration::from_millis(standing.rate.per_ms));
        format!("\"{}\";q={};w={window}", standing.kind.as_str(), standing.rate.count)
    });
    let limit = list(standings, |standing| {
        let until = standing.refused_for.unwrap_or(standing.whole_in);
        format!("\"{}\";r={};t={}", standing.kind.as_str(), standing.left, ceiling_s(until))
    });
    for (name, value) in [(POLICY, policy), (LIMIT, limit)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    if let Some(wait) = standings.iter().filter_map(|standing| standing.refused_for).max() {
        headers.insert(RETRY_AFTER, HeaderValue::from(ceiling_s(wait).max(1)));
    }
}

fn list(standings: &[Standing], item: impl Fn(&Standing) -> String) -> String {
    standings.iter().map(item).collect::<Vec<_>>().join(", ")
}

fn ceiling_s(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderMap;
    use proto::resource::Rate;

    use super::super::{Kind, Standing};
    use super::tell;

    #[test]
    fn the_headers_are_lists_of_structured_fields() {
        let rate = Rate { count: 100, per_ms: 60_000 };
        let free = Standing { kind: Kind::Trigger, rate, left: 7, whole_in: Duration::from_millis(11_001), refused_for: None };
        let used = Standing { kind: Kind::Token, left: 0, refused_for: Some(Duration::from_millis(1_200)), ..free };
        let mut headers = HeaderMap::new();
        tell(&mut headers, &[]);
        assert!(headers.is_empty());
        tell(&mut headers, &[free]);
        assert_eq!(headers["ratelimit-policy"], r#""trigger";q=100;w=60"#);
        assert_eq!(headers["ratelimit"], r#""trigger";r=7;t=12"#);
        assert!(!headers.contains_key("retry-after"));
        tell(&mut headers, &[free, used]);
        assert_eq!(headers["ratelimit"], r#""trigger";r=7;t=12, "token";r=0;t=2"#);
        assert_eq!(headers["retry-after"], "2");
    }
}
