//! Answers that must have a shape.

use model::answer::{Answer, Delta, Error, Stop};
use model::prompt::{Output, Prompt};
use serde_json::{Value, json};

use crate::ask::{ask, chosen, model, once, prompt, providers};
use crate::fake::{Answer as Reply, Fake};
use crate::fixture::{COMPLETIONS, GEMINI, data};

fn shaped() -> Prompt {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false});
    Prompt { functions: Vec::new(), output: Some(Output { name: "the city".into(), schema }), ..prompt() }
}

fn says(text: &str) -> Reply {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
    Reply::stream(data(&json!({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}], "usage": usage})) + "data: [DONE]\n\n")
}

async fn asked(replies: Vec<Reply>) -> (Result<Answer, Error>, Vec<Delta>, Vec<Value>) {
    let fake = Fake::start().await;
    fake.answers(replies);
    let (answer, told) = ask(&model("openai", &fake.url("/v1"), once()), &shaped()).await;
    (answer, told, fake.asked().into_iter().map(|request| request.body).collect())
}

#[tokio::test]
async fn an_answer_in_the_shape_is_taken() {
    let (answer, _, asked) = asked(vec![says("{\"city\":\"Rome\"}")]).await;
    assert_eq!(answer.unwrap().text, "{\"city\":\"Rome\"}");
    assert_eq!(asked[0]["response_format"]["type"], "json_schema");
    assert_eq!(asked[0]["response_format"]["json_schema"]["name"], "the_city");
}

#[tokio::test]
async fn an_answer_in_another_shape_is_sent_back_once_with_what_is_wrong() {
    let (answer, told, asked) = asked(vec![says("{\"city\":5}"), says("```json\n{\"city\":\"Rome\"}\n```")]).await;
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), answer.usage.input, answer.usage.output), ("{\"city\":\"Rome\"}", 20, 10));
    assert_eq!(told.iter().filter(|delta| **delta == Delta::Restart).count(), 1);
    let messages = asked[1]["messages"].as_array().unwrap();
    assert_eq!(messages[2], json!({"role": "assistant", "content": "{\"city\":5}"}));
    assert!(messages[3]["content"].as_str().unwrap().contains("/city: 5 is not of type \"string\""), "{messages:?}");
}

#[tokio::test]
async fn an_answer_in_another_shape_twice_is_an_error_that_does_not_show_it() {
    let (answer, _, asked) =
        asked(vec![says("my secret"), says("{\"city\":\"Rome\",\"x\":\"my secret\"}"), says("{\"city\":\"Rome\"}")]).await;
    let error = answer.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { reason, .. } if reason.starts_with("the answer does not have the shape that is asked for, twice: ")),
        "{error}"
    );
    assert!(!error.to_string().contains("my secret"), "{error}");
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn an_answer_that_was_cut_short_is_not_asked_for_again() {
    let cut = data(&json!({"choices": [{"delta": {"content": "{\"city\":"}, "finish_reason": "length"}]})) + "data: [DONE]\n\n";
    let (answer, _, asked) = asked(vec![Reply::stream(cut), says("{}")]).await;
    assert!(answer.unwrap_err().to_string().ends_with("raise maxTokens"));
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn calls_and_refusals_need_no_shape() {
    let (answer, _, asked) = asked(vec![Reply::stream(COMPLETIONS)]).await;
    assert_eq!((answer.unwrap().stop, asked.len()), (Stop::Calls, 1));
    let withheld = data(&json!({"choices": [{"delta": {"content": "no"}, "finish_reason": "content_filter"}]})) + "data: [DONE]\n\n";
    let (answer, _, asked) = super::shape::asked(vec![Reply::stream(withheld)]).await;
    assert_eq!((answer.unwrap().stop, asked.len()), (Stop::Filtered, 1));
}

#[tokio::test]
async fn who_cannot_hold_an_answer_to_a_schema_is_told_it_in_words() {
    let gemini = data(&json!({"candidates": [{"content": {"parts": [{"text": "{\"city\":\"Rome\"}"}]}, "finishReason": "STOP"}]}));
    let ollama = "{\"message\":{\"content\":\"{\\\"city\\\":\\\"Rome\\\"}\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    let completions =
        data(&json!({"choices": [{"delta": {"content": "{\"city\":\"Rome\"}"}, "finish_reason": "stop"}]})) + "data: [DONE]\n\n";
    let anthropic = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"].map(|kind| {
        let text = json!({"type": kind, "index": 0, "message": {}, "content_block": {"type": "text"}, "delta": {"text": "{\"city\":\"Rome\"}", "stop_reason": "end_turn"}});
        crate::fixture::event(&text)
    });
    for (kind, path, schemas, reply, pointer) in [
        ("openai", "/v1", Value::Null, completions.clone(), Some("/response_format/json_schema/schema")),
        ("compatible", "/v1", Value::Null, completions.clone(), Some("/response_format/json_schema/schema")),
        ("compatible", "/v1", json!(false), completions.clone(), None),
        ("groq", "/v1", Value::Null, completions.clone(), None),
        ("groq", "/v1", json!(true), completions.clone(), Some("/response_format/json_schema/schema")),
        ("deepseek", "/v1", Value::Null, completions, None),
        ("anthropic", "", Value::Null, anthropic.concat(), Some("/output_config/format/schema")),
        ("gemini", "", Value::Null, gemini, Some("/generationConfig/responseJsonSchema")),
        ("ollama", "", Value::Null, ollama.to_owned(), None),
    ] {
        let fake = Fake::start().await;
        fake.answers([Reply::stream(reply)]);
        let configured = [json!({"id": "p", "kind": kind, "baseUrl": fake.url(path), "key": "k", "schemas": schemas})];
        let answer = ask(&chosen(&providers(&configured, once()), "p/m"), &shaped()).await.0.unwrap();
        assert_eq!(answer.text, "{\"city\":\"Rome\"}", "{kind}");
        let body = fake.only().body;
        let is_told = body.to_string().contains("It must be valid against this JSON Schema");
        match pointer {
            Some(pointer) => assert!(body.pointer(pointer).is_some() && !is_told, "{kind}: {body}"),
            None => assert!(body.get("response_format").is_none() && is_told, "{kind}: {body}"),
        }
    }
}

#[tokio::test]
async fn google_takes_functions_or_a_schema() {
    let fake = Fake::start().await;
    fake.answers([Reply::stream(GEMINI)]);
    let prompt = Prompt { functions: prompt().functions, ..shaped() };
    ask(&model("gemini", &fake.url(""), once()), &prompt).await.0.unwrap();
    let body = fake.only().body;
    assert!(
        body.pointer("/generationConfig/responseJsonSchema").is_none() && body.to_string().contains("valid against this JSON Schema"),
        "{body}"
    );
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused_before_anybody_is_asked() {
    let fake = Fake::start().await;
    let output = Output { name: "x".into(), schema: json!({"type": 5}) };
    let error = ask(&model("openai", &fake.url("/v1"), once()), &Prompt { output: Some(output), ..prompt() }).await.0.unwrap_err();
    assert!(matches!(&error, Error::Refused { reason, .. } if reason.starts_with("output.schema cannot be used: ")), "{error}");
    assert!(fake.asked().is_empty());
}
