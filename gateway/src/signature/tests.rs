//! The schemes, with the examples of their own documents where there are any.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use proto::idempotency::hex;
use proto::resource::{Signature, SignatureScheme};
use secrecy::SecretString;
use sha2::Sha256;

use super::{Fault, Proof, is_usable, read};

const NOW_S: i64 = 1_700_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","event_id":"Ev1"}"#;
const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn signature(scheme: SignatureScheme) -> Signature {
    Signature { scheme: scheme.into(), ..Signature::default() }
}

fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn mac(key: &[u8], prefix: &str, body: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.chain_update(prefix).chain_update(body).finalize().into_bytes().to_vec()
}

fn check(signature: &Signature, key: &str, headers: &HeaderMap, body: &[u8]) -> Result<Proof, Fault> {
    read(signature, headers, NOW_S * 1_000)?.check(signature, Some(&SecretString::from(key)), body)
}

/// Each scheme with its key and the headers of a call at a time.
fn calls(at_s: i64) -> Vec<(Signature, &'static str, HeaderMap)> {
    let standard_key = STANDARD.decode(&WHSEC[6..]).unwrap();
    let standard = mac(&standard_key, &format!("msg_1.{at_s}."), BODY);
    vec![
        (
            signature(SignatureScheme::Standard),
            WHSEC,
            headers(&[
                ("webhook-id", "msg_1".into()),
                ("webhook-timestamp", at_s.to_string()),
                ("webhook-signature", format!("v1,AAAA v2,x v1,{}", STANDARD.encode(standard))),
            ]),
        ),
        (
            signature(SignatureScheme::Stripe),
            "whsec_stripe-uses-all-of-it",
            headers(&[(
                "stripe-signature",
                format!("t={at_s},v0=00,v1=00,v1={}", hex(&mac(b"whsec_stripe-uses-all-of-it", &format!("{at_s}."), BODY))),
            )]),
        ),
        (
            signature(SignatureScheme::Slack),
            "8f742231b10e8888abcd99yyyzzz85a5",
            headers(&[
                ("x-slack-request-timestamp", at_s.to_string()),
                ("x-slack-signature", format!("v0={}", hex(&mac(b"8f742231b10e8888abcd99yyyzzz85a5", &format!("v0:{at_s}:"), BODY)))),
            ]),
        ),
        (
            signature(SignatureScheme::Github),
            "It's a Secret to Everybody",
            headers(&[
                ("x-github-delivery", "d-1".into()),
                ("x-hub-signature-256", format!("sha256={}", hex(&mac(b"It's a Secret to Everybody", "", BODY)))),
            ]),
        ),
    ]
}

#[test]
fn a_right_signature_passes_and_names_its_message() {
    let ids = ["msg_1", "evt_1", "Ev1", "d-1"];
    for ((signature, key, headers), id) in calls(NOW_S).into_iter().zip(ids) {
        let proof = check(&signature, key, &headers, BODY).unwrap();
        assert_eq!(proof.id.as_deref(), Some(id));
        assert_eq!(proof.expires_in.is_none(), signature.scheme() == SignatureScheme::Github);
        assert!(is_usable(&signature, Some(key)));
    }
}

#[test]
fn an_altered_body_a_wrong_key_and_a_far_time_are_refused() {
    for (signature, key, headers) in calls(NOW_S) {
        let other = if key == WHSEC { "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" } else { "another key of some length" };
        assert_eq!(check(&signature, key, &headers, b"{}"), Err(Fault::Wrong));
        assert_eq!(check(&signature, other, &headers, BODY), Err(Fault::Wrong));
        assert!(matches!(check(&signature, key, &HeaderMap::new(), BODY), Err(Fault::Missing(_))));
        for name in headers.keys() {
            let mut fewer = headers.clone();
            fewer.remove(name);
            assert!(matches!(check(&signature, key, &fewer, BODY), Err(Fault::Missing(_))), "{name}");
        }
    }
    for (far, is_taken) in [(299, true), (300, true), (301, false), (-300, true), (-301, false), (NOW_S, false)] {
        for (signature, key, headers) in calls(NOW_S - far) {
            let expected = is_taken || signature.scheme() == SignatureScheme::Github;
            assert_eq!(check(&signature, key, &headers, BODY).is_ok(), expected, "{far} {:?}", signature.scheme());
        }
    }
}

#[test]
fn the_trigger_says_how_far_a_time_may_be() {
    for (signature, key, headers) in calls(NOW_S - 20).into_iter().take(3) {
        let strict = Signature { tolerance_ms: 10_000, ..signature };
        assert_eq!(check(&strict, key, &headers, BODY), Err(Fault::Expired));
    }
}

#[test]
fn the_example_of_github_passes() {
    let headers = headers(&[
        ("x-github-delivery", "d".into()),
        ("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".into()),
    ]);
    check(&signature(SignatureScheme::Github), "It's a Secret to Everybody", &headers, b"Hello, World!").unwrap();
}

#[test]
fn the_example_of_slack_passes() {
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = headers(&[
        ("x-slack-request-timestamp", "1531420618".into()),
        ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".into()),
    ]);
    let signature = signature(SignatureScheme::Slack);
    let presented = read(&signature, &headers, 1_531_420_618_000).unwrap();
    presented.check(&signature, Some(&"8f742231b10e8888abcd99yyyzzz85a5".into()), body).unwrap();
}

#[test]
fn keys_of_other_schemes_are_no_keys() {
    for (scheme, key) in [
        (SignatureScheme::Standard, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (SignatureScheme::Standard, "whsec_AAAA"),
        (SignatureScheme::Standard, "whsec_?"),
        (SignatureScheme::Github, "short"),
        (SignatureScheme::Unspecified, WHSEC),
        (SignatureScheme::StandardEd25519, WHSEC),
    ] {
        assert!(!is_usable(&signature(scheme), Some(key)), "{scheme:?} {key}");
    }
    let public = |public_key: &str| Signature { public_key: public_key.into(), ..signature(SignatureScheme::StandardEd25519) };
    assert!(is_usable(&public(&format!("whpk_{}", STANDARD.encode([7; 32]))), None));
    assert!(!is_usable(&public(&format!("whpk_{}", STANDARD.encode([7; 31]))), None));
    assert_eq!(super::challenge(br#"{"type":"url_verification","challenge":"c"}"#).as_deref(), Some("c"));
    assert_eq!(super::challenge(br#"{"type":"event_callback","challenge":"c"}"#), None);
}

proptest! {
    #[test]
    fn no_header_panics(scheme in 0i32..6, first in "[ -~]{0,40}", second in "[0-9tv=, -]{0,40}", body in proptest::collection::vec(any::<u8>(), 0..40)) {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256", "x-github-delivery", "stripe-signature", "x-slack-signature", "x-slack-request-timestamp"];
        for (one, two) in [(&first, &second), (&second, &first)] {
            let pairs: Vec<_> = names.iter().enumerate().map(|(index, name)| (*name, if index % 2 == 0 { one.clone() } else { two.clone() })).collect();
            let signature = Signature { scheme, ..Signature::default() };
            prop_assert!(check(&signature, WHSEC, &headers(&pairs), &body).is_err());
        }
    }
}
