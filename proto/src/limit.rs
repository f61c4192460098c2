//! Every bound of the system with its default, in one place.
//!
//! Names end in their unit. A bound that an operator may change is a flag whose default stands here.

use std::time::Duration;

/// Longest trigger id, bot id and session token, in characters.
pub const TOKEN_CHARS_MAX: usize = 64;
/// Longest session string that a caller may send, in bytes.
pub const SESSION_BYTES_MAX: usize = 1024;
/// Longest contact field, in bytes (an email address has at most 254 by RFC 5321, section 4.5.3.1.3).
pub const CONTACT_BYTES_MAX: usize = 254;
/// Longest idempotency key, in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Largest body of an event call, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Largest envelope on the broker, in bytes: a body, once more the text taken from it, and the rest.
pub const ENVELOPE_BYTES_MAX: usize = 640 * 1024;
/// Largest contents of one step (arguments, outcomes or the reply), in bytes.
///
/// An envelope, a step and the frame of a record together stay below the 1 MiB that nats-server
/// takes unless it is told otherwise.
pub const STEP_BYTES_MAX: usize = 320 * 1024;
/// Largest result of one call, in bytes of JSON.
pub const RESULT_BYTES_MAX: usize = STEP_BYTES_MAX / 2;
/// Largest default text of a trigger, in bytes.
pub const TRIGGER_TEXT_BYTES_MAX: usize = 32 * 1024;
/// Largest answer of somebody outside, in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest name of whoever answers or calls off, in bytes.
pub const BY_BYTES_MAX: usize = 254;
/// Longest reason of a refusal or cancellation, in bytes.
pub const REASON_BYTES_MAX: usize = 4 * 1024;
/// How many waiting events of one session may be called off at once.
pub const CANCELS_MAX: usize = 256;
/// Largest definition of a bot or skillset, in bytes of JSON.
pub const DEFINITION_BYTES_MAX: usize = 256 * 1024;
/// How many events one collected turn takes in.
pub const COLLECT_MAX: usize = 32;
/// Longest media type that is kept, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 256;

/// How long a publish may take before the caller is told that it is unconfirmed.
pub const PUBLISH_DEADLINE: Duration = Duration::from_secs(2);
/// How long one read of the broker may take.
pub const READ_DEADLINE: Duration = Duration::from_secs(2);
/// Longest `?wait`.
pub const WAIT_MAX: Duration = Duration::from_mins(1);
/// How long the gateway remembers an idempotency key beyond the broker's own window.
pub const IDEMPOTENCY_TTL: Duration = Duration::from_hours(24);
/// The broker's own window for repeats.
pub const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);
/// What a caller is told to wait after a 429 or 503, in seconds.
pub const RETRY_AFTER_S: u64 = 1;

/// How many events of one session may wait in EVENTS.
pub const SESSION_BACKLOG_MAX: i64 = 1_000;
/// How many bytes EVENTS may hold.
pub const EVENTS_BYTES_MAX: i64 = 8 << 30;
/// How many bytes LOG and DEAD must have left before a turn is taken up again: its largest record fits, and the letter beside it.
pub const ROOM_BYTES: u64 = 2 << 20;
/// The share of a small stream that is enough: one in so many of its bytes.
pub const ROOM_SHARE: u64 = 16;
/// How long a look at that room counts.
pub const ROOM_KNOWN: Duration = Duration::from_secs(1);
/// How many bytes LOG may hold.
pub const LOG_BYTES_MAX: i64 = 64 << 30;
/// How many bytes DEAD may hold.
pub const DEAD_BYTES_MAX: i64 = 4 << 30;
/// How many bytes AUDIT may hold.
pub const AUDIT_BYTES_MAX: i64 = 1 << 30;
/// How many bytes OUT may hold.
pub const OUT_BYTES_MAX: i64 = 4 << 30;
/// How long OUT keeps what it was to tell, delivered or not.
pub const OUT_AGE_MAX: Duration = Duration::from_hours(24 * 7);
/// How many records of the log may be in hand at once of those who look for ends of turns.
pub const COLLECTING_MAX: i64 = 1_024;
/// How long the broker waits for the end of an attempt to tell the end of a turn; longer than one takes.
pub const DELIVER_ACK_WAIT: Duration = Duration::from_secs(30);
/// How long the log keeps a record.
pub const LOG_AGE_MAX: Duration = Duration::from_hours(24 * 365);
/// How far below [`LOG_AGE_MAX`] an event counts as older than the log, for clocks that differ.
pub const LOG_AGE_MARGIN: Duration = Duration::from_hours(1);

