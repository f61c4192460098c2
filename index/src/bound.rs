//! How much is kept, read and searched.

use std::time::Duration;

/// How many entries of the event log are kept, the newest; events of triggers go with their entries.
pub const ITEMS_MAX: usize = 100_000;
/// How many erased conversations and deleted contacts are remembered as places in lists.
pub const GONE_MAX: usize = 10_000;
/// How many days usage is kept for.
pub const USAGE_DAYS_MAX: usize = 400;
/// How many slots of figures a span has, the newest: an hour has them for 64 minutes, a day for 32 hours, a week for 8 days.
pub const PULSE_SLOTS_MAX: i64 = 64;
/// Longest arguments that are shown of a call that waits, in bytes of JSON.
pub const ARGUMENTS_BYTES_MAX: usize = 2 * 1024;
/// Longest error that is kept of a call or turn, in bytes.
pub const ERROR_BYTES_MAX: usize = 512;

/// How many records one batch of the indexer holds: leases wait while its script runs, a few milliseconds.
pub const BATCH_RECORDS_MAX: usize = 64;
/// How many bytes of records one batch of the indexer asks for.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// How often the indexer looks for new records.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the indexer makes sure that the streams are the ones that it knows.
pub const STREAMS_EVERY: Duration = Duration::from_secs(5);
/// How long the indexer's lease lasts without renewal.
pub const LEASE_TTL: Duration = Duration::from_secs(5);
/// How often the lease is renewed, or asked for.
pub const LEASE_EVERY: Duration = Duration::from_secs(1);
/// The pause after a fault.
pub const FAULT_PAUSE: Duration = Duration::from_millis(500);
/// How many cards of contacts are made at the same time.
pub const CARDS_AT_ONCE: usize = 32;
/// How many bots of triggers the indexer remembers by the trigger's version.
pub const FACTS_MAX: usize = 4_096;

/// How many entries one read of a list fetches while it filters.
pub const PAGE_READ_MAX: usize = 500;
/// How many entries a list with filters looks through in one call.
pub const SCAN_ENTRIES_MAX: usize = 10_000;
/// How many of the newest conversations a search for words looks through.
pub const SEARCH_CONVERSATIONS_MAX: usize = 2_000;
/// How many of the newest records of the log a search for words reads.
pub const SEARCH_RECORDS_MAX: usize = 4_096;
/// How many keys one step of dropping an index looks at.
pub const DROP_KEYS_STEP: usize = 1_000;
