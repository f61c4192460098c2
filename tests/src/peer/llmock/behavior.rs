//! What is done to the next requests.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

/// Something to do to a request, once unless said otherwise.
#[derive(Debug, Clone, Serialize)]
pub struct Behavior {
    #[serde(flatten)]
    what: What,
    times: Option<u32>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    only: Option<Value>,
}

/// How a stream breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokenStream {
    /// The connection is dropped.
    Disconnect,
    /// It ends cleanly, but without a finish reason or an end mark.
    Truncate,
    /// A chunk is no JSON.
    Malformed,
}

/// How a tool call is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokenCall {
    /// Its arguments are no JSON.
    MalformedArguments,
    /// Its tool was never offered.
    UnknownTool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum What {
    Fail {
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<f64>,
    },
    Delay {
        seconds: f64,
    },
    SlowFirstToken {
        seconds: f64,
    },
    StreamFault {
        kind: Value,
        after_chunks: u32,
        stall_seconds: f64,
    },
    Reply {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        tool_calls: Vec<Value>,
    },
    ToolFault {
        kind: BrokenCall,
    },
}

impl Behavior {
    fn of(what: What) -> Self {
        Self { what, times: Some(1), only: None }
    }

    /// An error of HTTP.
    pub fn fail(status: u16) -> Self {
        Self::of(What::Fail { status, retry_after: None })
    }

    /// A 429 that says when to come back.
    pub fn rate_limit(retry_after: Duration) -> Self {
        Self::fail(429).retry_after(retry_after)
    }

    /// A whole answer that comes late.
    pub fn delay(by: Duration) -> Self {
        Self::of(What::Delay { seconds: by.as_secs_f64() })
    }

    /// A stream whose first chunk comes late.
    pub fn slow_first_token(by: Duration) -> Self {
        Self::of(What::SlowFirstToken { seconds: by.as_secs_f64() })
    }

    /// A stream that breaks after some chunks.
    pub fn broken_stream(kind: BrokenStream, after_chunks: u32) -> Self {
        Self::of(What::StreamFault { kind: json!(kind), after_chunks, stall_seconds: 0.0 })
    }

    /// A stream that says nothing for a while after some chunks.
    pub fn stall(after_chunks: u32, during: Duration) -> Self {
        Self::of(What::StreamFault { kind: json!("stall"), after_chunks, stall_seconds: during.as_secs_f64() })
    }

    /// A text.
    pub fn reply(text: &str) -> Self {
        Self::of(What::Reply { text: Some(text.into()), tool_calls: Vec::new() })
    }

    /// Calls of tools, each a name and its arguments.
    pub fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let tool_calls = calls.into_iter().map(|(name, arguments)| json!({ "name": name, "arguments": arguments })).collect();
        Self::of(What::Reply { text: None, tool_calls })
    }

    /// A call that makes no sense.
    pub fn broken_call(kind: BrokenCall) -> Self {
        Self::of(What::ToolFault { kind })
    }

    /// Says with an error when to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        let What::Fail { retry_after, .. } = &mut self.what else { panic!("only an error can say when to come back") };
        *retry_after = Some(after.as_secs_f64());
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Every time.
    #[must_use]
    pub fn always(self) -> Self {
        Self { times: None, ..self }
    }

    /// Only to requests that match, in llmock's own form, such as `{"model": "gpt-*", "stream": true}`.
    #[must_use]
    pub fn only(self, only: Value) -> Self {
        Self { only: Some(only), ..self }
    }
}
