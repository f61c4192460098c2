//! What is sent, on every wire.

use model::prompt::{Assistant, Call, Function, Message, Prompt};
use serde_json::{Value, json};

use crate::ask::{ask, chosen, model, once, prompt, providers};
use crate::fake::{Answer, Fake};
use crate::fixture::{ANTHROPIC, COMPLETIONS, GEMINI, OLLAMA, WIRES};

/// A turn in the middle: two calls with what they came to, one of which the model got wrong.
fn conversation() -> Prompt {
    let calls = vec![
        Call { id: "call_a".into(), name: "weather".into(), arguments: json!({"city": "Rome"}) },
        Call { id: "call_b".into(), name: "functions.time".into(), arguments: json!("{\"city\":") },
    ];
    let outcome = |id: &str, name: &str, content: &str| Message::Outcome { id: id.into(), name: name.into(), content: content.into() };
    let messages = vec![
        Message::User("How is the weather?".into()),
        Message::Assistant(Assistant { text: "Let me see.".into(), signatures: Vec::new(), calls }),
        outcome("call_a", "weather", "It rains."),
        outcome("call_b", "functions.time", ""),
        Message::User(String::new()),
        Message::Assistant(Assistant::default()),
    ];
    Prompt { messages, ..prompt() }
}

async fn sent(kind: &str, path: &str, reply: &str, name: &str, prompt: &Prompt) -> Value {
    let fake = Fake::start().await;
    fake.answers([Answer::stream(reply)]);
    let providers = providers(&[json!({"id": "p", "kind": kind, "baseUrl": fake.url(path), "key": "k"})], once());
    ask(&chosen(&providers, &format!("p/{name}")), prompt).await.0.unwrap();
    fake.only().body
}

#[tokio::test]
async fn a_conversation_goes_to_chat_completions() {
    let body =
        sent("openai", "/v1", COMPLETIONS, "m/temperature=0.2/maxTokens=100/topP=0.9/seed=7/reasoningEffort=low", &conversation()).await;
    let call =
        |id: &str, name: &str, arguments: &str| json!({"type": "function", "id": id, "function": {"name": name, "arguments": arguments}});
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How is the weather?"},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [
                call("call_a", "weather", "{\"city\":\"Rome\"}"),
                call("call_b", "functions_time", "{\"invalid\":\"{\\\"city\\\":\"}"),
            ]},
            {"role": "tool", "content": "It rains.", "tool_call_id": "call_a"},
            {"role": "tool", "content": "(empty)", "tool_call_id": "call_b"},
            {"role": "user", "content": "(empty)"},
        ])
    );
    let asked = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.2, "max_tokens": 100, "top_p": 0.9, "seed": 7, "reasoning_effort": "low"});
    for (name, value) in asked.as_object().unwrap() {
        assert_eq!(&body[name], value, "{name}");
    }
    assert_eq!(body["tools"][0]["function"]["name"], "weather");
    assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["city"]));
}

#[tokio::test]
async fn a_conversation_goes_to_anthropic() {
    let body = sent("anthropic", "", ANTHROPIC, "claude-sonnet-4-5/maxTokens=100", &conversation()).await;
    assert_eq!((&body["system"], &body["max_tokens"], &body["stream"]), (&json!("Be brief."), &json!(100), &json!(true)));
    assert_eq!(
        body["messages"][1]["content"][1],
        json!({"type": "tool_use", "id": "call_a", "name": "weather", "input": {"city": "Rome"}})
    );
    assert_eq!(body["messages"][1]["content"][2]["input"], json!({"invalid": "{\"city\":"}));
    // The outcomes of one step are one message.
    let outcomes = body["messages"][2]["content"].as_array().unwrap();
    assert_eq!(outcomes.iter().map(|outcome| outcome["tool_use_id"].as_str().unwrap()).collect::<Vec<_>>(), ["call_a", "call_b"]);
    assert_eq!(body["tools"][1]["input_schema"]["type"], "object");
}

#[tokio::test]
async fn a_conversation_goes_to_google() {
    let body = sent("gemini", "", GEMINI, "gemini-2.5-pro/maxTokens=100", &conversation()).await;
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(body["contents"][1]["parts"][1]["functionCall"]["args"], json!({"city": "Rome"}));
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["name"], "weather");
    assert_eq!(body["contents"][2]["parts"][1]["functionResponse"]["name"], "functions_time");
    assert_eq!(body["generationConfig"], json!({"maxOutputTokens": 100}));
}

#[tokio::test]
async fn a_conversation_goes_to_ollama() {
    let body = sent("ollama", "", OLLAMA, "m/maxTokens=100/seed=7", &conversation()).await;
    let tools: Vec<_> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| &message["content"])
        .collect();
    assert_eq!(tools, [&json!("It rains."), &json!("(empty)")]);
    assert_eq!(body["options"], json!({"num_predict": 100, "seed": 7}));
}

