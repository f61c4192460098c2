//! A visit: who asks for which page, with what.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{Ask, Failure};
use crate::form::Form;
use crate::page::list::Named;
use crate::session::Session;
use crate::ui::Ui;
use crate::zone::Zone;
use crate::{cookie_jar, frame, guard, login, path};

/// The field of a form that repeats the session's word.
pub(crate) const WORD: &str = "_word";

/// A visit of somebody who is logged in.
#[derive(Debug)]
pub(crate) struct Visit {
    /// What pages are made with.
    pub(crate) ui: Arc<Ui>,
    /// Who it is.
    pub(crate) session: Session,
    /// What they may.
    pub(crate) me: Me,
    /// Their times.
    pub(crate) zone: Zone,
    /// The page.
    pub(crate) uri: Uri,
    /// What their browser says.
    pub(crate) headers: HeaderMap,
    /// What they sent.
    pub(crate) form: Form,
    places: HashMap<String, String>,
    query: Form,
}

/// Who a token is of, and what it may.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Me {
    /// What it is called.
    pub(crate) name: String,
    /// What it may.
    pub(crate) scopes: Vec<String>,
    /// The triggers that it is limited to; empty for all.
    pub(crate) triggers: Vec<String>,
}

impl Me {
    /// Whether it may do what needs a scope.
    pub(crate) fn has(&self, scope: &str) -> bool {
        let has = |one: &str| self.scopes.iter().any(|scope| scope == one);
        has(scope) || has("admin") || (scope == "read" && has("operate"))
    }
}

impl Visit {
    /// What stands in the path at `{name}`.
    pub(crate) fn place(&self, name: &str) -> &str {
        self.places.get(name).map_or("", String::as_str)
    }

    /// What the query says; empty where it says nothing.
    pub(crate) fn asked(&self, name: &str) -> &str {
        self.query.word(name)
    }

    /// Whether they may change what is set and running.
    pub(crate) fn operates(&self) -> bool {
        self.me.has("operate")
    }

    /// Refuses whoever lacks a scope; `deed` is what it would let them do.
    pub(crate) fn must(&self, scope: &str, deed: &str) -> Result<(), Failure> {
        if self.me.has(scope) {
            return Ok(());
        }
        Err(Failure::new(StatusCode::FORBIDDEN, format!("a token of scope {scope} may {deed}, yours may not")))
    }

    /// Asks the API.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ui.api.ask(&self.session.token, Ask::get(path)).await
    }

    /// Has the API do something.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.ui.api.ask(&self.session.token, Ask::post(path, body)).await
    }

    /// Has the API do something, of whose answer nothing is needed.
    pub(crate) async fn act(&self, path: &str, body: &Value) -> Result<(), Failure> {
        self.ui.api.send(&self.session.token, Ask::post(path, body)).await.map(drop)
    }

    /// Has the API make something as a form says; its id.
    pub(crate) async fn make(&self, path: &str, body: Result<Value, Failure>) -> Result<String, Failure> {
        let Named { id } = self.post(path, &body?).await?;
        Ok(id)
    }

    /// Has the API change something as a form says, behind the revision that the form was filled at.
    pub(crate) async fn save(&self, path: &str, body: Result<Value, Failure>) -> Result<(), Failure> {
        let revision = Some(self.form.word("revision")).filter(|revision| !revision.is_empty());
        self.ui.api.send(&self.session.token, Ask { revision, ..Ask::post(path, &body?) }).await.map(drop)
    }

    /// Where callers reach this deployment, without a slash at the end.
    pub(crate) fn public_url(&self) -> String {
        if let Some(url) = &self.ui.public_url {
            return url.as_str().trim_end_matches('/').to_owned();
        }
        let host = self.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let scheme = if guard::is_secure(&self.headers, None) { "https" } else { "http" };
        format!("{scheme}://{host}")
    }
}

