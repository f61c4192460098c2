//! Whole answers are read wholly, on every wire.

use model::answer::{Answer, Delta, Stop, Usage};
use model::prompt::Call;
use serde_json::json;

use crate::ask::{KEY, answer, ask, model, once, prompt};
use crate::fake::{Answer as Reply, Fake};
use crate::fixture::{COMPLETIONS, WIRES, data, event};

/// What all fixtures say, but for what only some wires can say.
fn expected() -> Answer {
    let call = |id: &str, name: &str, city: &str| Call { id: id.into(), name: name.into(), arguments: json!({"city": city}) };
    Answer {
        text: "Let me sée.".into(),
        reasoning: "Hm.".into(),
        calls: vec![call("call_a", "weather", "Rome"), call("call_b", "time", "Oslo")],
        signatures: Vec::new(),
        stop: Stop::Calls,
        usage: Usage { input: 50, cached: 30, output: 20, reasoning: 5 },
        model: "p/m".into(),
    }
}

#[tokio::test]
async fn an_answer_is_read_wholly_on_every_wire() {
    for (kind, path, bytes, _) in WIRES {
        let fake = Fake::start().await;
        fake.answers([Reply::stream(bytes)]);
        let (answer, told) = ask(&model(kind, &fake.url(path), once()), &prompt()).await;
        let mut answer = answer.unwrap();
        let signatures = std::mem::take(&mut answer.signatures).len();
        let mut expected = expected();
        if kind == "ollama" {
            expected.usage.reasoning = 0;
        }
        assert_eq!(answer, expected, "{kind}");
        assert_eq!(signatures > 0, matches!(kind, "anthropic" | "gemini" | "deepseek"), "{kind}");
        let text: String = told.iter().filter_map(|delta| if let Delta::Text(text) = delta { Some(text.as_str()) } else { None }).collect();
        assert_eq!((told.first(), text.as_str()), (Some(&Delta::Reasoning("Hm.".into())), "Let me sée."), "{kind}");
        assert!(!told.contains(&Delta::Restart), "{kind}");
    }
}

#[tokio::test]
async fn a_call_goes_to_the_address_of_the_wire_with_the_key_in_its_header() {
    let bearer = format!("Bearer {KEY}");
    for (kind, path, bytes, goes_to, header, value) in [
        ("openai", "/v1", COMPLETIONS, "/v1/chat/completions", "authorization", bearer.as_str()),
        ("groq", "/openai/v1/", COMPLETIONS, "/openai/v1/chat/completions", "authorization", bearer.as_str()),
        ("anthropic", "", crate::fixture::ANTHROPIC, "/v1/messages", "x-api-key", KEY),
        ("gemini", "", crate::fixture::GEMINI, "/v1beta/models/m:streamGenerateContent?alt=sse", "x-goog-api-key", KEY),
        ("ollama", "", crate::fixture::OLLAMA, "/api/chat", "authorization", bearer.as_str()),
    ] {
        let fake = Fake::start().await;
        fake.answers([Reply::stream(bytes)]);
        answer(&model(kind, &fake.url(path), once())).await;
        let asked = fake.only();
        assert_eq!((asked.path.as_str(), asked.headers[header].to_str().unwrap()), (goes_to, value), "{kind}");
        assert!(!asked.body.to_string().contains(KEY) && !asked.path.contains(KEY), "{kind}");
    }
}

#[tokio::test]
async fn without_a_key_no_header_claims_one() {
    let fake = Fake::start().await;
    fake.answers([Reply::stream(COMPLETIONS)]);
    let providers = crate::ask::providers(&[json!({"id": "p", "kind": "compatible", "baseUrl": fake.url("/v1")})], once());
    answer(&crate::ask::chosen(&providers, "p/m")).await;
    let asked = fake.only();
    assert_eq!((asked.path.as_str(), asked.headers.get("authorization")), ("/v1/chat/completions", None));
}

