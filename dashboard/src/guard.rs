//! What keeps other sites out.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

/// No inline script or style, nothing of other origins, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Puts the headers on every page that browsers go by.
pub(crate) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 6] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    // What one person may see is kept by no cache.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a request comes from a page of ours, as far as its browser says.
pub(crate) fn is_same_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether the visitor came over TLS, as the proxy in front says or the operator does.
pub(crate) fn is_secure(headers: &HeaderMap, public_url: Option<&url::Url>) -> bool {
    let is_public = public_url.is_some_and(|url| url.scheme() == "https");
    is_public || headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{is_same_site, is_secure};

    #[test]
    fn another_site_is_told_apart() {
        for (site, expected) in [(None, true), (Some("same-origin"), true), (Some("cross-site"), false), (Some("same-site"), false)] {
            let headers: HeaderMap = site.map(|site| ("sec-fetch-site".parse().unwrap(), site.parse().unwrap())).into_iter().collect();
            assert_eq!(is_same_site(&headers), expected, "{site:?}");
        }
    }

    #[test]
    fn tls_is_told_by_the_proxy_or_the_operator() {
        let mut headers = HeaderMap::new();
        assert!(!is_secure(&headers, Some(&"http://x".parse().unwrap())) && is_secure(&headers, Some(&"https://x".parse().unwrap())));
        headers.insert("x-forwarded-proto", "HTTPS".parse().unwrap());
        assert!(is_secure(&headers, None));
    }
}
