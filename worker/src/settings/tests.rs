use std::path::Path;

use super::{Document, Settings};

fn read(text: &str) -> Result<Settings, String> {
    let document: Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    document.resolve(Path::new(env!("CARGO_MANIFEST_DIR"))).map_err(|error| error.to_string())
}

#[test]
fn every_section_is_read() {
    let settings = read(
        "providers:\n  - { id: local, kind: compatible, baseUrl: 'http://127.0.0.1:1/v1/', concurrency: 4,\n      \
         prices: { small: { input: 0.1, output: 0.4 } } }\nsecrets: [{ name: t, type: bearer, file: Cargo.toml }]\n\
         smtp: { host: mail, port: 25, tls: none, from: 'Bot <bot@example.com>' }\n\
         search: { url: 'https://search.example.com/?q={query}' }\nmcp: { time: { command: mcp-time, args: [x] } }\nnats: { allow: ['jobs.>'] }\n",
    )
    .unwrap();
    assert_eq!(settings.providers[0].prices["small"].output, 400_000);
    assert!(settings.vault.get("T").unwrap().is_some() && settings.smtp.is_some() && settings.search.is_some());
    assert_eq!((settings.programs.len(), settings.subjects.len()), (1, 1));
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        (
            "providers: [{ id: a, kind: openai, key: { env: CUEPOINT_NOT_SET } }]",
            "providers[0].key: the environment variable CUEPOINT_NOT_SET",
        ),
        ("providers: [{ id: a, kind: openai, key: {} }]", "providers[0].key: must be one of"),
        ("providers: [{ id: a, kind: openai, prices: { m: { input: -1, output: 0 } } }]", "providers[0].prices.m: must be US dollars"),
        ("secrets: [{ name: t, file: nowhere }]", "secrets[0]: cannot read"),
        ("smtp: { host: h, port: 25, from: nobody }", "smtp.from: "),
        ("smtp: { host: h, port: 25, from: 'a@b.c', username: u }", "smtp: username and password go together"),
        ("search: { url: 'https://h/?q={query}', header: k }", "search: header and key go together"),
        ("search: { url: nowhere }", "search: "),
        ("providers: [{ id: A, kind: compatible }]", "providers: "),
        ("providers: [{ id: a, kind: openai }]", "providers: "),
        ("providers: [{ id: a, kind: ollama }, { id: a, kind: ollama }]", "providers: "),
    ] {
        let error = read(text).map(drop).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert!(read("secrets: [{ name: a, value: hunter2 }]").unwrap_err().contains("value"), "no secret stands in the file");
}

#[test]
fn a_check_looks_at_no_secret() {
    let check = |text: &str| serde_saphyr::from_str::<Document>(text).unwrap().check().map_err(|error| error.to_string());
    let secrets = "secrets: [{ name: a, file: nowhere }]\nsmtp: { host: h, port: 25, from: a@b.org, username: u, password: { env: CUEPOINT_NOT_SET } }\n";
    check(&format!("providers: [{{ id: a, kind: openai, key: {{ env: CUEPOINT_NOT_SET }} }}]\n{secrets}")).unwrap();
    for (text, expected) in [
        ("providers: [{ id: a, kind: openai, key: {} }]", "providers[0].key: must be one of"),
        ("providers: [{ id: a, kind: openai }]", "providers: "),
        ("smtp: { host: h, port: 25, from: nobody }", "smtp.from: "),
        ("search: { url: nowhere }", "search: "),
    ] {
        let error = check(text).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn what_is_unknown_is_refused() {
    assert!(read("nats: { allow: ['log.>'] }").unwrap_err().contains("log"));
    assert!(read("colour: red").unwrap_err().contains("colour"));
}
