//! An answer as it stands on the wire, watched beside genai.
//!
//! genai reads answers, and is lenient where half an answer must not pass for a whole one: it takes the
//! end of a stream for the end of an answer (Gemini, Ollama), drops events whose name was cut off
//! (Anthropic, where a line end fell between two reads), drops calls without a place and makes room for
//! whatever place one claims (chat completions), and says nothing of errors that Ollama sends as a line.
//! So every frame is also looked at here, before genai acts on it.

use std::sync::{Arc, Mutex, PoisonError};

use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};
use serde_json::Value;

use crate::answer::Usage;
use crate::failure::Failure;
use crate::limit::ANSWER_BYTES_MAX;
use crate::provider::Kind;

mod anthropic;
mod completions;
mod gemini;
mod ollama;

/// Watches the frames of one answer.
pub(crate) struct Watch(Mutex<Seen>);

/// What was seen so far.
struct Seen {
    reader: Reader,
    bytes: usize,
    flaw: Option<Failure>,
}

enum Reader {
    Completions(completions::Frames),
    Anthropic(anthropic::Frames),
    Gemini(gemini::Frames),
    Ollama(ollama::Frames),
}

/// What genai does not say about an answer.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The calls, where genai is not trusted to put them together.
    pub calls: Option<Vec<Piece>>,
    /// What the model says instead of an answer that it refuses.
    pub refusal: String,
    /// Whether the provider withheld the answer because of the question.
    pub is_blocked: bool,
    /// An error that came as a part of the answer.
    pub error: Option<String>,
    /// What it cost, where genai does not look everywhere for it.
    pub usage: Option<Usage>,
    /// Tokens spent on reasoning, where genai does not look for them.
    pub reasoning: Option<u64>,
}

/// A call as it stands on the wire.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its id; may be empty.
    pub id: String,
    /// The function; may be empty.
    pub name: String,
    /// The arguments, as far as they came.
    pub arguments: String,
}

impl Watch {
    pub(crate) fn new(kind: Kind) -> Arc<Self> {
        let reader = match kind {
            Kind::OpenAi | Kind::Groq | Kind::DeepSeek | Kind::Compatible => Reader::Completions(completions::Frames::default()),
            Kind::Anthropic => Reader::Anthropic(anthropic::Frames::default()),
            Kind::Gemini => Reader::Gemini(gemini::Frames::default()),
            Kind::Ollama => Reader::Ollama(ollama::Frames::default()),
        };
        Arc::new(Self(Mutex::new(Seen { reader, bytes: 0, flaw: None })))
    }

    /// What is wrong with the answer, if anything is.
    pub(crate) fn flaw(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flaw.clone()
    }

    /// What genai does not say.
    pub(crate) fn extra(&self) -> Extra {
        match &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).reader {
            Reader::Completions(frames) => frames.extra(),
            Reader::Anthropic(frames) => frames.extra(),
            Reader::Gemini(frames) => frames.extra(),
            Reader::Ollama(frames) => frames.extra(),
        }
    }
}

impl Seen {
    fn take(&mut self, event: Option<&str>, data: &str) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > ANSWER_BYTES_MAX {
            return Err(Failure::Barred(format!("the answer has more than {ANSWER_BYTES_MAX} bytes: ask for a shorter one")));
        }
        let taken = match &mut self.reader {
            Reader::Completions(frames) => frames.take(data),
            Reader::Anthropic(frames) => frames.take(event, data),
            Reader::Gemini(frames) => frames.take(data),
            Reader::Ollama(frames) => frames.take(data),
        };
        taken.map_err(|what| Failure::passing(format!("the answer is broken: {what}")))
    }
}

impl ChatFrameSink for Watch {
    fn on_frame(&self, _: &FrameCtx, frame: RawFrameRef<'_>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.flaw.is_none() {
            seen.flaw = seen.take(frame.event, frame.data).err();
        }
    }
}

/// A frame's JSON object.
fn object(data: &str) -> Result<Value, String> {
    match serde_json::from_str(data) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("a part is no object".to_owned()),
        Err(_) => Err("a part is no JSON".to_owned()),
    }
}

/// The member of an object, where it is there and not null.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|member| !member.is_null())
}
