//! `cuepoint mcp-probe`: the tools of a server, and one of them called.
//!
//! It goes the way that a bot's calls go: the same policy for addresses, the same bounds, the same
//! authorizations. So it serves as the client in the protocol's own conformance suite, too.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use egress::Egress;
use egress::policy::{Allow, Policy};
use mcp::handler::Elicitation;
use mcp::oauth::consent::Unattended;
use mcp::oauth::{Algorithm, Client, Grant, Identity, OAuth};
use mcp::pool::{Call, Config, Pool};
use mcp::server::{Auth, Http, Server};
use mcp::tool::Tool;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::Error;
use crate::output;

/// Which server, as whom, and what to call.
#[derive(Debug, Args)]
pub struct Options {
    /// Address that may be called although it is not public: an address, a network or a host name, with or without a port.
    #[arg(long, value_name = "ADDRESS")]
    allow: Vec<Allow>,
    /// Header of every request, `Name: value`.
    #[arg(long, value_name = "HEADER", value_parser = Header::from_str)]
    header: Vec<Header>,
    /// Token of every request.
    #[arg(long, value_name = "TOKEN", env = "CUEPOINT_MCP_TOKEN", hide_env_values = true, value_parser = secret)]
    bearer: Option<SecretString>,
    /// Tool to call.
    #[arg(long, value_name = "TOOL")]
    call: Option<String>,
    /// Arguments of the call, a JSON object.
    #[arg(long, value_name = "JSON", requires = "call", default_value = "{}")]
    arguments: String,
    /// Idempotency key of the call.
    #[arg(long, requires = "call")]
    key: Option<String>,
    /// How long the server may be silent.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "30s")]
    timeout: Duration,
    /// Answers a form that the server shows with its own defaults; otherwise it is declined.
    #[arg(long)]
    form_defaults: bool,
    /// How a token is got when the server demands one.
    #[arg(long, value_enum, value_name = "GRANT", conflicts_with = "bearer")]
    oauth: Option<GrantKind>,
    /// The client's registration, a JSON object with `client_id` and what the grant needs: `client_secret`;
    /// `private_key_pem` and `signing_algorithm`; `idp_client_id`, `idp_issuer`, `idp_token_endpoint` and
    /// `idp_id_token`. Left out, the client registers itself.
    #[arg(long, value_name = "JSON", env = "MCP_CONFORMANCE_CONTEXT", hide_env_values = true, value_parser = registration, verbatim_doc_comment)]
    client: Option<Registration>,
    /// https URL of a document that describes the client, for authorization servers that read such.
    #[arg(long, value_name = "URL")]
    client_document: Option<Url>,
    /// Scope to ask for; left out, what the server names.
    #[arg(long)]
    scope: Vec<String>,
    /// Where an authorization server sends whoever consented; nothing listens there, the answer is read off the redirect.
    #[arg(long, value_name = "URL", default_value = "http://localhost:8090/callback")]
    redirect: Url,
    /// Endpoint of the server.
    url: Url,
}

/// How a token is got.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum GrantKind {
    /// By consent; the page is opened, and must ask nobody.
    Code,
    /// As the client itself, by its secret.
    Credentials,
    /// As the client itself, by its key.
    Key,
    /// For somebody whom an identity provider vouches for.
    Identity,
}

#[derive(Debug, Clone)]
struct Header(String, SecretString);

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').ok_or("a header is `Name: value`")?;
        Ok(Self(name.trim().to_owned(), value.trim().into()))
    }
}

