//! The cookies that the pages set and read.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use cookie::{Cookie, SameSite};

/// The session.
const SESSION: &str = "cuepoint_session";
/// The same where it goes over TLS alone; the browser holds it to that, and to this host.
const SESSION_SECURE: &str = "__Host-cuepoint_session";
/// The name of the visitor's time zone.
const ZONE: &str = "cuepoint_zone";
/// Longest name of a zone that is looked at, in bytes.
const ZONE_BYTES_MAX: usize = 64;

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = texts.flat_map(|text| Cookie::split_parse(text).filter_map(Result::ok));
    cookies.filter(|cookie| cookie.name() == name).find_map(|cookie| cookie.value_raw())
}

/// The sealed session that a request carries.
pub(crate) fn session(headers: &HeaderMap, is_secure: bool) -> Option<&str> {
    value(headers, if is_secure { SESSION_SECURE } else { SESSION })
}

/// The zone that a request carries.
pub(crate) fn zone(headers: &HeaderMap) -> Option<String> {
    let value = value(headers, ZONE).filter(|value| value.len() <= ZONE_BYTES_MAX)?;
    percent_encoding::percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Sets the session; an empty one ends it.
pub(crate) fn set(sealed: &str, is_secure: bool) -> String {
    let name = if is_secure { SESSION_SECURE } else { SESSION };
    let cookie = Cookie::build((name, sealed)).path("/").http_only(true).same_site(SameSite::Strict).secure(is_secure);
    // Without an age it ends with the browser, and by what is sealed in it.
    let cookie = if sealed.is_empty() { cookie.removal() } else { cookie };
    cookie.build().to_string()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{session, set, zone};

    #[test]
    fn a_session_is_closed_to_scripts_and_other_sites() {
        assert_eq!(set("x", false), "cuepoint_session=x; HttpOnly; SameSite=Strict; Path=/");
        assert_eq!(set("x", true), "__Host-cuepoint_session=x; HttpOnly; SameSite=Strict; Secure; Path=/");
        assert!(set("", true).contains("Max-Age=0"));
    }

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "a=b; cuepoint_session=sealed; cuepoint_zone=Europe%2FBerlin; =; x".parse().unwrap());
        assert_eq!((session(&headers, false), session(&headers, true)), (Some("sealed"), None));
        assert_eq!(zone(&headers).as_deref(), Some("Europe/Berlin"));
    }
}
