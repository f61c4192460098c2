//! The one set of instruments, whoever reads them: OTLP, `/metrics`, both or nobody.
//!
//! Every attribute has few values: outcomes, codes, kinds, and the names of models, which operators
//! and bots choose; past [`CARDINALITY_MAX`] sets of values the library counts the rest as one.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _, noop::NoopMeterProvider};

use crate::convention as name;

/// How many sets of attributes an instrument tells apart.
pub const CARDINALITY_MAX: usize = 500;

/// Something that is read when somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// Calls whose publish the broker has not confirmed.
    PublishesInFlight,
    /// Readers that follow.
    Followers,
    /// Callers that wait for their turn's end.
    Waits,
    /// Checks of readiness that hold, by name: 0 or 1.
    Ready,
    /// Events that wait in EVENTS or are being worked on.
    BacklogEvents,
    /// Sessions that have some.
    BacklogSessions,
    /// Sessions whose events could be worked on now.
    SessionsRunnable,
    /// Dead letters.
    DeadLetters,
    /// Bytes of a stream.
    StreamBytes,
    /// Bytes that it may have.
    StreamBytesMax,
    /// Deliveries that wait in a worker's mailboxes.
    DeliveriesHeld,
    /// Sessions that a worker owns.
    SessionsOwned,
    /// Turns that run.
    TurnsRunning,
    /// Turns that may run at once.
    TurnsMax,
}

impl Gauge {
    /// Its name, its unit, and what it says.
    fn said(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::PublishesInFlight => ("cuepoint.publishes.in_flight", "{publish}", "Publishes that the broker has not confirmed yet."),
            Self::Followers => ("cuepoint.followers", "{reader}", "Readers that follow a conversation or an event."),
            Self::Waits => ("cuepoint.waits", "{caller}", "Callers that wait for the end of their turn."),
            Self::Ready => ("cuepoint.ready", "{check}", "Checks of readiness: 1 where one holds."),
            Self::BacklogEvents => ("cuepoint.backlog.events", "{event}", "Events that wait or are worked on, of the whole deployment."),
            Self::BacklogSessions => ("cuepoint.backlog.sessions", "{session}", "Sessions with such events, of the whole deployment."),
            Self::SessionsRunnable => {
                ("cuepoint.sessions.runnable", "{session}", "Sessions whose events could be worked on now, of the whole deployment.")
            }
            Self::DeadLetters => ("cuepoint.dead_letters", "{letter}", "Events that were given up on or refused, of the whole deployment."),
            Self::StreamBytes => ("cuepoint.stream.size", "By", "Bytes that a stream has."),
            Self::StreamBytesMax => ("cuepoint.stream.limit", "By", "Bytes that a stream may have."),
            Self::DeliveriesHeld => ("cuepoint.deliveries.held", "{delivery}", "Deliveries that wait in mailboxes."),
            Self::SessionsOwned => ("cuepoint.sessions.owned", "{session}", "Sessions that this worker owns."),
            Self::TurnsRunning => ("cuepoint.turns.running", "{turn}", "Turns that run."),
            Self::TurnsMax => ("cuepoint.turns.max", "{turn}", "Turns that may run at once."),
        }
    }
}

/// One value of a gauge, and what it is of, as an attribute's name and value.
pub type Reading = (u64, Option<(&'static str, &'static str)>);

/// What became of an event call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// Its event is stored.
    Accepted,
    /// It was stored before.
    Replayed,
    /// It is stored for later.
    Later,
    /// It was refused, with this code.
    Refused(&'a str),
}

/// One call of a model, as instruments tell it.
#[derive(Debug, Clone, Copy)]
pub struct ModelCall<'a> {
    /// The provider, as the conventions name it.
    pub provider: &'a str,
    /// The model that was asked for.
    pub model: &'a str,
    /// Why it failed, if it did.
    pub error: Option<&'a str>,
}

/// All instruments. The default ones lead nowhere.
#[derive(Debug)]
pub struct Instruments {
    meter: Meter,
    is_read: bool,
    request: Histogram<f64>,
    accept: Histogram<f64>,
    queue_wait: Histogram<f64>,
    turn: Histogram<f64>,
    model: Histogram<f64>,
    first_chunk: Histogram<f64>,
    tokens: Histogram<u64>,
    ability: Histogram<f64>,
    append: Histogram<f64>,
    fence_refusals: Counter<u64>,
    takeovers: Counter<u64>,
    adoptions: Counter<u64>,
    redeliveries: Counter<u64>,
    put_off: Counter<u64>,
    deliveries_out: Counter<u64>,
}

