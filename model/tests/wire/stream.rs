//! Half an answer never passes for a whole one.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use model::answer::Error;
use model::limit::Settings;
use serde_json::json;

use crate::ask::{ask, error, model, once, prompt, quick};
use crate::fake::{Answer, Fake, Part};
use crate::fixture::{ANTHROPIC, COMPLETIONS, WIRES, data};

/// How many answers are read at once.
const AT_ONCE: usize = 8;

/// Where connections are cut, in bytes.
const CUT_EVERY: usize = 5;

/// How an answer ends before its end.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Cleanly,
    Cut,
}

#[tokio::test]
async fn an_answer_that_ends_at_any_byte_is_whole_or_an_error() {
    for (kind, path, bytes, end) in WIRES.into_iter().filter(|(kind, ..)| !matches!(*kind, "compatible" | "deepseek")) {
        let whole_from = bytes.find(end).unwrap() + end.len();
        // Where the connection is cut makes a difference to where it is closed only in how it ends.
        let cuts = (0..=bytes.len()).step_by(CUT_EVERY).map(|at| (at, Ends::Cut));
        let ends = (0..=bytes.len()).map(|at| (at, Ends::Cleanly)).chain(cuts);
        // Each has a fake of its own, so that each gets its own answer.
        let fakes: Vec<Fake> = stream::iter(0..AT_ONCE).then(|_| Fake::start()).collect().await;
        let models: Vec<_> = fakes.iter().map(|fake| model(kind, &fake.url(path), once())).collect();
        let whole = {
            fakes[0].answers([Answer::stream(bytes)]);
            ask(&models[0], &prompt()).await.0.unwrap()
        };
        let ends: Vec<_> = ends.collect();
        let lanes = (0..AT_ONCE).map(|lane| {
            let (fake, model, whole, ends) = (&fakes[lane], &models[lane], &whole, &ends);
            async move {
                for (at, how) in ends.iter().skip(lane).step_by(AT_ONCE) {
                    let mut parts = vec![Part::Bytes(bytes.as_bytes()[..*at].to_vec())];
                    parts.extend(matches!(how, Ends::Cut).then_some(Part::Cut));
                    fake.answers([Answer::parts(parts)]);
                    let (answer, _) = ask(model, &prompt()).await;
                    match answer {
                        Ok(answer) => assert!(answer == *whole && *at >= whole_from, "{kind} ended {how:?} at {at}: {answer:?}"),
                        Err(Error::Unavailable { .. }) => assert!(*at < bytes.len(), "{kind} ended {how:?} at its end"),
                        Err(error) => panic!("{kind} ended {how:?} at {at}: {error}"),
                    }
                }
            }
        });
        futures_util::future::join_all(lanes).await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_in_pieces_is_the_same_answer() {
    for (kind, path, bytes, _) in WIRES {
        let fake = Fake::start().await;
        let model = model(kind, &fake.url(path), once());
        fake.answers([Answer::stream(bytes)]);
        let whole = ask(&model, &prompt()).await.0.unwrap();
        for size in [1, 7] {
            fake.answers([Answer::parts(bytes.as_bytes().chunks(size).map(|piece| Part::Bytes(piece.to_vec())).collect())]);
            assert_eq!(ask(&model, &prompt()).await.0.as_ref(), Ok(&whole), "{kind} in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn line_ends_of_two_bytes_lose_nothing() {
    for (kind, path, bytes, _) in WIRES {
        let fake = Fake::start().await;
        let model = model(kind, &fake.url(path), once());
        fake.answers([Answer::stream(bytes)]);
        let whole = ask(&model, &prompt()).await.0.unwrap();
        let bytes = bytes.replace('\n', "\r\n");
        fake.answers([Answer::stream(bytes.clone())]);
        assert_eq!(ask(&model, &prompt()).await.0.as_ref(), Ok(&whole), "{kind}");
        // Where a read ends within a line end, genai sees an event too many: then it is an error, never less.
        for (at, _) in bytes.match_indices('\n') {
            let (first, second) = bytes.as_bytes().split_at(at);
            let parts = vec![Part::Bytes(first.to_vec()), Part::Pause(Duration::from_millis(2)), Part::Bytes(second.to_vec())];
            fake.answers([Answer::parts(parts)]);
            match ask(&model, &prompt()).await.0 {
                Ok(answer) => assert_eq!(answer, whole, "{kind} at {at}"),
                Err(error) => assert!(error.to_string().contains("the answer is broken: an event has no"), "{kind} at {at}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_part_of_an_answer_is_an_error() {
    let start = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let oneof = |kind, path, bytes: String, says| (kind, path, bytes.into_bytes(), says);
    for (kind, path, bytes, says) in [
        oneof("openai", "/v1", format!("{start}data: {{\"choices\":[{{\"del\n\n{end}"), "no JSON"),
        oneof("openai", "/v1", format!("{start}data: [1]\n\n{end}"), "a part is no object"),
        oneof(
            "openai",
            "/v1",
            format!("{start}data: {{\"choices\":[{{\"delta\":{{\"content\":5}}}}]}}\n\n{end}"),
            "its content is no text",
        ),
        oneof(
            "openai",
            "/v1",
            format!("{start}data: {{\"error\":{{\"message\":\"overloaded\"}}}}\n\n{end}"),
            "broke off with an error: overloaded",
        ),
        oneof(
            "openai",
            "/v1",
            format!("{start}data: {{\"error\":null,\"choices\":[]}}\n\n{end}"),
            "broke off with an error: no reason is given",
        ),
        oneof("openai", "/v1", format!("{start}data: [DONE]\n\n"), "names no reason to stop"),
        oneof(
            "openai",
            "/v1",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n".into(),
            "wants a call",
        ),
        oneof(
            "openai",
            "/v1",
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\ndata: [DONE]\n\n".into(),
            "stopped because of \"error\"",
        ),
        oneof(
            "openai",
            "/v1",
            "{\"choices\":[{\"message\":{\"content\":\"not a stream\"},\"finish_reason\":\"stop\"}]}".into(),
            "ended before it was whole",
        ),
        oneof("openai", "/v1", "<html>hello</html>".into(), "ended before it was whole"),
        ("openai", "/v1", [start.as_bytes(), b"data: \xff\xfe\n\n", end.as_bytes()].concat(), "no text"),
        oneof("anthropic", "", ANTHROPIC.replace("\"stop_reason\":\"tool_use\",", ""), "names no reason to stop"),
        oneof(
            "anthropic",
            "",
            ANTHROPIC.replacen("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n", "", 1),
            "before the one before it has ended",
        ),
        oneof(
            "anthropic",
            "",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n".into(),
            "overloaded_error: busy",
        ),
        oneof("gemini", "", data(&json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})), "UNAVAILABLE: busy"),
        oneof("gemini", "", data(&json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]})), "MALFORMED_FUNCTION_CALL"),
        oneof("ollama", "", "{\"error\":\"model runner has stopped\"}\n".into(), "with an error: model runner has stopped"),
        oneof("ollama", "", "{\"message\":{\"content\":\"a\"},\"done\":true}\n".into(), "names no reason to stop"),
    ] {
        let fake = Fake::start().await;
        fake.answers([Answer::stream(bytes)]);
        let error = error(&model(kind, &fake.url(path), once())).await;
        assert!(matches!(&error, Error::Unavailable { reason, .. } if reason.contains(says)), "{kind}: {error} should say {says}");
    }
}

#[tokio::test]
async fn a_provider_that_says_nothing_in_time_is_given_up() {
    let short = Duration::from_millis(150);
    let start = Part::Bytes(COMPLETIONS.as_bytes()[..300].to_vec());
    let long = Duration::from_secs(30);
    for (settings, answer, says) in [
        (Settings { headers_within: short, ..once() }, Answer::stream(COMPLETIONS).late(long), "no answer began in time"),
        (Settings { idle_max: short, ..once() }, Answer::parts(vec![start.clone(), Part::Pause(long)]), "stood still for too long"),
        (Settings { call_within: short, ..once() }, Answer::parts(vec![start.clone(), Part::Pause(long)]), "was not whole within 150.0ms"),
        (Settings { ask_within: short, ..quick() }, Answer::parts(vec![start, Part::Pause(long)]), "was not whole within"),
    ] {
        let fake = Fake::start().await;
        fake.answers([answer]);
        let error = error(&model("openai", &fake.url("/v1"), settings)).await;
        assert!(matches!(&error, Error::Unavailable { reason, .. } if reason.contains(says)), "{error} should say {says}");
        assert_eq!(fake.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_provider_that_keeps_the_connection_open_with_comments_is_given_up_all_the_same() {
    let fake = Fake::start().await;
    let drip = [Part::Bytes(b": still here\n\n".to_vec()), Part::Pause(Duration::from_millis(20))];
    fake.answers([Answer::parts(drip.iter().cycle().take(2_000).cloned().collect())]);
    let settings = Settings { idle_max: Duration::from_millis(500), call_within: Duration::from_secs(1), ..once() };
    let error = error(&model("openai", &fake.url("/v1"), settings)).await;
    assert!(error.to_string().contains("was not whole within 1.0s"), "{error}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let fake = Fake::start().await;
    let chunk = data(&json!({"choices": [{"delta": {"content": "a".repeat(64 * 1024)}}]}));
    fake.answers([Answer::parts(vec![Part::Bytes(chunk.into_bytes()); 200])]);
    let error = error(&model("openai", &fake.url("/v1"), quick())).await;
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("more than 8388608 bytes")), "{error}");
    assert_eq!(fake.asked().len(), 1);
}
