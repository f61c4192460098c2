use super::{Kind, Price, Provider};
use crate::answer::Usage;

fn provider(json: &str) -> Provider {
    serde_json::from_str(json).unwrap()
}

#[test]
fn calls_go_where_the_library_of_the_provider_would_send_them() {
    let goes_to = |kind: &str, base: &str| {
        let provider = provider(&format!(r#"{{"id":"a","kind":"{kind}","baseUrl":"{base}","key":"k"}}"#));
        provider.check().unwrap().to_string()
    };
    for (kind, base, expected) in [
        ("openai", "http://h/v1", "http://h/v1/"),
        ("openai", "http://h/v1/", "http://h/v1/"),
        ("compatible", "https://h:8080/openai", "https://h:8080/openai/"),
        ("anthropic", "http://h/anthropic", "http://h/anthropic/v1/"),
        ("anthropic", "http://h/v1/", "http://h/v1/"),
        ("gemini", "http://h", "http://h/v1beta/"),
        ("gemini", "http://h/v1", "http://h/v1/"),
        ("ollama", "http://h:11434", "http://h:11434/"),
    ] {
        assert_eq!(goes_to(kind, base), expected, "{kind} {base}");
    }
    for kind in [Kind::OpenAi, Kind::Anthropic, Kind::Gemini, Kind::Ollama, Kind::Groq, Kind::DeepSeek] {
        let home = Provider { kind, base_url: None, ..provider(r#"{"id":"a","kind":"openai","key":"k"}"#) };
        assert_eq!(home.check().unwrap().as_str(), kind.home().unwrap());
    }
}

#[test]
fn a_fault_names_the_provider_and_the_field() {
    for (json, expected) in [
        (r#"{"id":"Big","kind":"ollama"}"#, r#"providers["Big"].id must be a lowercase letter"#),
        (r#"{"id":"","kind":"ollama"}"#, r#"providers[""].id must be"#),
        (r#"{"id":"a","kind":"compatible"}"#, r#"providers["a"].baseUrl is missing: say where"#),
        (r#"{"id":"a","kind":"ollama","baseUrl":"ftp://h/"}"#, r#"providers["a"].baseUrl must be an http or https URL"#),
        (r#"{"id":"a","kind":"ollama","baseUrl":"http://u:p@h/"}"#, r#"providers["a"].baseUrl must have no user name"#),
        (r#"{"id":"a","kind":"ollama","baseUrl":"http://h/?key=1"}"#, r#"providers["a"].baseUrl must have no user name"#),
        (r#"{"id":"a","kind":"openai"}"#, r#"providers["a"].key is missing"#),
        (r#"{"id":"a","kind":"openai","key":""}"#, r#"providers["a"].key is empty"#),
        (r#"{"id":"a","kind":"openai","key":"a b"}"#, r#"providers["a"].key has characters"#),
    ] {
        let faults = provider(json).check().unwrap_err();
        assert!(faults[0].to_string().starts_with(expected), "{faults:?}");
    }
    let faults = provider(r#"{"id":"A","kind":"compatible","key":""}"#).check().unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
}

#[test]
fn a_local_proxy_needs_no_key() {
    provider(r#"{"id":"a","kind":"openai","baseUrl":"http://127.0.0.1:4000/v1"}"#).check().unwrap();
}

#[test]
fn unknown_fields_are_refused() {
    let error = serde_json::from_str::<Provider>(r#"{"id":"a","kind":"ollama","url":"http://h"}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `url`"), "{error}");
}

#[test]
fn a_price_counts_cached_tokens_once_and_rounds_up() {
    let price = Price { input: 2_500_000, cached: Some(250_000), output: 10_000_000 };
    let usage = |input, cached, output| Usage { input, cached, output, reasoning: 0 };
    for (price, usage, expected) in [
        (price, usage(1_000_000, 0, 0), 2_500_000),
        (price, usage(1_000_000, 1_000_000, 1_000_000), 10_250_000),
        (price, usage(100, 40, 10), 150 + 10 + 100),
        (price, usage(1, 0, 0), 3),
        (price, usage(0, 0, 0), 0),
        (Price { cached: None, ..price }, usage(4, 4, 0), 10),
        // More cached than there was is a provider's slip, and must not turn into a credit.
        (price, usage(4, 9, 0), 1),
        (Price { input: u64::MAX, cached: None, output: u64::MAX }, usage(u64::MAX, 0, u64::MAX), u64::MAX),
    ] {
        assert_eq!(price.of(&usage), expected, "{usage:?}");
    }
}

#[test]
fn a_key_is_never_shown() {
    let provider = provider(r#"{"id":"a","kind":"openai","key":"sk-very-secret"}"#);
    assert!(!format!("{provider:?}").contains("very-secret"));
}