#[expect(clippy::derivable_impls, reason = "what leads nowhere is made of a meter that leads nowhere")]
impl Default for Instruments {
    fn default() -> Self {
        Self { is_read: false, ..Self::new(NoopMeterProvider::new().meter("cuepoint")) }
    }
}

impl Instruments {
    /// Makes all of them.
    pub fn new(meter: Meter) -> Self {
        let seconds = |name: &'static str, says: &'static str, bounds: &[f64]| {
            meter.f64_histogram(name).with_unit("s").with_description(says).with_boundaries(bounds.to_vec()).build()
        };
        let count = |name: &'static str, unit: &'static str, says: &'static str| {
            meter.u64_counter(name).with_unit(unit).with_description(says).build()
        };
        Self {
            request: seconds("http.server.request.duration", "How long calls of the API took.", &name::SECONDS),
            accept: seconds("cuepoint.accept.duration", "How long event calls took, from their arrival to their answer.", &name::SECONDS),
            queue_wait: seconds("cuepoint.queue.wait", "How long events lay in their inbox before their turn began.", &name::SECONDS),
            turn: seconds(
                "cuepoint.turn.duration",
                "How long turns took, from their beginning in this worker to their end.",
                &name::SECONDS,
            ),
            model: seconds("gen_ai.client.operation.duration", "How long calls of models took.", &name::MODEL_SECONDS),
            first_chunk: seconds(
                "gen_ai.client.operation.time_to_first_chunk",
                "How long models took to begin an answer.",
                &name::MODEL_SECONDS,
            ),
            tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_description("Tokens that calls of models took.")
                .with_boundaries(name::TOKENS.to_vec())
                .build(),
            ability: seconds("cuepoint.ability.duration", "How long calls of abilities took.", &name::SECONDS),
            append: seconds("cuepoint.log.append.duration", "How long appends to the log took.", &name::SECONDS),
            fence_refusals: count(
                "cuepoint.fence.refusals",
                "{append}",
                "Appends that the fence refused or that had no answer, by what they turned out to be.",
            ),
            takeovers: count("cuepoint.takeovers", "{session}", "Sessions that were taken from a worker which is gone."),
            adoptions: count("cuepoint.adoptions", "{worker}", "Workers that were found dead, and whose sessions were shared out."),
            redeliveries: count("cuepoint.redeliveries", "{delivery}", "Deliveries that the broker had made before."),
            put_off: count("cuepoint.deliveries.put_off", "{delivery}", "Deliveries that the broker was asked to bring again later."),
            deliveries_out: count("cuepoint.results.delivered", "{attempt}", "Attempts to tell the end of a turn to a destination."),
            is_read: true,
            meter,
        }
    }

    /// Whether anybody reads them.
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// A call of the API was answered.
    pub fn request(&self, took: Duration, (method, route, status): (&'static str, &str, u16)) {
        let attributes = [
            KeyValue::new(name::HTTP_METHOD, method),
            KeyValue::new(name::HTTP_ROUTE, route.to_owned()),
            KeyValue::new(name::HTTP_STATUS, i64::from(status)),
        ];
        self.request.record(took.as_secs_f64(), &attributes);
    }

    /// An event call was answered.
    pub fn call(&self, took: Duration, call: Call<'_>) {
        let outcome = |outcome: &'static str| KeyValue::new(name::OUTCOME, outcome);
        let took = took.as_secs_f64();
        match call {
            Call::Accepted => self.accept.record(took, &[outcome("accepted")]),
            Call::Replayed => self.accept.record(took, &[outcome("replayed")]),
            Call::Later => self.accept.record(took, &[outcome("later")]),
            Call::Refused(code) => self.accept.record(took, &[outcome("refused"), KeyValue::new(name::ERROR_TYPE, code.to_owned())]),
        }
    }

    /// A turn began whose event had waited so long.
    pub fn queue_wait(&self, waited: Duration) {
        self.queue_wait.record(waited.as_secs_f64(), &[]);
    }

    /// A turn ended.
    pub fn turn(&self, took: Duration, outcome: &'static str) {
        self.turn.record(took.as_secs_f64(), &[KeyValue::new(name::OUTCOME, outcome)]);
    }

    /// A model was called.
    pub fn model(&self, took: Duration, call: ModelCall<'_>) {
        self.model.record(took.as_secs_f64(), &attributes(call));
    }

    /// A model began to answer.
    pub fn first_chunk(&self, took: Duration, call: ModelCall<'_>) {
        self.first_chunk.record(took.as_secs_f64(), &attributes(call));
    }

    /// A model's answer took tokens.
    pub fn tokens(&self, (input, output): (u64, u64), call: ModelCall<'_>) {
        for (kind, count) in [("input", input), ("output", output)] {
            let mut attributes = attributes(call);
            attributes.push(KeyValue::new(name::GEN_AI_TOKEN_TYPE, kind));
            self.tokens.record(count, &attributes);
        }
    }

    /// An ability was called.
    pub fn ability(&self, took: Duration, outcome: &'static str) {
        self.ability.record(took.as_secs_f64(), &[KeyValue::new(name::OUTCOME, outcome)]);
    }

    /// A record was appended.
    pub fn append(&self, took: Duration) {
        self.append.record(took.as_secs_f64(), &[]);
    }

    /// An append was refused, or had no answer, and this is what it turned out to be.
    pub fn fence_refusal(&self, verdict: &'static str) {
        self.fence_refusals.add(1, &[KeyValue::new("verdict", verdict)]);
    }

    /// A session was taken from a worker that is gone.
    pub fn takeover(&self) {
        self.takeovers.add(1, &[]);
    }

    /// A worker was found dead.
    pub fn adoption(&self) {
        self.adoptions.add(1, &[]);
    }

    /// The broker made a delivery again.
    pub fn redelivery(&self) {
        self.redeliveries.add(1, &[]);
    }

    /// The broker was asked to make deliveries again later.
    pub fn put_off(&self, count: usize) {
        self.put_off.add(u64::try_from(count).unwrap_or(u64::MAX), &[]);
    }

    /// Has what alerts look at begin at 0: the first count of a counter that was not there before is seen by nobody.
    pub fn begin_counting(&self) {
        for counter in [&self.takeovers, &self.adoptions, &self.redeliveries] {
            counter.add(0, &[]);
        }
        self.fence_refusals.add(0, &[KeyValue::new("verdict", "stale")]);
    }

    /// The end of a turn was told to a destination, or not.
    pub fn delivered(&self, outcome: &'static str) {
        self.deliveries_out.add(1, &[KeyValue::new(name::OUTCOME, outcome)]);
    }

    /// Has the count of calls that were turned away read whenever somebody asks.
    pub fn observe_shed(&self, read: impl Fn() -> u64 + Send + Sync + 'static) {
        let counter = self.meter.u64_observable_counter("cuepoint.accepts.shed").with_unit("{call}");
        let counter = counter.with_description("Calls that were turned away because too much was on its way to the broker.");
        let _registered = counter.with_callback(move |observer| observer.observe(read(), &[])).build();
    }

    /// Has a gauge read whenever somebody asks; `read` neither waits nor blocks.
    pub fn observe(&self, gauge: Gauge, read: impl Fn() -> Vec<Reading> + Send + Sync + 'static) {
        let (name, unit, says) = gauge.said();
        let observed = self.meter.u64_observable_gauge(name).with_unit(unit).with_description(says).with_callback(move |observer| {
            for (value, of) in read() {
                let of = of.map(|(key, value)| KeyValue::new(key, value));
                observer.observe(value, of.as_slice());
            }
        });
        let _registered = observed.build();
    }
}

fn attributes(call: ModelCall<'_>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new(name::GEN_AI_OPERATION, name::CHAT),
        KeyValue::new(name::GEN_AI_PROVIDER, call.provider.to_owned()),
        KeyValue::new(name::GEN_AI_REQUEST_MODEL, call.model.to_owned()),
    ];
    attributes.extend(call.error.map(|error| KeyValue::new(name::ERROR_TYPE, error.to_owned())));
    attributes
}
