//! Every bound of this crate, in one place; names end in their unit.

use std::time::Duration;

/// How many servers a pool keeps track of, unless its configuration says otherwise.
pub const SERVERS_MAX: usize = 64;
/// How long a connection that nobody uses is kept, unless the configuration says otherwise.
pub const IDLE: Duration = Duration::from_mins(5);
/// How long connecting may take, the handshake included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a list may take, all its pages together.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a call may take altogether, however much progress it reports.
pub const CALL_TOTAL_MAX: Duration = Duration::from_mins(10);
/// How old a list of tools may be before it is asked for again; not every server says that its list has changed.
pub const LIST_AGE_MAX: Duration = Duration::from_mins(5);
/// How long one authorization may take, all its requests together.
pub const AUTHORIZE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a goodbye may take: a cancellation, or the end of a session.
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(6);

/// How long a server that could not be reached is left alone after the first failure.
pub const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
/// How long a server that could not be reached is left alone at most.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// How often one operation may connect: the second time because the first connection turned out to be dead.
pub const CONNECTS_MAX: u32 = 2;
/// How often one operation may authorize: once from nothing, once for more scope.
pub const AUTHORIZATIONS_MAX: u32 = 2;

/// Most pages of one list.
pub const PAGES_MAX: usize = 64;
/// Most tools of one server.
pub const TOOLS_MAX: usize = 1024;
/// Longest cursor between pages, in bytes.
pub const CURSOR_BYTES_MAX: usize = 4 * 1024;
/// Longest name of a tool, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest description of a tool, in bytes; the rest is cut off.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// Largest input schema of a tool, in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// Largest arguments of a call, in bytes of JSON.
pub const ARGUMENT_BYTES_MAX: usize = 256 * 1024;
/// Longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;
/// Largest message of a server, in bytes, before anything is read out of it.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most text that a result keeps, in bytes, all its parts together.
pub const TEXT_BYTES_MAX: usize = 96 * 1024;
/// Largest structured content that a result keeps, in bytes of JSON.
pub const STRUCTURED_BYTES_MAX: usize = 96 * 1024;
/// Most parts that a result keeps.
pub const PARTS_MAX: usize = 256;
/// Longest media type, URI or name in a description of what is not inlined, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// Largest body of an answer with a status of failure, in bytes.
pub const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest text of a server in an error, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;

/// Most headers that a server may be given.
pub const HEADERS_MAX: usize = 32;
/// Most redirects of one request.
pub const REDIRECTS_MAX: usize = 5;
/// How many requests of one connection are under way before further ones wait.
pub const REQUESTS_MAX: usize = 16;
/// How long a response may go on: the length of a stream of events, which is otherwise bounded by who waits for it.
pub const STREAM_MAX: Duration = Duration::from_hours(24);
/// Shortest pause before a stream is opened again, whatever the server asks for.
pub const REOPEN_MIN: Duration = Duration::from_millis(100);
/// Longest pause before a stream is opened again.
pub const REOPEN_MAX: Duration = Duration::from_secs(30);
/// How often a stream that fails to open is tried again.
pub const REOPENS_MAX: usize = 8;
/// Largest response of an authorization server, in bytes.
pub const ERRAND_BYTES_MAX: usize = 256 * 1024;
/// How long one request to an authorization server may take.
pub const ERRAND_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a program may take to end once its input is closed, and again once it is asked to.
pub const STOP_GRACE: Duration = Duration::from_secs(1);
/// How much of a program's standard error is read at a time, in bytes; it is counted, not kept.
pub const STDERR_CHUNK_BYTES: usize = 8 * 1024;
/// How many secrets of one server are looked for in what it says.
pub const SECRETS_MAX: usize = 48;
/// Shortest secret that is looked for, in bytes; shorter ones stand in ordinary text by chance.
pub const SECRET_BYTES_MIN: usize = 8;
