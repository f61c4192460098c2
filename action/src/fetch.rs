//! The action `fetch`: one HTTP call, and what of its response is wanted.
//!
//! The instruction says which secrets go into which headers; they go to that origin only, and what
//! comes back is scrubbed of them. `docs/actions.md` describes it.

use std::sync::Arc;
use std::time::Duration;

use egress::Egress;
use proto::limit::RESULT_BYTES_MAX;
use proto::wire::Doubt;
use serde_json::{Value, json};
use skillset::invocation::{Body, Invocation, Part, Text, Tree};
use tokio::sync::Semaphore;

use self::options::Options;
use crate::Error;
use crate::call::{self, Bounds};
use crate::fields::bare;
use crate::fill::Fill;

mod form;
mod json;
mod options;
mod page;
mod shape;

/// Largest response body that is read, in bytes; what is kept of it is bounded by [`RESULT_BYTES_MAX`].
const BODY_BYTES_MAX: usize = 512 * 1024;
/// How many responses are read apart at once; it is work for the processor.
const SHAPING_MAX: usize = 4;

/// Makes HTTP calls for filled-in instructions.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// Shortest time-out that an instruction can ask for.
    timeout_min: Duration,
    shaping: Arc<Semaphore>,
}

impl Fetch {
    /// Raises shorter time-outs to this one.
    pub(crate) fn new(timeout_min: Duration) -> Self {
        Self { timeout_min, shaping: Arc::new(Semaphore::new(SHAPING_MAX)) }
    }

    /// Makes one call; the result is its status and what is wanted of its body.
    pub(crate) async fn run(
        &self,
        egress: &Egress,
        invocation: &Invocation,
        fill: &Fill<'_>,
        idempotency_key: &str,
    ) -> Result<Value, Error> {
        let (request, options) = form::request(invocation, fill, idempotency_key, self.timeout_min).map_err(Error::Invalid)?;
        let scrub = Arc::new(fill.scrub());
        let timeout = request.timeout;
        let bounds = Bounds { success: BODY_BYTES_MAX, failure: BODY_BYTES_MAX };
        let answer = call::call(egress, request, bounds).await.map_err(|error| Error::Failed(error.to_string()))?;
        let status = answer.status.as_u16();
        let body = self.shape(answer, options, scrub, timeout).await.map_err(Error::Failed)?;
        Ok(json!({ "status": status, "body": body }))
    }

    /// Reads a response apart, off the threads that serve others, and not for longer than the call may take.
    async fn shape(
        &self,
        answer: call::Answer,
        options: Options,
        scrub: Arc<crate::scrub::Scrub>,
        timeout: Duration,
    ) -> Result<Value, String> {
        let turn = Arc::clone(&self.shaping).acquire_owned();
        let shaped = async {
            let turn = turn.await.map_err(|_| "cuepoint is stopping".to_owned())?;
            let work = move || {
                let shaped = shape::shape(&answer, &options, &scrub);
                drop(turn);
                shaped
            };
            // A panic of a parser is an error of this call only.
            tokio::task::spawn_blocking(work).await.map_err(|_| "the response could not be read apart".to_owned())?
        };
        let late = |_| format!("the response was not read apart within {} ms", timeout.as_millis());
        tokio::time::timeout(timeout, shaped).await.map_err(late).flatten()
    }
}

/// What to do with a call whose outcome is unknown: what only reads is done again.
pub(crate) fn doubt(invocation: &Invocation) -> Doubt {
    let of_text = |text: &Text| match text.0.as_slice() {
        [] => Some(String::new()),
        [Part::Literal(method)] => Some(method.clone()),
        _ => None,
    };
    let in_body = match &invocation.body {
        Body::Http(http) => Some(of_text(&http.method)),
        Body::Tree(Tree::Map(entries)) => entries.iter().find(|(key, _)| bare(key) == "method").map(|(_, tree)| match tree {
            Tree::Text(text) => of_text(text),
            Tree::Value(value) => value.as_str().map(str::to_owned),
            Tree::List(_) | Tree::Map(_) => None,
        }),
        Body::Tree(Tree::Value(Value::Object(entries))) => entries.get("method").map(|value| value.as_str().map(str::to_owned)),
        Body::Tree(_) | Body::Text(_) => None,
    };
    let in_parameters = || invocation.parameters.iter().find(|(key, _)| bare(key) == "method");
    let method = in_body.or_else(|| in_parameters().map(|(_, value)| value.as_str().map(str::to_owned)));
    match method {
        None => Doubt::Retry,
        Some(Some(method)) if ["", "GET", "HEAD"].iter().any(|reading| method.trim().eq_ignore_ascii_case(reading)) => Doubt::Retry,
        Some(_) => Doubt::Fail,
    }
}

/// What to tell of a result that is over the cap.
pub(crate) fn too_large(bytes: usize) -> String {
    format!("the result has {bytes} bytes as JSON, at most {RESULT_BYTES_MAX} are kept: narrow it with selectors, jsonpath or jmespath")
}
