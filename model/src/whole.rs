//! When an answer is whole, and what it then says.
//!
//! Its stream came to the end that the wire has for it, and named a reason to stop that is one: everything
//! else is a failure, however much was said before.

use genai::chat::{ContentPart, StopReason, StreamEnd};
use serde_json::{Value, json};

use crate::answer::{Answer, Stop, Usage};
use crate::failure::Failure;
use crate::mark;
use crate::prompt::Call;
use crate::provider::Kind;
use crate::target::Target;
use crate::wire::{Extra, Piece};

/// Further reasons to stop that are none to worry.
const ENDS: [&str; 4] = ["eos", "eos_token", "function_call", "tool_calls"];

/// What an answer was so far.
#[derive(Default)]
pub(crate) struct Heard {
    pub text: String,
    pub reasoning: String,
}

/// An answer that the provider does not give because of the question.
pub(crate) fn withheld(heard: Heard, target: &Target) -> Answer {
    Answer { text: heard.text, reasoning: heard.reasoning, stop: Stop::Filtered, model: target.name.clone(), ..Answer::default() }
}

/// The whole answer, or why this is none.
pub(crate) fn whole(heard: Heard, end: &StreamEnd, extra: Extra, target: &Target) -> Result<Answer, Failure> {
    if extra.is_blocked {
        return Ok(withheld(heard, target));
    }
    if let Some(error) = extra.error {
        return Err(Failure::passing(target.scrub(&format!("the answer broke off with an error: {error}"))));
    }
    let Some(reason) = &end.captured_stop_reason else {
        return Err(Failure::passing("the answer ended before it was whole: it names no reason to stop"));
    };
    let stop = if extra.refusal.is_empty() { stop(reason, target)? } else { Stop::Filtered };
    let Heard { mut text, reasoning } = heard;
    text.push_str(&extra.refusal);
    let parts = end.captured_content.as_ref().map(|content| content.parts().as_slice()).unwrap_or_default();
    let calls: Vec<Call> = match extra.calls {
        Some(pieces) => pieces.into_iter().map(|piece| assembled(piece, stop)).collect(),
        None => parts.iter().filter_map(captured).collect(),
    };
    let wants_calls = matches!(reason, StopReason::ToolCall(_)) || reason.raw().eq_ignore_ascii_case("function_call");
    if calls.iter().any(|call| call.name.is_empty()) || (wants_calls && calls.is_empty()) {
        return Err(Failure::passing("the answer wants a call but does not say of what"));
    }
    let mut signatures = mark::write(parts, &target.name);
    if target.kind() == Kind::DeepSeek && !calls.is_empty() && !reasoning.is_empty() {
        signatures.extend(mark::write(&[ContentPart::ReasoningContent(reasoning.clone())], &target.name));
    }
    let stop = if stop == Stop::End && !calls.is_empty() { Stop::Calls } else { stop };
    Ok(Answer {
        text,
        reasoning,
        calls,
        signatures,
        stop,
        usage: extra.usage.unwrap_or_else(|| usage(end, extra.reasoning)),
        model: target.name.clone(),
    })
}

fn stop(reason: &StopReason, target: &Target) -> Result<Stop, Failure> {
    match reason {
        StopReason::MaxTokens(_) => Ok(Stop::Length),
        StopReason::ContentFilter(_) => Ok(Stop::Filtered),
        StopReason::Completed(_) | StopReason::ToolCall(_) | StopReason::StopSequence(_) => Ok(Stop::End),
        // As some servers of open models and some gateways say it.
        StopReason::Other(other) if ENDS.iter().any(|end| other.eq_ignore_ascii_case(end)) => Ok(Stop::End),
        StopReason::Other(other) => Err(Failure::passing(target.scrub(&format!("the model stopped because of {other:?}")))),
    }
}

/// A call of chat completions. Arguments that were cut off must not pass for an empty object.
fn assembled(piece: Piece, stop: Stop) -> Call {
    let Piece { id, name, arguments } = piece;
    let arguments = match serde_json::from_str(&arguments) {
        Ok(Value::Null) => json!({}),
        Ok(value) => value,
        Err(_) if stop == Stop::End && arguments.trim().is_empty() => json!({}),
        Err(_) => Value::String(arguments),
    };
    Call { id, name, arguments }
}

/// A call that genai put together.
fn captured(part: &ContentPart) -> Option<Call> {
    let ContentPart::ToolCall(call) = part else { return None };
    let arguments = if call.fn_arguments.is_null() { json!({}) } else { call.fn_arguments.clone() };
    Some(Call { id: call.call_id.clone(), name: call.fn_name.clone(), arguments })
}

fn usage(end: &StreamEnd, reasoning: Option<u64>) -> Usage {
    let Some(usage) = &end.captured_usage else { return Usage::default() };
    let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
    let told = usage.completion_tokens_details.as_ref().and_then(|details| count(details.reasoning_tokens));
    let reasoning = reasoning.or(told).unwrap_or_default();
    Usage {
        input: count(usage.prompt_tokens).unwrap_or_default(),
        cached: usage.prompt_tokens_details.as_ref().and_then(|details| count(details.cached_tokens)).unwrap_or_default(),
        // Google names no tokens of the answer where there was nothing but thought.
        output: count(usage.completion_tokens).unwrap_or(reasoning),
        reasoning,
    }
}
