//! Whole answers, in the shapes that the providers document.

use serde_json::Value;

/// An event of chat completions or Google.
pub(crate) fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// An event of Anthropic, named as its type.
pub(crate) fn event(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap())
}

/// Chat completions: thoughts, words, two calls in fragments, usage.
pub(crate) const COMPLETIONS: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"Hm."}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"Let me "}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"content":"sée."}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"weather","arguments":""}}]}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Rome\"}"}}]}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"time","arguments":"{\"city\":\"Oslo\"}"}}]}}]}

data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

data: {"id":"c","choices":[],"usage":{"prompt_tokens":50,"completion_tokens":20,"total_tokens":70,"prompt_tokens_details":{"cached_tokens":30},"completion_tokens_details":{"reasoning_tokens":5}}}

data: [DONE]

"#;

/// Messages of Anthropic: a signed thought, words, two calls, usage with a cache.
pub(crate) const ANTHROPIC: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"usage":{"input_tokens":15,"cache_creation_input_tokens":5,"cache_read_input_tokens":30,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Let me sée."}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_a","name":"weather","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"Rome\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"call_b","name":"time","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"city\":\"Oslo\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":20,"output_tokens_details":{"thinking_tokens":5}}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// `streamGenerateContent` of Google: a thought, words, two calls with a signature, usage.
pub(crate) const GEMINI: &str = r#"data: {"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":50}}

data: {"candidates":[{"content":{"parts":[{"text":"Let me sée."}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":50}}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_a","name":"weather","args":{"city":"Rome"}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"call_b","name":"time","args":{"city":"Oslo"}}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":50,"cachedContentTokenCount":30,"candidatesTokenCount":15,"thoughtsTokenCount":5,"totalTokenCount":70}}

"#;

/// The chat of Ollama: thoughts, words, two calls, usage.
pub(crate) const OLLAMA: &str = r#"{"model":"m","message":{"role":"assistant","content":"","thinking":"Hm."},"done":false}
{"model":"m","message":{"role":"assistant","content":"Let me sée."},"done":false}
{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_a","function":{"name":"weather","arguments":{"city":"Rome"}}},{"id":"call_b","function":{"name":"time","arguments":{"city":"Oslo"}}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":50,"prompt_eval_cached_count":30,"eval_count":20}
"#;

/// A kind, the path of its base URL, a whole answer, and what ends one.
pub(crate) const WIRES: [(&str, &str, &str, &str); 6] = [
    ("openai", "/v1", COMPLETIONS, "[DONE]"),
    ("compatible", "/v1", COMPLETIONS, "[DONE]"),
    ("deepseek", "/v1", COMPLETIONS, "[DONE]"),
    ("anthropic", "", ANTHROPIC, r#"data: {"type":"message_stop"}"#),
    ("gemini", "", GEMINI, r#""totalTokenCount":70}}"#),
    ("ollama", "", OLLAMA, r#""eval_count":20}"#),
];
