//! One call of one model: the question goes out, and the answer comes in whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use genai::chat::ChatStreamEvent;
use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::answer::{Answer, Delta};
use crate::failure::Failure;
use crate::limit::Settings;
use crate::name::Ids;
use crate::prompt::Prompt;
use crate::request::Request;
use crate::span;
use crate::target::Target;
use crate::told::Told;
use crate::whole::{Heard, whole, withheld};
use crate::wire::Watch;

/// Calls a model once, until the deadline at the latest.
pub(crate) async fn call(
    target: &Target,
    prompt: &Prompt,
    settings: &Settings,
    deadline: Instant,
    told: &mut Told<'_>,
) -> Result<Answer, Failure> {
    let span = span::open(target, prompt);
    let begun = Instant::now();
    told.anew();
    let within = settings.call_within.min(deadline.saturating_duration_since(Instant::now()));
    let answered = stream(target, prompt, settings, within, told).instrument(span.clone());
    let answered = tokio::time::timeout(within, answered).await;
    let answered = answered.unwrap_or_else(|_| Err(Failure::passing(format!("the answer was not whole within {within:.1?}"))));
    span::close(&span, target, &answered);
    span::measure(target, begun.elapsed(), &answered);
    answered
}

async fn stream(target: &Target, prompt: &Prompt, settings: &Settings, within: Duration, told: &mut Told<'_>) -> Result<Answer, Failure> {
    let begun = Instant::now();
    let client = target.client()?;
    let Request { chat, mut options, names } = Request::new(prompt, target);
    let watch = Watch::new(target.kind());
    options.stream_header_timeout = Some(settings.headers_within.min(within));
    options.stream_read_timeout = Some(settings.idle_max);
    options.extra_headers = target.headers();
    options = options.with_raw_frame_sink_arc(Arc::<Watch>::clone(&watch));
    // genai writes parts of answers into its log lines, which are not ours to write.
    let opened = client.exec_chat_stream(target.service(), chat, Some(&options)).with_subscriber(NoSubscriber::default());
    let opened =
        opened.await.map_err(|error| Failure::Refused(format!("the question cannot be put: {}", target.scrub(&error.to_string()))))?;
    let mut events = opened.stream;
    let mut heard = Heard::default();
    loop {
        let event = events.next().with_subscriber(NoSubscriber::default()).await;
        if let Some(flaw) = watch.flaw() {
            return Err(flaw);
        }
        let event = match event {
            Some(Ok(event)) => event,
            Some(Err(_)) if watch.extra().is_blocked => return Ok(withheld(heard, target)),
            Some(Err(error)) => return Err(Failure::of(error, target.key())),
            None => return Err(Failure::passing("the answer ended before it was whole")),
        };
        match event {
            ChatStreamEvent::Chunk(chunk) if !chunk.content.is_empty() => {
                span::first(target, begun, &heard.text, &heard.reasoning);
                heard.text.push_str(&chunk.content);
                told.piece(Delta::Text(chunk.content));
            }
            ChatStreamEvent::ReasoningChunk(chunk) if !chunk.content.is_empty() => {
                span::first(target, begun, &heard.text, &heard.reasoning);
                heard.reasoning.push_str(&chunk.content);
                told.piece(Delta::Reasoning(chunk.content));
            }
            ChatStreamEvent::End(end) => {
                let mut answer = whole(heard, &end, watch.extra(), target)?;
                let mut ids = Ids::of(&prompt.messages);
                for call in &mut answer.calls {
                    call.id = ids.take(&call.id);
                    call.name = names.back(&call.name);
                }
                return Ok(answer);
            }
            _ => {}
        }
    }
}
