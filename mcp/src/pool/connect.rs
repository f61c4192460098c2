//! From a configuration to a connection.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::ProtocolVersion;
use rmcp::service::{ClientLifecycleMode, RoleClient, RunningService};
use rmcp::transport::IntoTransport;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig};
use secrecy::ExposeSecret as _;

use super::Inner;
use super::slot::{Slot, State};
use crate::connection::Connection;
use crate::error::Error;
use crate::failure::Failure;
use crate::handler::{Handler, News};
use crate::http::{Client, Reopening};
use crate::limit::{GOODBYE_TIMEOUT, HEADERS_MAX, MESSAGE_BYTES_MAX, REQUESTS_MAX};
use crate::oauth::session::Session;
use crate::server::{Auth, Http, Server};
use crate::stdio::Pipes;

/// Headers that make the protocol what it is.
const RESERVED: [&str; 10] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
];

/// What a server says that wants no handshake: no such method (JSON-RPC), no such version, a header that is missing.
const WANTS_NONE: [i32; 3] = [-32601, -32022, -32020];

/// How a server wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Dialect {
    /// With a handshake, as up to version 2025-11-25 of the protocol.
    #[default]
    Handshake,
    /// Without, as from version 2026-07-28 on.
    Stateless,
}

type Running = RunningService<RoleClient, Handler>;

impl Slot {
    /// Connects: by a handshake, which all but the newest servers want, or without one where the server wants none.
    pub(super) async fn connect(&self, pool: &Inner, state: &mut State) -> Result<Connection, Failure> {
        match self.connect_as(pool, state).await {
            Err(Failure::Broken(Error::Rpc { code, .. })) if state.dialect == Dialect::Handshake && WANTS_NONE.contains(&code) => {
                state.dialect = Dialect::Stateless;
                let connected = self.connect_as(pool, state).await;
                if connected.is_err() {
                    state.dialect = Dialect::Handshake;
                }
                connected
            }
            connected => connected,
        }
    }

    async fn connect_as(&self, pool: &Inner, state: &mut State) -> Result<Connection, Failure> {
        let handler = Handler { news: Arc::new(News::default()), elicitation: pool.config.elicitation };
        let running = match &self.server {
            Server::Stdio { program } => {
                let listed = pool.config.programs.get(program);
                let listed = listed.ok_or_else(|| Failure::Request(Error::NoProgram { name: self.teller.server.clone() }))?;
                let started = Pipes::start(listed, &pool.config.path, &pool.tasks);
                let started = started.map_err(|source| Failure::Broken(Error::Start { name: self.teller.server.clone(), source }))?;
                self.serve(state.dialect, handler, started).await?
            }
            Server::Http(http) => self.connect_http(pool, state, http, handler).await?,
        };
        Ok(Connection::new(running, self.teller.clone(), pool.tasks.clone()))
    }

    async fn connect_http(&self, pool: &Inner, state: &mut State, http: &Http, handler: Handler) -> Result<Running, Failure> {
        let mut config = settings(http).map_err(Failure::Request)?;
        let client = Client::new(pool.egress.clone(), self.teller.mask.clone());
        match &http.auth {
            Auth::None => {}
            Auth::Bearer(token) => config = config.auth_header(token.expose_secret()),
            Auth::Token(oauth) => {
                if state.session.is_none() {
                    let session = Session::new((**oauth).clone(), http.url.clone(), pool.egress.clone(), client).await;
                    state.session = Some(session.map_err(|error| Failure::Request(error.into()))?);
                }
                if let Some(session) = &state.session {
                    return self.serve(state.dialect, handler, StreamableHttpClientTransport::with_client(session.client(), config)).await;
                }
                return Err(Failure::Request(Error::Unauthorized));
            }
        }
        self.serve(state.dialect, handler, StreamableHttpClientTransport::with_client(client, config)).await
    }

    async fn serve<E, A>(
        &self,
        dialect: Dialect,
        handler: Handler,
        transport: impl IntoTransport<RoleClient, E, A>,
    ) -> Result<Running, Failure>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let lifecycle = match dialect {
            Dialect::Handshake => ClientLifecycleMode::Initialize,
            Dialect::Stateless => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::LATEST] },
        };
        let served = rmcp::service::serve_client_with_lifecycle(handler, transport, lifecycle).await;
        served.map_err(|error| self.teller.handshake(error))
    }
}

/// The settings of a connection over HTTP.
fn settings(http: &Http) -> Result<StreamableHttpClientTransportConfig, Error> {
    let wrong = |field, reason: String| Err(Error::Configuration { field, reason });
    if !matches!(http.url.scheme(), "http" | "https") || http.url.host().is_none() {
        return wrong("url", "must be http or https, with a host".into());
    }
    if !http.url.username().is_empty() || http.url.password().is_some() {
        return wrong("url", "must not have a user name or password: give them in a header".into());
    }
    if http.headers.len() > HEADERS_MAX {
        return wrong("headers", format!("there are {}, at most {HEADERS_MAX} are taken", http.headers.len()));
    }
    let mut headers = HashMap::new();
    for (name, value) in &http.headers {
        let shown = crate::text::line(name, crate::limit::LABEL_BYTES_MAX);
        let Ok(name) = HeaderName::try_from(name) else { return wrong("headers", format!("{shown:?} is no name of a header")) };
        if RESERVED.contains(&name.as_str()) {
            return wrong("headers", format!("{name} is not for you to set"));
        }
        let Ok(mut value) = HeaderValue::try_from(value.expose_secret()) else {
            return wrong("headers", format!("the value of {name} has characters that no header may have"));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let mut config = StreamableHttpClientTransportConfig::with_uri(http.url.as_str())
        .custom_headers(headers)
        .max_concurrent_requests(REQUESTS_MAX)
        .control_request_timeout(GOODBYE_TIMEOUT)
        .max_sse_event_size(MESSAGE_BYTES_MAX)
        .max_json_response_size(MESSAGE_BYTES_MAX);
    config.retry_config = Arc::new(Reopening);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::settings;
    use crate::server::{Auth, Http};

    fn check(url: &str, headers: &[(&str, &str)], expected: Result<(), &str>) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let settings = settings(&Http { url: url.parse().unwrap(), headers, auth: Auth::None });
        assert_eq!(settings.map(drop).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused_with_its_field() {
        check("https://a.example/mcp", &[("x-key", "1"), ("Authorization", "Basic x")], Ok(()));
        check("ftp://a.example/mcp", &[], Err("url: must be http or https, with a host"));
        check("https://u:p@a.example/mcp", &[], Err("url: must not have a user name or password: give them in a header"));
        check("https://a.example", &[("a b", "x")], Err("headers: \"a b\" is no name of a header"));
        check("https://a.example", &[("Mcp-Session-Id", "x")], Err("headers: mcp-session-id is not for you to set"));
        check("https://a.example", &[("x", "s3cret\n")], Err("headers: the value of x has characters that no header may have"));
        check("https://a.example", &[("x", "1"); 33], Err("headers: there are 33, at most 32 are taken"));
    }
}
