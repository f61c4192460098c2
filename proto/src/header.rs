//! Names of message headers.

/// The media type of an envelope.
pub const CONTENT_TYPE: &str = "Content-Type";
/// The W3C trace context of an event.
pub const TRACEPARENT: &str = "traceparent";
/// The id that the broker refuses to store twice inside its window.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The fence: the last sequence that the writer has seen on the subject.
pub const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";

/// When a schedule is due: `@at` and a time as RFC 3339 has it.
pub const SCHEDULE: &str = "Nats-Schedule";
/// Where a schedule's message goes once it is due.
pub const SCHEDULE_TARGET: &str = "Nats-Schedule-Target";
/// Makes a message replace all before it on its subject.
pub const ROLLUP: &str = "Nats-Rollup";
/// [`ROLLUP`]'s value for a subject.
pub const ROLLUP_SUBJECT: &str = "sub";

/// The media type of an envelope in protobuf.
pub const PROTOBUF: &str = "application/x-protobuf";
/// The media type of an envelope in JSON.
pub const JSON: &str = "application/json";