#[tokio::test]
async fn a_stop_is_told_for_what_it_is() {
    let completion = |reason: &str| data(&json!({"choices": [{"delta": {"content": "a"}, "finish_reason": reason}]})) + "data: [DONE]\n\n";
    let message = |reason: &str| {
        event(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 1}}}))
            + &event(&json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}}))
            + &event(&json!({"type": "message_stop"}))
    };
    let candidate = |reason: &str| data(&json!({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": reason}]}));
    for (kind, path, bytes, stop) in [
        ("openai", "/v1", completion("stop"), Stop::End),
        ("openai", "/v1", completion("length"), Stop::Length),
        ("openai", "/v1", completion("content_filter"), Stop::Filtered),
        ("compatible", "/v1", completion("eos_token"), Stop::End),
        ("anthropic", "", message("end_turn"), Stop::End),
        ("anthropic", "", message("max_tokens"), Stop::Length),
        ("anthropic", "", message("stop_sequence"), Stop::End),
        ("anthropic", "", message("refusal"), Stop::Filtered),
        ("gemini", "", candidate("STOP"), Stop::End),
        ("gemini", "", candidate("MAX_TOKENS"), Stop::Length),
        ("gemini", "", candidate("SAFETY"), Stop::Filtered),
        ("gemini", "", data(&json!({"promptFeedback": {"blockReason": "SAFETY"}})), Stop::Filtered),
    ] {
        let fake = Fake::start().await;
        fake.answers([Reply::stream(bytes.clone())]);
        let answer = answer(&model(kind, &fake.url(path), once())).await;
        assert_eq!((answer.stop, answer.calls.len()), (stop, 0), "{kind} {bytes}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_model_is_its_answer() {
    let fake = Fake::start().await;
    let said = data(&json!({"choices": [{"delta": {"refusal": "I will "}}]}))
        + &data(&json!({"choices": [{"delta": {"refusal": "not."}, "finish_reason": "stop"}]}))
        + "data: [DONE]\n\n";
    fake.answers([Reply::stream(said)]);
    let answer = answer(&model("openai", &fake.url("/v1"), once())).await;
    assert_eq!((answer.text.as_str(), answer.stop), ("I will not.", Stop::Filtered));
}

#[tokio::test]
async fn arguments_are_json_or_told_as_they_came() {
    let completion = |arguments: &str, reason: &str| {
        let call = json!({"index": 0, "id": "a", "function": {"name": "weather", "arguments": arguments}});
        data(&json!({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": reason}]})) + "data: [DONE]\n\n"
    };
    for (arguments, reason, expected) in [
        ("{\"a\":1}", "tool_calls", json!({"a": 1})),
        ("", "tool_calls", json!({})),
        ("null", "stop", json!({})),
        ("{\"a\":", "tool_calls", json!("{\"a\":")),
        ("[1]", "tool_calls", json!([1])),
        // Cut short: nothing that looks whole may come of it.
        ("", "length", json!("")),
        ("{\"a\":", "length", json!("{\"a\":")),
    ] {
        let fake = Fake::start().await;
        fake.answers([Reply::stream(completion(arguments, reason))]);
        let answer = answer(&model("openai", &fake.url("/v1"), once())).await;
        let stop = if reason == "length" { Stop::Length } else { Stop::Calls };
        assert_eq!((&answer.calls[0].arguments, answer.stop), (&expected, stop), "{arguments} {reason}");
    }
    let fake = Fake::start().await;
    let half = crate::fixture::ANTHROPIC.replace(r#"\"Rome\"}"#, "Rome");
    fake.answers([Reply::stream(half)]);
    let answer = answer(&model("anthropic", &fake.url(""), once())).await;
    assert_eq!((&answer.calls[0].arguments, &answer.calls[1].arguments), (&json!("{\"city\":Rome"), &json!({"city": "Oslo"})));
}

#[tokio::test]
async fn usage_is_zero_where_nothing_is_said_of_it() {
    let fake = Fake::start().await;
    fake.answers([Reply::stream(data(&json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]})) + "data: [DONE]\n\n")]);
    assert_eq!(answer(&model("openai", &fake.url("/v1"), once())).await.usage, Usage::default());
    let fake = Fake::start().await;
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 2});
    let said = data(&json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], "x_groq": {"usage": usage}}));
    fake.answers([Reply::stream(said + "data: [DONE]\n\n")]);
    let told = answer(&model("groq", &fake.url("/v1"), once())).await.usage;
    assert_eq!((told.input, told.output), (7, 2));
}

#[tokio::test]
async fn a_call_may_claim_any_place() {
    for place in [json!(u32::MAX), json!(3), json!(null)] {
        let call = json!({"index": place, "id": "a", "function": {"name": "weather", "arguments": "{}"}});
        let said = data(&json!({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})) + "data: [DONE]\n\n";
        let fake = Fake::start().await;
        fake.answers([Reply::stream(said)]);
        let answer = answer(&model("compatible", &fake.url("/v1"), once())).await;
        assert_eq!((answer.calls.len(), answer.calls[0].name.as_str()), (1, "weather"), "{place}");
    }
}