/// What a client knows of itself; other fields belong to others.
#[derive(Debug, Clone, Deserialize)]
struct Registration {
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    private_key_pem: Option<SecretString>,
    signing_algorithm: Option<String>,
    idp_client_id: Option<String>,
    idp_issuer: Option<Url>,
    idp_token_endpoint: Option<Url>,
    idp_id_token: Option<SecretString>,
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a clap parser")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// The text itself is secret: a fault tells only where it is.
fn registration(text: &str) -> Result<Registration, String> {
    serde_json::from_str(text).map_err(|error| format!("no registration at line {}, column {}", error.line(), error.column()))
}

/// Lists the tools, and calls one where that is asked for.
pub async fn run(options: &Options) -> Result<(), Error> {
    let arguments: Map<String, Value> =
        serde_json::from_str(&options.arguments).map_err(|error| Error::Usage(format!("--arguments: no JSON object: {error}")))?;
    let egress = Egress::new(Policy { allow: options.allow.clone() }).map_err(|source| Error::Http { source })?;
    let elicitation = if options.form_defaults { Elicitation::Defaults } else { Elicitation::Decline };
    let consent = Arc::new(Unattended::new(egress.clone()));
    let pool = Pool::new(Config { elicitation, consent: Some(consent), ..Config::default() }, egress);
    let probed = probe(&pool, &server(options)?, options, arguments).await;
    pool.close().await;
    probed
}

async fn probe(pool: &Pool, server: &Server, options: &Options, arguments: Map<String, Value>) -> Result<(), Error> {
    let tools = pool.tools(server).await?;
    output::line(format!("{}: {} tools", server.label(), tools.len()))?;
    for tool in tools.iter() {
        output::line(line(tool))?;
    }
    let Some(tool) = &options.call else { return Ok(()) };
    let call = Call { tool, arguments, idempotency_key: options.key.as_deref(), timeout: options.timeout };
    let result = pool.call(server, call).await?;
    output::line(format!("{tool}: {}", serde_json::to_string_pretty(&result).unwrap_or_default()))?;
    Ok(())
}

fn line(tool: &Tool) -> String {
    let hints = [(tool.is_read_only, " [read-only]"), (tool.is_idempotent, " [idempotent]")];
    let hints: String = hints.into_iter().filter_map(|(holds, hint)| holds.then_some(hint)).collect();
    format!("  {}{hints}  {}", output::one_line(&tool.name), output::one_line(tool.description.lines().next().unwrap_or_default()))
}

fn server(options: &Options) -> Result<Server, Error> {
    let headers = options.header.iter().map(|Header(name, value)| (name.clone(), value.clone())).collect();
    let auth = match (&options.bearer, options.oauth) {
        (Some(token), _) => Auth::Bearer(token.clone()),
        (None, Some(kind)) => Auth::Token(Box::new(oauth(options, kind)?)),
        (None, None) => Auth::None,
    };
    Ok(Server::Http(Http { url: options.url.clone(), headers, auth }))
}

fn oauth(options: &Options, kind: GrantKind) -> Result<OAuth, Error> {
    let known = options.client.as_ref();
    let needs = |what: &str| Error::Usage(format!("--client: this grant needs {what}"));
    let client = match (known.and_then(|known| known.client_id.clone()), &options.client_document) {
        (Some(id), _) => Client::Registered { id, secret: known.and_then(|known| known.client_secret.clone()) },
        (None, Some(url)) => Client::Document(url.clone()),
        (None, None) => Client::Dynamic,
    };
    let grant = match kind {
        GrantKind::Code => Grant::Code { redirect: options.redirect.clone() },
        GrantKind::Credentials => Grant::Credentials,
        GrantKind::Key => {
            let pem = known.and_then(|known| known.private_key_pem.clone()).ok_or_else(|| needs("private_key_pem"))?;
            let name = known.and_then(|known| known.signing_algorithm.as_deref()).ok_or_else(|| needs("signing_algorithm"))?;
            Grant::Key { pem, algorithm: algorithm(name).ok_or_else(|| needs("signing_algorithm RS256, RS384, RS512, ES256 or ES384"))? }
        }
        GrantKind::Identity => {
            identity(known).map(Grant::Identity).ok_or_else(|| needs("idp_client_id, idp_issuer, idp_token_endpoint and idp_id_token"))?
        }
    };
    Ok(OAuth { client, grant, scopes: options.scope.clone() })
}

fn identity(known: Option<&Registration>) -> Option<Identity> {
    let known = known?;
    Some(Identity {
        issuer: known.idp_issuer.clone()?,
        token_endpoint: known.idp_token_endpoint.clone()?,
        client_id: known.idp_client_id.clone()?,
        id_token: known.idp_id_token.clone()?,
    })
}

fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::Rs256,
        "RS384" => Algorithm::Rs384,
        "RS512" => Algorithm::Rs512,
        "ES256" => Algorithm::Es256,
        "ES384" => Algorithm::Es384,
        _ => return None,
    })
}
