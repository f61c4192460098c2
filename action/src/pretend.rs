//! What tests run against: invocations in a short form, secrets, and a server on the loopback address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::Egress;
use egress::policy::Policy;
use serde_json::Value;
use skillset::invocation::{Action, Body, Http, Invocation, Part, Text, Tree};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::secret::{Secret, Secrets};
use crate::{Actions, Context, Error, Outcome, Settings};

/// A text in which `${NAME}` is a reference.
pub(crate) fn text(written: &str) -> Text {
    let mut parts = Vec::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap();
        parts.extend((!before.is_empty()).then(|| Part::Literal(before.to_owned())));
        parts.push(Part::Reference(name.to_owned()));
        rest = after;
    }
    parts.extend((!rest.is_empty()).then(|| Part::Literal(rest.to_owned())));
    Text(parts)
}

/// A tree whose texts are as in [`text`].
pub(crate) fn tree(written: Value) -> Tree {
    match written {
        Value::String(written) => Tree::Text(text(&written)),
        Value::Array(items) => Tree::List(items.into_iter().map(tree).collect()),
        Value::Object(entries) => Tree::Map(entries.into_iter().map(|(key, value)| (key, tree(value))).collect()),
        value => Tree::Value(value),
    }
}

/// A raw request.
pub(crate) fn http(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Body {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    Body::Http(Http { method: text(method), url: text(url), headers, body: body.map(text) })
}

/// An invocation; `parameters` is an object or null.
pub(crate) fn invocation(action: Action, parameters: Value, body: Body) -> Invocation {
    let parameters = match parameters {
        Value::Object(entries) => entries.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    Invocation { action, parameters, body }
}

/// The facts and secrets of every test.
pub(crate) struct Vault;

impl Secrets for Vault {
    fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        Ok(match name {
            "SECRET_DEFAULT" => Some(Secret::bearer("hush-hush-1".into())),
            "SECRET_PLAIN" => Some(Secret::plain("plain+hush/2".into())),
            "SECRET_BASIC" => Some(Secret::basic("user:hush&word".into())),
            "SECRET_BROKEN" => Some(Secret::plain("hush\r\nx-other: 1".into())),
            _ => None,
        })
    }
}

/// What references mean in every test.
pub(crate) fn facts() -> BTreeMap<String, String> {
    let facts = [("CONTACT_EMAIL", "ann@example.org"), ("CONTACT_NAME", "Ann ${SECRET_DEFAULT}"), ("EMPTY", ""), ("BROKEN", "a\r\nb: c")];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Settings that may call the loopback addresses.
pub(crate) fn settings() -> Settings {
    let policy = Policy { allow: vec!["127.0.0.0/8".parse().unwrap()] };
    Settings { egress: Egress::new(policy).unwrap(), smtp: None, search: None, timeout_min: Duration::from_millis(1) }
}

/// Runs an invocation.
pub(crate) async fn run(settings: Settings, invocation: &Invocation) -> Result<Outcome, Error> {
    let (facts, context_secrets) = (facts(), Vault);
    let context = Context { idempotency_key: "key-1", secrets: &context_secrets, facts: &facts, allow: &[] };
    Actions::new(settings).run(invocation, context).await
}

/// Runs an invocation; the result as JSON, or the text of the error.
pub(crate) async fn result(settings: Settings, invocation: &Invocation) -> Result<Value, String> {
    match run(settings, invocation).await {
        Ok(Outcome::Result(value)) => Ok(value),
        Ok(Outcome::Abort { reason }) => panic!("aborted: {reason}"),
        Err(error) => Err(error.to_string()),
    }
}

type Answer = dyn Fn(&str) -> Vec<u8> + Send + Sync;

/// Answers each connection once, and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers what `answer` makes of a request.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (mut tasks, log, answer) = (JoinSet::new(), Arc::clone(&heard), Arc::new(answer) as Arc<Answer>);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&log), Arc::clone(&answer)));
            }
        });
        Self { address, heard, _tasks: tasks }
    }

    /// Answers every request with a body.
    pub(crate) async fn of(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self::start(move |_| ok(content_type, &body)).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// An answer with a body.
pub(crate) fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<String>>>, answer: Arc<Answer>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let answer = answer(&request);
    log.lock().unwrap().push(request);
    stream.write_all(&answer).await.unwrap_or_default();
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).map_or(0, |text| text.parse().unwrap());
    body.len() >= length
}
