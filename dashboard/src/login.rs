//! Logging in and out.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use maud::html;
use secrecy::SecretString;

use crate::api::{Ask, Failure};
use crate::form::Form;
use crate::session::{Keeper, TOKEN_BYTES_MAX};
use crate::ui::Ui;
use crate::visit::{self, Visit, deed};
use crate::{cookie_jar, frame, guard, path};

/// The page with the form.
const PAGE: &str = "/ui/login";
/// How long a way back may be, in bytes.
const NEXT_BYTES_MAX: usize = 2_048;

/// The routes of the group.
pub(crate) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route(PAGE, get(ask).post(enter))
        .route("/ui/login/{code}", get(once))
        .route("/ui/logout", deed(leave))
        .route("/", get(async || visit::see("/ui")))
}

/// Leads whoever is not logged in to the form, and back from there.
pub(crate) fn needed(method: &Method, uri: &Uri) -> Response {
    let next = uri.path_and_query().map_or("", |next| next.as_str());
    let is_page = *method == Method::GET && next != "/ui" && next.len() <= NEXT_BYTES_MAX;
    visit::see(&path::with(PAGE, &[("next", if is_page { next } else { "" })]))
}

async fn ask(State(ui): State<Arc<Ui>>, uri: Uri) -> Response {
    let asked = Form::of(uri.query().unwrap_or_default().as_bytes());
    show(&ui, asked.word("next"), None)
}

fn show(ui: &Ui, next: &str, failure: Option<&Failure>) -> Response {
    let body = html! {
        h1 { "Log in to Cuepoint" }
        p.muted { "With a token of the API that may " code { "read" } " or more." }
        form method="post" action=(PAGE) {
            input type="hidden" name="next" value=(next);
            div.field {
                label for="token" { "API token" }
                input #token type="password" name="token" required autocomplete="current-password" spellcheck="false" autofocus
                    maxlength=(TOKEN_BYTES_MAX) aria-invalid=[failure.map(|_| "true")] aria-describedby=[failure.map(|_| "token-fault")];
                @if let Some(failure) = failure { p.fault #token-fault role="alert" { (failure.message) } }
            }
            button.primary.wide type="submit" { "Log in" }
        }
        details.hint {
            summary { "Where do I find a token?" }
            p { "The first one is " code { "CUEPOINT_API_TOKEN" } ", or what " code { "cuepoint dev" } " printed at its first start and keeps in " code { ".cuepoint/api-token" } ". It makes others:" }
            pre tabindex="0" { code { "cuepoint token create --name me --scope operate" } }
        }
    };
    frame::alone(ui, failure.map_or(StatusCode::OK, |failure| failure.status), "Log in", &body)
}

async fn enter(State(ui): State<Arc<Ui>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let form = match Form::read(body).await {
        Ok(form) => form,
        Err(failure) => return show(&ui, "", Some(&failure)),
    };
    let next = form.word("next").to_owned();
    if !guard::is_same_site(&parts.headers) {
        return show(&ui, &next, Some(&Failure::new(StatusCode::FORBIDDEN, "this form was not of this page: log in here")));
    }
    let token = form.word("token");
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return show(&ui, &next, Some(&Failure::new(StatusCode::BAD_REQUEST, "a token has 1 to 256 characters")));
    }
    let is_secure = guard::is_secure(&parts.headers, ui.public_url.as_ref());
    match begin(&ui, SecretString::from(token), is_secure).await {
        Ok(cookie) => admitted(visit::own(&next).unwrap_or("/ui"), cookie),
        Err(failure) => show(&ui, &next, Some(&failure)),
    }
}

/// Logs in by a code that counts once.
async fn once(State(ui): State<Arc<Ui>>, Path(code): Path<String>, request: Request) -> Response {
    let is_secure = guard::is_secure(request.headers(), ui.public_url.as_ref());
    let spent = || Failure::new(StatusCode::GONE, "this link was used before, or is of an earlier start: log in with a token");
    let begun = match ui.redeem(&code) {
        Some(token) => begin(&ui, token, is_secure).await,
        None => Err(spent()),
    };
    match begun {
        Ok(cookie) => admitted("/ui", cookie),
        Err(failure) => show(&ui, "", Some(&failure)),
    }
}

/// The cookie of a new session.
async fn begin(ui: &Ui, token: SecretString, is_secure: bool) -> Result<HeaderValue, Failure> {
    let asked = ui.api.send(&token, Ask::get("/self/fetch")).await;
    drop(asked.map_err(|failure| match failure.status {
        StatusCode::UNAUTHORIZED => Failure { message: "no such token, or it was revoked or has expired".to_owned(), ..failure },
        StatusCode::FORBIDDEN => {
            Failure { message: "this token may not read: log in with one of scope read, operate or admin".to_owned(), ..failure }
        }
        _ => failure,
    })?);
    let away = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "no session can be begun right now: try again");
    let now_ms = (ui.clock)().await.ok_or_else(away)?;
    let sealed = ui.keeper.seal(&Keeper::begin(token, now_ms)).ok_or_else(away)?;
    HeaderValue::try_from(cookie_jar::set(&sealed, is_secure)).map_err(|_| away())
}

fn admitted(next: &str, cookie: HeaderValue) -> Response {
    let mut response = visit::see(next);
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

async fn leave(visit: Arc<Visit>) -> Result<Response, Failure> {
    let is_secure = guard::is_secure(&visit.headers, visit.ui.public_url.as_ref());
    let mut response = visit::see(PAGE);
    if let Ok(cookie) = HeaderValue::try_from(cookie_jar::set("", is_secure)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}
