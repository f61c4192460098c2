//! Names of the OpenTelemetry conventions, pinned in one place.
//!
//! HTTP, messaging, server and error: semantic conventions 1.44.0
//! (<https://opentelemetry.io/docs/specs/semconv/>). `GenAI`: 1.41.1, the last text within those
//! conventions; what succeeds it moves still. Names that begin with `cuepoint.` are our own.

#![expect(missing_docs, reason = "each says what it is; what it means stands in the conventions")]

/// The messaging system; the conventions have no well-known value for it.
pub const NATS: &str = "nats";

// Spans of HTTP.
pub const HTTP_METHOD: &str = "http.request.method";
pub const HTTP_ROUTE: &str = "http.route";
pub const HTTP_STATUS: &str = "http.response.status_code";
pub const ERROR_TYPE: &str = "error.type";

// Spans of messages.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
pub const MESSAGING_OPERATION: &str = "messaging.operation.name";
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
pub const MESSAGING_TEMPLATE: &str = "messaging.destination.template";
pub const MESSAGING_GROUP: &str = "messaging.consumer.group.name";
pub const MESSAGING_CONVERSATION: &str = "messaging.message.conversation_id";
pub const MESSAGING_SIZE: &str = "messaging.message.body.size";

// Spans of models, agents and tools.
pub const GEN_AI_OPERATION: &str = "gen_ai.operation.name";
pub const GEN_AI_PROVIDER: &str = "gen_ai.provider.name";
pub const GEN_AI_AGENT_NAME: &str = "gen_ai.agent.name";
pub const GEN_AI_CONVERSATION: &str = "gen_ai.conversation.id";
pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
pub const GEN_AI_REQUEST_STREAM: &str = "gen_ai.request.stream";
pub const GEN_AI_REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
pub const GEN_AI_REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
pub const GEN_AI_REQUEST_TOP_P: &str = "gen_ai.request.top_p";
pub const GEN_AI_REQUEST_SEED: &str = "gen_ai.request.seed";
pub const GEN_AI_RESPONSE_MODEL: &str = "gen_ai.response.model";
pub const GEN_AI_RESPONSE_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub const GEN_AI_RESPONSE_FINISH: &str = "gen_ai.response.finish_reasons";
pub const GEN_AI_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub const GEN_AI_CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub const GEN_AI_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub const GEN_AI_REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub const GEN_AI_INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub const GEN_AI_OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
pub const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";
pub const GEN_AI_TOOL_CALL: &str = "gen_ai.tool.call.id";
pub const GEN_AI_TOOL_TYPE: &str = "gen_ai.tool.type";
pub const GEN_AI_TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub const GEN_AI_TOOL_RESULT: &str = "gen_ai.tool.call.result";
pub const GEN_AI_TOKEN_TYPE: &str = "gen_ai.token.type";
pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";

// Operations of models, agents and tools, and their spans' beginnings.
pub const CHAT: &str = "chat";
pub const INVOKE_AGENT: &str = "invoke_agent";
pub const EXECUTE_TOOL: &str = "execute_tool";

// What belongs together over several traces.
pub const SESSION: &str = "session.id";

// Our own.
/// The trigger of an event.
pub const TRIGGER: &str = "cuepoint.trigger.id";
/// The receipt of an event.
pub const RECEIPT: &str = "cuepoint.receipt";
/// Which attempt at its turn this is.
pub const ATTEMPT: &str = "cuepoint.attempt";
/// What became of something.
pub const OUTCOME: &str = "cuepoint.outcome";
/// The place of a message in its stream.
pub const STREAM_SEQUENCE: &str = "messaging.nats.stream.sequence";
/// What kind of record is appended.
pub const RECORD: &str = "cuepoint.record.kind";

/// Buckets of durations of a message's or a turn's way, in seconds.
pub const SECONDS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Buckets of the duration of a model's call, in seconds, as the `GenAI` conventions have them.
pub const MODEL_SECONDS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Buckets of tokens, as the `GenAI` conventions have them.
pub const TOKENS: [f64; 14] =
    [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];
