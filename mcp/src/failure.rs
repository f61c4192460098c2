//! What went wrong on a connection, out of rmcp's words into ours.
//!
//! rmcp's own texts carry what the server said, as it said it; they are not used.

use std::error::Error as StdError;
use std::time::Duration;

use rmcp::model::ErrorData;
use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use crate::error::Error;
use crate::http;
use crate::limit::{ERROR_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::mask::Mask;
use crate::text;

/// What went wrong, and what can be done about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server demands an authorization: its challenge.
    Challenge(String),
    /// The connection is of no use any more.
    Broken(Error),
    /// The connection is well; this request is not.
    Request(Error),
}

impl Failure {
    /// The failure for whoever asked.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Challenge(_) => Error::Unauthorized,
            Self::Broken(error) | Self::Request(error) => error,
        }
    }
}

/// Puts failures into words about one server.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    pub(crate) server: String,
    pub(crate) mask: Mask,
}

impl Teller {
    /// A failure of the handshake.
    pub(crate) fn handshake(&self, error: ClientInitializeError) -> Failure {
        if let Some(challenge) = error.auth_challenge() {
            return Failure::Challenge(challenge.to_owned());
        }
        match error {
            ClientInitializeError::TransportError { error, .. } => match self.transport(&error) {
                // There is no connection to be well.
                Failure::Request(error) => Failure::Broken(error),
                failure => failure,
            },
            ClientInitializeError::JsonRpcError(error) => Failure::Broken(self.rpc(&error)),
            ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::Cancelled => {
                Failure::Broken(self.unreachable("the connection ended during the handshake"))
            }
            ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
                Failure::Broken(self.unreachable("it speaks no version of the protocol that is spoken here"))
            }
            _ => Failure::Broken(Error::Malformed { reason: "it is no answer to the handshake".into() }),
        }
    }

    /// A failure of a request.
    pub(crate) fn request(&self, error: ServiceError, waited: Duration) -> Failure {
        if let Some(challenge) = error.auth_challenge() {
            return Failure::Challenge(challenge.to_owned());
        }
        match error {
            ServiceError::McpError(error) => Failure::Request(self.rpc(&error)),
            ServiceError::TransportSend(error) => self.transport(&error),
            ServiceError::Timeout { .. } => Failure::Request(Error::Late { waited }),
            ServiceError::UnexpectedResponse => {
                Failure::Request(Error::Malformed { reason: "it is of another kind than was asked for".into() })
            }
            _ => Failure::Broken(Error::Closed),
        }
    }

    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> Error {
        Error::Unreachable { server: self.server.clone(), reason: reason.into() }
    }

    /// A refusal by the server, in its own words.
    pub(crate) fn rpc(&self, error: &ErrorData) -> Error {
        Error::Rpc { code: error.code.0, text: self.said(&error.message) }
    }

    /// The server's words for an error.
    pub(crate) fn said(&self, words: &str) -> String {
        text::line(&self.mask.apply(words), ERROR_TEXT_BYTES_MAX)
    }

    fn transport(&self, error: &DynamicTransportError) -> Failure {
        let source: &(dyn StdError + 'static) = error.error.as_ref();
        match source.downcast_ref::<StreamableHttpError<http::Error>>() {
            Some(StreamableHttpError::Client(error)) => self.http(error),
            Some(StreamableHttpError::Auth(_)) => Failure::Broken(Error::OAuth(crate::oauth::Error::Token)),
            Some(StreamableHttpError::SessionExpired) => {
                Failure::Broken(Error::Status { status: 404, text: "the session has ended".into() })
            }
            Some(StreamableHttpError::UnexpectedServerResponse(_) | StreamableHttpError::Deserialize(_)) => {
                Failure::Broken(Error::Malformed { reason: "it is no message of the protocol".into() })
            }
            _ => Failure::Broken(Error::Closed),
        }
    }

    fn http(&self, error: &http::Error) -> Failure {
        let told = match error {
            http::Error::Refused(refusal) => Error::Refused(refusal.clone()),
            http::Error::Connect(source) => self.unreachable(cause(source)),
            http::Error::Broken(_) => Error::Closed,
            http::Error::Redirected { status, target } => Error::Redirected { status: *status, target: target.clone() },
            http::Error::Status { status, text } => Error::Status { status: *status, text: text.clone() },
            http::Error::Malformed(reason) => Error::Malformed { reason: (*reason).to_owned() },
            http::Error::TooLarge => Error::TooLarge { what: "bytes", max: MESSAGE_BYTES_MAX },
            http::Error::Request => {
                Error::Configuration { field: "headers", reason: "a token or a session id does not fit into a header".into() }
            }
        };
        match error {
            // No such session, say servers with these.
            http::Error::Status { status: 400 | 404 | 410, .. } => Failure::Broken(told),
            http::Error::Status { .. } | http::Error::Malformed(_) | http::Error::TooLarge => Failure::Request(told),
            _ => Failure::Broken(told),
        }
    }
}

/// The last of the causes, which is the one that names the matter.
pub(crate) fn cause(error: &dyn StdError) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    text::line(&last.to_string(), ERROR_TEXT_BYTES_MAX)
}