/// Leads to another page.
pub(crate) fn see(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

/// Routes to a page.
pub(crate) fn page<F, R>(handler: F) -> MethodRouter<Arc<Ui>>
where
    F: Fn(Arc<Visit>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response, Failure>> + Send,
{
    get(move |State(ui): State<Arc<Ui>>, request: Request| visit(ui, request, handler))
}

/// Routes to something that a form has done.
pub(crate) fn deed<F, R>(handler: F) -> MethodRouter<Arc<Ui>>
where
    F: Fn(Arc<Visit>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response, Failure>> + Send,
{
    post(move |State(ui): State<Arc<Ui>>, request: Request| visit(ui, request, handler))
}

async fn visit<F, R>(ui: Arc<Ui>, request: Request, handler: F) -> Result<Response, Infallible>
where
    F: Fn(Arc<Visit>) -> R,
    R: Future<Output = Result<Response, Failure>>,
{
    let Some(now_ms) = (ui.clock)().await else {
        let failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the broker is away: nothing can be shown until it is back");
        return Ok(frame::bare(&ui, &failure));
    };
    let is_secure = guard::is_secure(request.headers(), ui.public_url.as_ref());
    let session = cookie_jar::session(request.headers(), is_secure).and_then(|cookie| ui.keeper.open(cookie, now_ms));
    let Some(session) = session else { return Ok(login::needed(request.method(), request.uri())) };
    let renewed = session.renewed(now_ms).and_then(|session| ui.keeper.seal(&session));
    let mut response = match arrive(ui, session, now_ms, request).await {
        Ok(visit) => match handler(Arc::clone(&visit)).await {
            Ok(response) => response,
            Err(failure) => frame::failed(&visit, &failure),
        },
        Err(response) => response,
    };
    let is_set = response.headers().contains_key(SET_COOKIE);
    if let Some(cookie) = renewed.filter(|_| !is_set).and_then(|sealed| HeaderValue::try_from(cookie_jar::set(&sealed, is_secure)).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A visit, once it is known what its token may and that its form is one of our pages'.
async fn arrive(ui: Arc<Ui>, session: Session, now_ms: i64, request: Request) -> Result<Arc<Visit>, Response> {
    let (mut parts, body) = request.into_parts();
    let me: Me = ui
        .api
        .ask(&session.token, Ask::get("/self/fetch"))
        .await
        .map_err(|failure| if failure.is_stranger() { login::needed(&parts.method, &parts.uri) } else { frame::bare(&ui, &failure) })?;
    let is_read = parts.method.is_safe();
    let form = if is_read { Ok(Form::default()) } else { Form::read(body).await };
    let form = form.map_err(|failure| frame::bare(&ui, &failure))?;
    let is_ours = guard::is_same_site(&parts.headers) && session.is_word(form.word(WORD));
    if !is_read && !is_ours {
        let failure = Failure::new(StatusCode::FORBIDDEN, "this form is not of a page of this session: open the page again, and repeat");
        return Err(frame::bare(&ui, &failure));
    }
    let places = RawPathParams::from_request_parts(&mut parts, &()).await;
    let places = places.map(|places| places.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    let query = Form::of(parts.uri.query().unwrap_or_default().as_bytes());
    let zone = Zone::of(cookie_jar::zone(&parts.headers).as_deref(), now_ms);
    let (uri, headers) = (parts.uri, parts.headers);
    Ok(Arc::new(Visit { ui, session, me, zone, uri, headers, form, places: places.unwrap_or_default(), query }))
}

/// The page that was asked for with its query, where it is one of ours.
pub(crate) fn own(next: &str) -> Option<&str> {
    // `//host` and `/\host` are other hosts to a browser.
    let is_own = next == "/ui" || next.starts_with("/ui/") || next.starts_with("/ui?");
    (is_own && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')).then_some(next)
}

/// Asks for a page once more, with something said about it.
pub(crate) fn back(page: &str, query: &[(&str, &str)]) -> Response {
    see(&path::with(page, query))
}

#[cfg(test)]
mod tests {
    use super::{Me, own};

    #[test]
    fn only_our_own_pages_are_led_to() {
        for (next, expected) in [
            ("/ui/bots?x=1", true),
            ("/ui", true),
            ("//evil.example/ui/", false),
            ("/uix", false),
            ("/ui/\n", false),
            ("https://evil.example", false),
        ] {
            assert_eq!(own(next).is_some(), expected, "{next}");
        }
    }

    #[test]
    fn a_scope_brings_others_with_it() {
        let me = |scope: &str| Me { name: String::new(), scopes: vec![scope.to_owned()], triggers: Vec::new() };
        assert!(me("admin").has("operate") && me("operate").has("read") && !me("read").has("operate") && !me("operate").has("admin"));
    }
}
