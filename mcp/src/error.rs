//! Why there is no answer, and whether something may have happened all the same.

use std::io;
use std::time::Duration;

use crate::oauth;
use egress::policy::Refusal;

/// Why there is no answer.
///
/// Texts of the server in it are bounded, cleaned, and without the server's own secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tool says that it failed; the server and the way to it are well.
    #[error("{text}")]
    Tool {
        /// What it says.
        text: String,
    },
    /// The server refused the request.
    #[error("the server refused: {text} (code {code})")]
    Rpc {
        /// The code of JSON-RPC.
        code: i32,
        /// What it says.
        text: String,
    },
    /// The server, or what stands before it, answered with a status of failure.
    #[error("the server answered with status {status}{}", if text.is_empty() { String::new() } else { format!(": {text}") })]
    Status {
        /// The status of HTTP.
        status: u16,
        /// What it says.
        text: String,
    },
    /// The server demands an authorization that its configuration does not give.
    #[error("the server demands an authorization: give it a token, a header or OAuth")]
    Unauthorized,
    /// No authorization is to be had.
    #[error(transparent)]
    OAuth(#[from] oauth::Error),
    /// The policy refuses the address.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server leads elsewhere.
    #[error("the server leads to {target} (status {status}): give that address, if it is the server's")]
    Redirected {
        /// The status of HTTP.
        status: u16,
        /// Scheme, host and port of where it leads.
        target: String,
    },
    /// The operator's list has no such program.
    #[error("there is no program {name:?} in the operator's list")]
    NoProgram {
        /// What the server names.
        name: String,
    },
    /// The program does not start.
    #[error("the program {name:?} does not start")]
    Start {
        /// Its name in the list.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The configuration of the server cannot be used.
    #[error("{field}: {reason}")]
    Configuration {
        /// The part of it.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// What is asked for cannot be asked: nothing was sent.
    #[error("{field} has {bytes} bytes, at most {bytes_max} are taken")]
    Arguments {
        /// The part of it.
        field: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// No connection came about: nothing was sent.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        reason: String,
    },
    /// The server failed a moment ago and is left alone for now.
    #[error("{server} failed a moment ago and is left alone for another {wait_ms} ms: {reason}")]
    BackingOff {
        /// The server.
        server: String,
        /// For how long.
        wait_ms: u128,
        /// How it failed.
        reason: String,
    },
    /// The connection ended before the answer came.
    #[error("the connection ended before the answer came")]
    Closed,
    /// The answer did not come in time; the server was told that nobody waits for it.
    #[error("the server did not answer within {waited:?}")]
    Late {
        /// How long was waited.
        waited: Duration,
    },
    /// The answer is over a bound.
    #[error("the answer has more than {max} {what}")]
    TooLarge {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The answer makes no sense.
    #[error("the answer makes no sense: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// As many servers as the pool keeps are all in use.
    #[error("all {max} servers that this pool keeps are in use: try again later, or raise the bound")]
    Full {
        /// The bound.
        max: usize,
    },
    /// The pool has been closed.
    #[error("the pool of servers is closed")]
    PoolClosed,
}

impl Error {
    /// Whether a call that failed like this may have been carried out, in full or in part, or may yet be.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Closed | Self::Late { .. } | Self::TooLarge { .. } | Self::Malformed { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Error;

    #[test]
    fn what_was_sent_and_not_answered_may_have_happened() {
        let status = |status| Error::Status { status, text: String::new() };
        for error in [Error::Closed, Error::Late { waited: Duration::from_secs(1) }, status(502), Error::Malformed { reason: "x".into() }] {
            assert!(error.may_have_happened(), "{error}");
        }
        for error in [Error::Tool { text: "x".into() }, status(400), status(404), Error::Unauthorized, Error::Full { max: 1 }] {
            assert!(!error.may_have_happened(), "{error}");
        }
    }
}
