//! When a model is called again, when another one is, and what is said when none answers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use egress::Egress;
use egress::policy::Policy;
use model::answer::{Delta, Error};
use model::choice::Choice;
use model::jitter::Seeded;
use model::limit::Settings;
use model::provider::Provider;
use model::providers::Providers;
use serde_json::json;
use tokio::time::Instant;

use crate::ask::{KEY, answer, ask, chosen, error, model, prompt, providers, quick};
use crate::fake::{Answer, Fake, Part};
use crate::fixture::COMPLETIONS;

/// How much a clock may be off where a wait is measured.
const SLACK: Duration = Duration::from_millis(5);

fn whole() -> Answer {
    Answer::stream(COMPLETIONS)
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_was_told_is_taken_back() {
    let half = Answer::parts(vec![Part::Bytes(COMPLETIONS.as_bytes()[..400].to_vec()), Part::Cut]);
    let fake = Fake::start().await;
    fake.answers([Answer::error(500, "{}"), half, Answer::error(429, "{}"), whole()]);
    let (answer, told) = ask(&model("openai", &fake.url("/v1"), quick()), &prompt()).await;
    assert_eq!(answer.unwrap().text, "Let me sée.");
    let restarts: Vec<usize> = told.iter().enumerate().filter(|(_, delta)| **delta == Delta::Restart).map(|(at, _)| at).collect();
    assert_eq!(restarts.len(), 1, "{told:?}");
    assert_eq!(told[restarts[0] + 1..].first(), Some(&Delta::Reasoning("Hm.".into())));
    assert_eq!(fake.left(), 0);
    let asked = fake.asked();
    assert!(asked.iter().all(|request| request.body == asked[0].body), "a retry asks the same");
}

#[tokio::test]
async fn every_status_is_tried_again_or_not_as_it_should() {
    for status in [408, 409, 429, 500, 501, 502, 503, 504, 529, 599] {
        let fake = Fake::start().await;
        fake.answers([Answer::error(status, "{}"), whole()]);
        answer(&model("openai", &fake.url("/v1"), quick())).await;
    }
    for status in [301, 307, 400, 401, 402, 403, 404, 405, 413, 418, 422] {
        let fake = Fake::start().await;
        fake.answers([Answer::error(status, "{\"error\":{\"message\":\"no\"}}").with("location", "http://127.0.0.1:1/"), whole()]);
        let error = error(&model("openai", &fake.url("/v1"), quick())).await;
        assert!(matches!(&error, Error::Refused { model, .. } if model == "p/m"), "{status}: {error}");
        assert_eq!(fake.left(), 1, "{status}");
    }
}

#[tokio::test]
async fn tries_are_bounded() {
    let fake = Fake::start().await;
    fake.answers(vec![Answer::error(503, "{\"error\":{\"message\":\"busy\"}}"); 9]);
    let error = error(&model("openai", &fake.url("/v1"), quick())).await;
    assert_eq!(error.to_string(), "no model answered: p/m: 503 Service Unavailable: busy");
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test]
async fn a_provider_is_left_alone_for_as_long_as_it_says() {
    let limited = |name, value| Answer::error(429, "{}").with(name, value);
    let date = limited("date", "Sun, 06 Nov 1994 08:49:37 GMT").with("retry-after", "Sun, 06 Nov 1994 08:49:38 GMT");
    for (reply, wait) in [(limited("retry-after", "1"), 1_000), (limited("retry-after-ms", "300"), 300), (date, 1_000)] {
        let fake = Fake::start().await;
        fake.answers([reply, whole()]);
        let begun = Instant::now();
        answer(&model("openai", &fake.url("/v1"), quick())).await;
        assert!(begun.elapsed() + SLACK >= Duration::from_millis(wait), "{:?} of {wait} ms", begun.elapsed());
    }
}

#[tokio::test]
async fn a_provider_that_wants_too_long_a_rest_makes_way() {
    let fake = Fake::start().await;
    let settings = Settings { retry_after_max: Duration::from_secs(2), ..quick() };
    let configured = [json!({"id": "p", "kind": "openai", "baseUrl": fake.url("/v1"), "key": KEY})];
    let rest = || Answer::error(429, "{}").with("retry-after", "3");
    fake.answers([rest(), whole()]);
    let choice = Choice::parse("p/a", &["p/b"]).unwrap();
    let begun = Instant::now();
    let answered = answer(&providers(&configured, settings).model(&choice).unwrap()).await;
    assert_eq!(answered.model, "p/b");
    assert!(begun.elapsed() < Duration::from_secs(2));
    fake.answers([rest()]);
    let failed = error(&chosen(&providers(&configured, settings), "p/a")).await;
    assert!(matches!(failed, Error::Unavailable { retry_after: Some(rest), .. } if rest == Duration::from_secs(3)));
}

#[tokio::test]
async fn fallbacks_are_asked_in_order() {
    let (first, second) = (Fake::start().await, Fake::start().await);
    let configured = [
        json!({"id": "one", "kind": "openai", "baseUrl": first.url("/v1"), "key": KEY}),
        json!({"id": "two", "kind": "anthropic", "baseUrl": second.url(""), "key": KEY}),
    ];
    let settings = Settings { attempts_max: NonZeroU32::new(2).unwrap(), ..quick() };
    let model = providers(&configured, settings).model(&Choice::parse("one/a", &["one/b", "two/c/temperature=0.5"]).unwrap()).unwrap();
    first.answers([Answer::error(500, "{}"), Answer::error(500, "{}"), Answer::error(404, "{}")]);
    second.answers([Answer::stream(crate::fixture::ANTHROPIC)]);
    let answer = answer(&model).await;
    assert_eq!((answer.model.as_str(), answer.text.as_str()), ("two/c", "Let me sée."));
    let models: Vec<_> = first.asked().iter().map(|request| request.body["model"].clone()).collect();
    assert_eq!(models, ["a", "a", "b"]);
    assert_eq!(second.only().body["temperature"], 0.5);
}

#[tokio::test]
async fn a_question_that_is_refused_is_put_to_nobody_else() {
    let fake = Fake::start().await;
    let configured = [json!({"id": "p", "kind": "openai", "baseUrl": fake.url("/v1"), "key": KEY})];
    let model = providers(&configured, quick()).model(&Choice::parse("p/a", &["p/b"]).unwrap()).unwrap();
    fake.answers([Answer::error(400, "{\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"too long\"}}"), whole()]);
    assert_eq!(error(&model).await.to_string(), "p/a refused: 400 Bad Request: context_length_exceeded: too long");
    assert_eq!(fake.left(), 1);
}

#[tokio::test]
async fn an_error_names_every_model_that_was_asked() {
    let fake = Fake::start().await;
    let configured = [json!({"id": "p", "kind": "openai", "baseUrl": fake.url("/v1"), "key": KEY})];
    let settings = Settings { attempts_max: NonZeroU32::MIN, ..quick() };
    let model = |fallbacks: &[&str]| providers(&configured, settings).model(&Choice::parse("p/a", fallbacks).unwrap()).unwrap();
    let refuses = || Answer::error(401, "{\"error\":{\"message\":\"bad key\"}}");
    let rests = |seconds| Answer::error(429, "{\"error\":{\"message\":\"slow down\"}}").with("retry-after", seconds);
    fake.answers([refuses(), rests("9"), rests("5")]);
    let failed = error(&model(&["p/b", "p/c"])).await;
    let reason = "p/a: 401 Unauthorized: bad key; p/b: 429 Too Many Requests: slow down; p/c: 429 Too Many Requests: slow down";
    assert_eq!(failed, Error::Unavailable { reason: reason.into(), retry_after: Some(Duration::from_secs(5)) });
    fake.answers([refuses(), refuses()]);
    let failed = error(&model(&["p/b"])).await;
    let reason = "no model takes the question: p/a: 401 Unauthorized: bad key; p/b: 401 Unauthorized: bad key";
    assert_eq!(failed, Error::Refused { model: "p/b".into(), reason: reason.into() });
}

#[tokio::test]
async fn the_whole_is_bounded_too() {
    let fake = Fake::start().await;
    fake.answers(vec![Answer::error(503, "{}"); 9]);
    let settings = Settings { ask_within: Duration::from_millis(400), back_off: Duration::from_secs(2), ..Settings::default() };
    let configured = [json!({"id": "p", "kind": "openai", "baseUrl": fake.url("/v1"), "key": KEY})];
    let model = providers(&configured, settings).model(&Choice::parse("p/a", &["p/b"]).unwrap()).unwrap();
    let begun = Instant::now();
    assert!(matches!(error(&model).await, Error::Unavailable { .. }));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_provider_that_hangs_leaves_time_for_the_next() {
    let (hangs, answers) = (Fake::start().await, Fake::start().await);
    let (idle, long) = (Duration::from_millis(100), Duration::from_mins(1));
    hangs.answers(vec![Answer::parts(vec![Part::Bytes(b"data: {}\n\n".to_vec()), Part::Pause(long)]); 100]);
    answers.answers([whole()]);
    let attempts_max = NonZeroU32::new(100).unwrap();
    let settings = Settings { ask_within: Duration::from_secs(3), idle_max: idle, attempts_max, back_off_max: idle, ..quick() };
    let configured = [
        json!({"id": "hangs", "kind": "openai", "baseUrl": hangs.url("/v1"), "key": KEY}),
        json!({"id": "answers", "kind": "openai", "baseUrl": answers.url("/v1"), "key": KEY}),
    ];
    let model = providers(&configured, settings).model(&Choice::parse("hangs/m", &["answers/m"]).unwrap()).unwrap();
    assert_eq!(answer(&model).await.model, "answers/m");
    assert!(hangs.asked().len() > 2, "{}", hangs.asked().len());
}

#[tokio::test]
async fn no_error_shows_the_key_or_more_than_it_needs() {
    let fake = Fake::start().await;
    let body = json!({"error": {"message": format!("key {KEY} at https://u:p@h.example/x?key={KEY} {}", "x".repeat(5_000))}}).to_string();
    fake.answers([Answer::error(401, &body)]);
    let error = error(&model("openai", &fake.url("/v1"), quick())).await.to_string();
    assert!(!error.contains(KEY) && !error.contains("u:p@"), "{error}");
    assert!(error.starts_with("p/m refused: 401 Unauthorized: key *** at https://h.example/x xxx") && error.len() < 400, "{error}");
}

#[tokio::test]
async fn nobody_listens() {
    let fake = Fake::start().await;
    let url = fake.url("/v1");
    drop(fake);
    let error = error(&model("openai", &url, quick())).await;
    assert!(matches!(&error, Error::Unavailable { reason, .. } if reason.starts_with("p/m: no connection: ")), "{error}");
}

#[tokio::test]
async fn an_address_that_may_not_be_called_is_said_to_be_one() {
    for host in ["127.0.0.1", "localhost"] {
        let provider: Provider =
            serde_json::from_value(json!({"id": "p", "kind": "ollama", "baseUrl": format!("http://{host}:11434")})).unwrap();
        let closed = Egress::new(Policy::default()).unwrap();
        let providers = Providers::new(vec![provider], &closed, Arc::new(Seeded::new(1))).unwrap();
        let error = error(&chosen(&providers, "p/m")).await;
        let says = format!("p/m refused: {host} may not be called: its address is");
        assert!(error.to_string().starts_with(&says) && matches!(error, Error::Refused { .. }), "{error}");
    }
}