#[tokio::test]
async fn the_end_of_a_name_is_part_of_it() {
    for kind in ["openai", "compatible", "groq"] {
        let body = sent(kind, "/v1", COMPLETIONS, "mistral-medium", &prompt()).await;
        assert_eq!((body["model"].as_str(), body.get("reasoning_effort")), (Some("mistral-medium"), None), "{kind}");
        let body = sent(kind, "/v1", COMPLETIONS, "qwen-max/reasoningEffort=high", &prompt()).await;
        assert_eq!((body["model"].as_str(), body["reasoning_effort"].as_str()), (Some("qwen-max"), Some("high")), "{kind}");
    }
}

#[tokio::test]
async fn signed_thoughts_go_back_to_the_model_that_had_them() {
    for (kind, path, reply, _) in WIRES {
        let fake = Fake::start().await;
        let url = fake.url(path);
        fake.answers([Answer::stream(reply), Answer::stream(reply)]);
        let first = ask(&model(kind, &url, once()), &prompt()).await.0.unwrap();
        let mut next = prompt();
        let outcomes: Vec<Message> = first
            .calls
            .iter()
            .map(|call| Message::Outcome { id: call.id.clone(), name: call.name.clone(), content: "ok".into() })
            .collect();
        next.messages.push(Message::Assistant(Assistant { text: first.text, signatures: first.signatures, calls: first.calls }));
        next.messages.extend(outcomes);
        ask(&model(kind, &url, once()), &next).await.0.unwrap();
        let body = &fake.asked()[1].body;
        match kind {
            "anthropic" => {
                assert_eq!(body["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}));
            }
            "gemini" => {
                let parts = &body["contents"][1]["parts"];
                assert_eq!((parts[1]["thoughtSignature"].as_str(), parts[2].get("thoughtSignature")), (Some("c2ln"), None));
            }
            "deepseek" => assert_eq!(body["messages"][2]["reasoning_content"], "Hm."),
            _ => assert!(!body.to_string().contains("Hm."), "{kind}"),
        }
        // Another model gets none of it.
        fake.answers([Answer::stream(reply)]);
        let other = providers(&[json!({"id": "p", "kind": kind, "baseUrl": url, "key": "k"})], once());
        ask(&chosen(&other, "p/other/reasoningEffort=high"), &next).await.0.unwrap();
        let body = &fake.asked()[2].body;
        assert!(!body.to_string().contains("Hm.") && !body.to_string().contains("c2ln"), "{kind}: {body}");
        // Nor is Anthropic asked to think on after calls without thoughts, which it refuses.
        assert!(kind != "anthropic" || body.get("thinking").is_none(), "{body}");
    }
}

#[tokio::test]
async fn a_function_called_like_a_tool_of_the_provider_is_still_ours() {
    let mut prompt = prompt();
    prompt.functions.push(Function { name: "web_search".into(), description: String::new(), parameters: Value::Null });
    let fake = Fake::start().await;
    fake.answers([Answer::stream(ANTHROPIC.replace("\"name\":\"time\"", "\"name\":\"web_search_2\""))]);
    let answer = ask(&model("anthropic", &fake.url(""), once()), &prompt).await.0.unwrap();
    assert_eq!(answer.calls[1].name, "web_search");
    let tool = &fake.only().body["tools"][2];
    assert_eq!((tool["name"].as_str(), tool.get("type")), (Some("web_search_2"), None));
    assert_eq!(tool["input_schema"], json!({"type": "object", "properties": {}}));
}

#[tokio::test]
async fn ids_of_calls_are_fit_for_every_provider_and_new() {
    let fake = Fake::start().await;
    let reply =
        GEMINI.replace("\"id\":\"call_a\",", "").replace("\"id\":\"call_b\",", "").replace("\"name\":\"time\"", "\"name\":\"weather\"");
    fake.answers([Answer::stream(reply.clone()), Answer::stream(reply)]);
    let model = model("gemini", &fake.url(""), once());
    let first = ask(&model, &prompt()).await.0.unwrap();
    let mut next = prompt();
    next.messages.push(Message::Assistant(Assistant { calls: first.calls.clone(), ..Assistant::default() }));
    let second = ask(&model, &next).await.0.unwrap();
    let ids: Vec<String> = first.calls.iter().chain(&second.calls).map(|call| call.id.clone()).collect();
    assert_eq!(ids, ["call_weather_0", "call_weather_1", "call_weather_0_2", "call_weather_1_2"]);
}

#[tokio::test]
async fn a_prompt_without_messages_is_refused() {
    let fake = Fake::start().await;
    let error = ask(&model("openai", &fake.url("/v1"), once()), &Prompt::default()).await.0.unwrap_err();
    assert_eq!(error.to_string(), "p/m refused: the prompt has no message: there is nothing to answer");
}
