//! What asking a model may take: every wait, retry and size in one place.

use std::num::NonZeroU32;
use std::time::Duration;

/// How many models may stand in for the first one.
pub const FALLBACKS_MAX: usize = 4;
/// How long a model string may be, in bytes.
pub const CHOICE_BYTES_MAX: usize = 256;
/// How many tokens an answer may be allowed to have.
pub const TOKENS_MAX: u32 = 1_000_000;
/// How many providers one process knows.
pub const PROVIDERS_MAX: usize = 64;

/// How much of one answer is read, in bytes of its events: far above what any model says.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How many calls one answer may want.
pub const CALLS_MAX: usize = 128;
/// How long the id of a call and the name of a function may be, in characters.
pub const NAME_CHARS_MAX: usize = 64;
/// How much is kept of what a provider says about an error, in characters.
pub const REASON_CHARS_MAX: usize = 300;
/// How much of a violation is told to the model that is to mend it, in characters.
pub const VIOLATION_CHARS_MAX: usize = 1_000;

/// How long one ask may take with all its retries and fallbacks, in seconds: below a turn's deadline.
pub const ASK_S_MAX: u64 = 480;
/// How long one call may take from its first byte out to its last byte in, in seconds.
pub const CALL_S_MAX: u64 = 300;
/// How long a provider may take until its answer begins, in seconds.
pub const HEADERS_S_MAX: u64 = 60;
/// How long an answer that has begun may say nothing, in seconds: a model may think before it speaks.
pub const IDLE_S_MAX: u64 = 120;
/// How often one model is called before the next one is.
pub const ATTEMPTS_MAX: NonZeroU32 = NonZeroU32::new(4).unwrap();
/// How long the first wait before a retry is at most, in milliseconds; each further one is twice that.
pub const BACK_OFF_MS: u64 = 500;
/// How long a wait before a retry is at most, in seconds.
pub const BACK_OFF_S_MAX: u64 = 20;
/// How long a provider may ask to be left alone, in seconds; where it asks for more, the next model is called.
pub const RETRY_AFTER_S_MAX: u64 = 60;

/// The limits that a deployment or a test may set otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long one ask may take with all its retries and fallbacks.
    pub ask_within: Duration,
    /// How long one call may take.
    pub call_within: Duration,
    /// How long a provider may take until its answer begins.
    pub headers_within: Duration,
    /// How long an answer that has begun may say nothing.
    pub idle_max: Duration,
    /// How often one model is called before the next one is.
    pub attempts_max: NonZeroU32,
    /// How long the first wait before a retry is at most.
    pub back_off: Duration,
    /// How long any such wait is at most.
    pub back_off_max: Duration,
    /// How long a provider may ask to be left alone.
    pub retry_after_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ask_within: Duration::from_secs(ASK_S_MAX),
            call_within: Duration::from_secs(CALL_S_MAX),
            headers_within: Duration::from_secs(HEADERS_S_MAX),
            idle_max: Duration::from_secs(IDLE_S_MAX),
            attempts_max: ATTEMPTS_MAX,
            back_off: Duration::from_millis(BACK_OFF_MS),
            back_off_max: Duration::from_secs(BACK_OFF_S_MAX),
            retry_after_max: Duration::from_secs(RETRY_AFTER_S_MAX),
        }
    }
}