/// How long the broker waits for an ack before it delivers again.
pub const ACK_WAIT: Duration = Duration::from_secs(5);
/// How often held deliveries are told to be in progress: a third of [`ACK_WAIT`].
pub const PROGRESS_EVERY: Duration = Duration::from_millis(1_600);
/// How many deliveries a mailbox holds; further ones are put off.
pub const HELD_MAX: usize = 16;
/// How many deliveries a mailbox holds while its lease is asked for: all that a worker has asked the broker for.
pub const HELD_CLAIMING_MAX: usize = 2 * PULL_BATCH_MAX;
/// How many deliveries that were put off a mailbox remembers, so that it can ack them once committed.
pub const PARKED_MAX: usize = 1_024;
/// Shortest delay of a delivery that a full mailbox puts off.
pub const PARK_MIN: Duration = Duration::from_secs(5);
/// Longest delay of a delivery that a full mailbox puts off.
pub const PARK_MAX: Duration = Duration::from_secs(30);
/// Longest delay of a delivery that found no owner to take it.
pub const NAK_MAX: Duration = Duration::from_secs(2);

/// How long a lease lasts without renewal.
pub const LEASE_TTL: Duration = Duration::from_secs(5);
/// How often all leases are renewed: a quarter of [`LEASE_TTL`].
pub const RENEW_EVERY: Duration = Duration::from_millis(1_250);
/// How many leases one renewal call carries.
pub const RENEW_BATCH_MAX: usize = 512;
/// How often a worker says that it lives.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);
/// After what silence a worker is asked whether it lives.
pub const HEARTBEAT_STALE: Duration = Duration::from_millis(1_500);
/// How long an owner may take to answer a hand-over.
pub const HAND_OVER_DEADLINE: Duration = Duration::from_millis(250);
/// How long one call to Redis may take.
pub const REDIS_DEADLINE: Duration = Duration::from_millis(250);
/// How long an idle session stays with its owner.
pub const LINGER: Duration = Duration::from_secs(2);
/// How many sessions may linger at once; past that a session is let go as soon as it is idle.
pub const LINGERING_MAX: usize = 4_096;
/// How many sessions a worker owns at once; past that hand-overs are refused.
pub const MAILBOXES_MAX: usize = 65_536;
/// How many turns a worker runs at once.
pub const TURNS_MAX: usize = 512;
/// How many deliveries one pull asks for.
pub const PULL_BATCH_MAX: usize = 256;
/// How long one pull waits at the broker.
pub const PULL_EXPIRES: Duration = Duration::from_secs(10);
/// How long a turn may take, from the read or append that its fence rests on.
pub const TURN_DEADLINE: Duration = Duration::from_mins(10);
/// How many counted attempts an event has before it is given up.
pub const ATTEMPTS_MAX: u32 = 3;
/// How many steps a turn may take.
pub const STEPS_MAX: u32 = 32;
/// How many calls one step may make.
pub const CALLS_MAX: usize = 16;
/// How many calls of one step run at the same time.
pub const PARALLEL_MAX: usize = 8;
/// How many times an append is sent again after its answer was lost.
pub const APPEND_TRIES_MAX: u32 = 5;
/// How many records of an open turn are read when it is taken up again.
pub const TURN_RECORDS_MAX: usize = 1_024;
/// How many messages of a conversation a worker keeps for its bot.
pub const TRANSCRIPT_MESSAGES_MAX: usize = 64;
/// How many bytes of messages of a conversation a worker keeps for its bot.
pub const TRANSCRIPT_BYTES_MAX: usize = 64 * 1024;
/// How long a clean shutdown may take.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(25);

