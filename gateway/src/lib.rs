//! HTTP in, events out: the outer door of Cuepoint.
//!
//! A call is authenticated, read into an event, published to the broker, and answered once the
//! broker has confirmed it. The gateway keeps nothing: every answer about an event or a
//! conversation is read from the streams, so any number of gateways may stand side by side.
//!
//! In reading order:
//! - [`config`]: what an operator sets;
//! - [`service`]: start, run, stop;
//! - [`stage`]: a gateway whose servers are in memory;
//! - [`serve`]: connections, bounded;
//! - [`reread`]: files that are read again while the gateway runs;
//! - [`door`]: what every request works with;
//! - [`route`]: which path leads where;
//! - [`api`]: every operation, once;
//! - [`api_error`]: the one shape of a refusal;
//! - [`complaint`]: one log line a second for each class of fault;
//! - [`query`]: query strings, decoded strictly;
//! - [`ascii`]: JSON in plain ASCII;
//! - [`body`]: bodies, bounded in size, time and memory;
//! - [`call`]: one call read into an event: pure, and the only place that knows the forms;
//! - [`store`]: how resources are changed;
//! - [`directory`]: which trigger an id names;
//! - [`rate`]: how often something may be asked;
//! - [`last_use`]: when a token was last used;
//! - [`accept`]: how long calls of events took;
//! - [`secret`]: the secrets of triggers;
//! - [`auth`]: who may do what;
//! - [`signature`]: calls that prove themselves by a signature;
//! - [`audit`]: who was asked to do what;
//! - [`signed`]: the signed call of an event;
//! - [`event`]: the handler of an event call;
//! - [`timing`]: when an event counts: now or later, and until when;
//! - [`ingest`]: one confirmed publish;
//! - [`publishes`]: messages on their way to the broker, bounded;
//! - [`later`]: events that come later;
//! - [`batch`]: many events in one call;
//! - [`durability`]: what a receipt promises;
//! - [`traced`]: what a call tells;
//! - [`figures`]: how much there is to do, for the metrics;
//! - [`busy`]: events that a busy session refuses;
//! - [`replay`]: what a repeated idempotency key is answered with;
//! - [`wait`]: callers that stay for the turn;
//! - [`progress`]: what is told about an event;
//! - [`fetch`]: the handler that tells it;
//! - [`speak`]: what somebody outside says to a turn;
//! - [`place`]: places in a session's log, as readers name them;
//! - [`conversation`]: conversations, read and changed;
//! - [`clock`]: the broker's clock;
//! - [`follow`]: a conversation, or an event's turn, as it goes on;
//! - [`ready`]: whether this process can do its work;
//! - `fuzz`: a gateway that stands by itself, for tests.

pub mod program;
pub mod config;
pub mod service;
pub mod stage;
mod serve;
mod reread;
mod door;
mod route;
mod api;
mod api_error;
mod complaint;
mod query;
mod ascii;
mod body;
pub mod call;
mod store;
mod directory;
pub mod rate;
mod last_use;
mod accept;
mod secret;
mod auth;
mod signature;
mod audit;
mod signed;
mod event;
mod timing;
mod ingest;
pub mod publishes;
mod later;
mod batch;
pub mod durability;
mod traced;
mod figures;
mod busy;
mod replay;
mod wait;
mod progress;
mod fetch;
mod speak;
mod place;
mod conversation;
mod clock;
mod follow;
mod ready;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;

pub use config::Config;
pub use service::{Error, Running, start};