/// How long a call waits for an answer from outside unless it says otherwise.
pub const AWAIT_DEFAULT: Duration = Duration::from_hours(24);
/// Shortest wait for an answer from outside.
pub const AWAIT_MIN: Duration = Duration::from_secs(1);
/// Longest wait for an answer from outside: 30 days, far below [`LOG_AGE_MAX`].
pub const AWAIT_MAX: Duration = Duration::from_hours(24 * 30);
/// How long TIMERS keeps anything: longer than any wait.
pub const TIMERS_AGE_MAX: Duration = Duration::from_hours(24 * 31);
/// Longest way to a single event that comes later: 30 days, below [`TIMERS_AGE_MAX`].
pub const DELAY_MAX: Duration = Duration::from_hours(24 * 30);
/// Longest time after which an event may be told to expire: a year.
pub const EXPIRES_IN_MAX: Duration = Duration::from_hours(24 * 365);
/// How far ahead the timer of a schedule is set at most; what is further away is reached in steps.
pub const ALARM_STEP_MAX: Duration = Duration::from_hours(24 * 20);
/// How late a time of a schedule may be handled and still not count as missed.
pub const ALARM_TOLERANCE: Duration = Duration::from_mins(1);
/// After what time the broker's window is no longer trusted to know a repeat: half of [`DUPLICATE_WINDOW`].
pub const REPEAT_KNOWN_MAX: Duration = Duration::from_mins(1);
/// How long ago a single date of a schedule may be and still be made up for: what is older may have been forgotten by TIMERS.
pub const CATCH_UP_MAX: Duration = Duration::from_hours(24 * 29);
/// How often all timers of schedules are looked at, whether or not anything changed.
pub const ALARMS_EVERY: Duration = Duration::from_mins(5);
/// Largest share of TIMERS that single events may fill, in percent; the rest is for time-outs and schedules.
pub const TIMERS_SHARE_PERCENT: u64 = 80;
/// How long an event of a trigger that stands still is put off.
pub const PAUSED_DELAY: Duration = Duration::from_mins(2);
/// How long after a trigger began to refuse events one is still taken that was on its way.
pub const DRAINING_GRACE: Duration = Duration::from_secs(5);
/// How many events one call may bring.
pub const BATCH_EVENTS_MAX: usize = 100;
/// Largest body of a call that brings many events, in bytes.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many versions of a resource the bucket keeps, so that an open turn goes on with its own.
pub const REVISIONS_KEPT: i64 = 16;
/// How many bytes TIMERS may hold.
pub const TIMERS_BYTES_MAX: i64 = 1 << 30;
/// How long an ordinary event behind a turn that waits is put off.
pub const WAITING_DELAY: Duration = Duration::from_secs(30);
/// How long it must be quiet before collected events become a turn, unless the trigger says otherwise.
pub const QUIET_DEFAULT: Duration = Duration::from_secs(2);
/// Longest quiet period that a trigger may ask for.
pub const QUIET_MAX: Duration = Duration::from_mins(5);
/// How many times the quiet period a collected turn waits at most while events keep coming.
pub const QUIET_TIMES_MAX: u32 = 10;

/// How many records one read of the log fetches.
pub const READ_BATCH_MAX: usize = 256;
/// How many records of a session are searched for one event or conversation.
pub const SCAN_RECORDS_MAX: usize = 100_000;
/// How many items a list returns at most, and by default.
pub const TAKE_MAX: usize = 100;

/// How long a conversation lasts unless its trigger says otherwise.
pub const SESSION_DURATION_DEFAULT: Duration = Duration::from_hours(24);
/// Longest conversation that a trigger may ask for: 31 days.
pub const SESSION_DURATION_MAX: Duration = Duration::from_hours(24 * 31);

/// How long an outgoing HTTP call may take by default.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time-out of an outgoing HTTP call.
pub const FETCH_TIMEOUT_MAX: Duration = Duration::from_mins(5);
/// Largest response body of an outgoing HTTP call that is kept, in bytes.
pub const FETCH_BYTES_MAX: usize = 128 * 1024;
/// How long a request to a tool or service may take unless the ability says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How many redirects an outgoing HTTP call follows.
pub const FETCH_REDIRECTS_MAX: usize = 5;
