//! What stands around every page.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use crate::api::Failure;
use crate::icon::{self, Icon};
use crate::ui::Ui;
use crate::visit::{Visit, WORD};
use crate::{live, login, part};

/// A page, before its frame is put around it.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its heading, and the title of the window.
    pub(crate) title: String,
    /// The places above it: names and paths.
    pub(crate) above: Vec<(String, String)>,
    /// What stands beside the heading, such as a status.
    pub(crate) beside: Markup,
    /// What can be done, at the right of the heading.
    pub(crate) actions: Markup,
    /// What is told live: the path of a stream.
    pub(crate) live: Option<String>,
    /// All else.
    pub(crate) body: Markup,
    /// What the page is answered with.
    pub(crate) status: StatusCode,
}

/// A place that the navigation leads to.
struct Place {
    path: &'static str,
    name: &'static str,
    icon: Icon,
    /// The scope that it needs.
    scope: &'static str,
    /// Whether a token that is limited to triggers may see it.
    is_of_triggers: bool,
}

const fn place(path: &'static str, name: &'static str, icon: Icon, scope: &'static str) -> Place {
    Place { path, name, icon, scope, is_of_triggers: false }
}

const fn of_triggers(path: &'static str, name: &'static str, icon: Icon) -> Place {
    Place { path, name, icon, scope: "read", is_of_triggers: true }
}

/// Where the navigation leads, in groups.
const PLACES: [(&str, &[Place]); 3] = [
    (
        "Watch",
        &[
            place("/ui", "Overview", Icon::Pulse, "read"),
            of_triggers("/ui/conversations", "Conversations", Icon::Talk),
            place("/ui/approvals", "Approvals", Icon::Hand, "read"),
            place("/ui/dead", "Dead letters", Icon::Letter, "read"),
        ],
    ),
    (
        "Configure",
        &[
            of_triggers("/ui/triggers", "Triggers", Icon::Bolt),
            place("/ui/bots", "Bots", Icon::Bot, "read"),
            place("/ui/skillsets", "Skillsets", Icon::Tool, "read"),
            place("/ui/contacts", "Contacts", Icon::Person, "read"),
            place("/ui/secrets", "Secrets", Icon::Lock, "read"),
        ],
    ),
    (
        "Administer",
        &[
            place("/ui/tokens", "API tokens", Icon::Key, "admin"),
            place("/ui/audit", "Audit log", Icon::List, "admin"),
            place("/ui/system", "System", Icon::Server, "read"),
        ],
    ),
];

impl Page {
    /// A page with nothing but its content.
    pub(crate) fn new(title: impl Into<String>, body: Markup) -> Self {
        let (title, nothing) = (title.into(), Markup::default);
        Self { title, above: Vec::new(), beside: nothing(), actions: nothing(), live: None, body, status: StatusCode::OK }
    }

    /// Below another place.
    pub(crate) fn below(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.above.push((name.into(), path.into()));
        self
    }

    /// With something beside the heading.
    pub(crate) fn beside(self, beside: Markup) -> Self {
        Self { beside, ..self }
    }

    /// With something that can be done.
    pub(crate) fn actions(self, actions: Markup) -> Self {
        Self { actions, ..self }
    }

    /// Kept up to date by a stream.
    pub(crate) fn live(self, path: impl Into<String>) -> Self {
        Self { live: Some(path.into()), ..self }
    }

    /// Answered because something cannot be done.
    pub(crate) fn refused(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The whole of it.
    pub(crate) fn answer(self, visit: &Visit) -> Response {
        let Self { title, above, beside, actions, live, body, status } = self;
        // All that happens is told to those alone who may see all.
        let live = live.filter(|path| path != live::ALL || visit.me.triggers.is_empty());
        let content = html! {
            a.skip href="#main" { "Skip to content" }
            (bar(visit))
            (nav(visit))
            main #main tabindex="-1" data-live=[live] {
                @if !above.is_empty() {
                    nav.above aria-label="Breadcrumb" {
                        ol { @for (name, path) in &above { li { a href=(path) { (name) } } } }
                    }
                }
                header.head {
                    div.title { h1 { (title) } (beside) }
                    div.actions { (actions) }
                }
                @if let Some(note) = note(visit.asked("note")) { p.note role="status" { (note) } }
                (body)
            }
        };
        answer(status, &document(&visit.ui, &title, &content))
    }
}

/// What a page says that was led to once something was done. Only these words: a query is not said by us.
fn note(name: &str) -> Option<&'static str> {
    Some(match name {
        "saved" => "Saved.",
        "made" => "Created.",
        "gone" => "Deleted.",
        "sent" => "Sent.",
        "replayed" => "Replayed.",
        "cancelled" => "Cancel requested.",
        "decided" => "Your decision is on record.",
        "rotated" => "The trigger has a new secret; the one before still works for a day.",
        "revoked" => "Revoked.",
        "erased" => "Erased.",
        "erasing" => "There are conversations left: they are being erased. Erase again until the contact is gone.",
        "enabled" => "The destination is told of what ends from now on.",
        "valued" => "The secret has a value.",
        "valueless" => "The secret has no value.",
        "partial" => "Some of them could not be done; they are still listed.",
        _ => return None,
    })
}

fn bar(visit: &Visit) -> Markup {
    html! {
        header.bar {
            button.menu type="button" popovertarget="nav" aria-label="Menu" { (icon::draw(Icon::Menu)) }
            a.brand href="/ui" { (icon::mark()) span { "Cuepoint" } }
            div.me {
                span.muted title=(visit.me.scopes.join(", ")) { @if visit.me.name.is_empty() { "API token" } @else { (visit.me.name) } }
                form method="post" action="/ui/logout" { (word(visit)) button.quiet type="submit" { "Log out" } }
            }
        }
    }
}

fn nav(visit: &Visit) -> Markup {
    let here = visit.uri.path();
    let is_here = |path: &str| here == path || (path != "/ui" && here.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
    let is_shown = |place: &&Place| visit.me.has(place.scope) && (visit.me.triggers.is_empty() || place.is_of_triggers);
    html! {
        nav #nav.side popover aria-label="Main" { div {
            @for (group, places) in PLACES {
                @let places: Vec<&Place> = places.iter().filter(is_shown).collect();
                @if !places.is_empty() {
                    h2 { (group) }
                    ul {
                        @for place in places {
                            li { a href=(place.path) aria-current=[is_here(place.path).then_some("page")] { (icon::draw(place.icon)) (place.name) } }
                        }
                    }
                }
            }
        } }
    }
}

/// The field by which a form shows that it is of a page of this session.
pub(crate) fn word(visit: &Visit) -> Markup {
    html! { input type="hidden" name=(WORD) value=(visit.session.word); }
}

/// A page of somebody who is not logged in.
pub(crate) fn alone(ui: &Ui, status: StatusCode, title: &str, body: &Markup) -> Response {
    let content = html! { main #main.alone { a.brand href="/ui" { (icon::mark()) span { "Cuepoint" } } section.card { (body) } } };
    answer(status, &document(ui, title, &content))
}

/// A failure, where nobody is known.
pub(crate) fn bare(ui: &Ui, failure: &Failure) -> Response {
    alone(ui, failure.status, "Not possible", &trouble(failure))
}

/// A failure, in place of a page.
pub(crate) fn failed(visit: &Visit, failure: &Failure) -> Response {
    if failure.is_stranger() {
        return login::needed(&axum::http::Method::GET, &visit.uri);
    }
    let title = match failure.status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::SERVICE_UNAVAILABLE => "Not available right now",
        _ => "Not possible",
    };
    Page::new(title, trouble(failure)).refused(failure.status).answer(visit)
}

fn trouble(failure: &Failure) -> Markup {
    let next = match failure.status {
        StatusCode::FORBIDDEN => "Log in with a token that may.",
        StatusCode::NOT_FOUND => "It may have been deleted, or its time is over.",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "Try again in a moment; nothing is lost meanwhile.",
        _ => "Go back, change what is named, and try again.",
    };
    let text = html! { (next) @if !failure.error.is_empty() { " " span.muted { "(" (failure.error) ")" } } };
    part::empty::tell(&failure.message, &text)
}

fn document(ui: &Ui, title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Cuepoint" }
                link rel="icon" href=(ui.assets.icon()) type="image/svg+xml";
                link rel="stylesheet" href=(ui.assets.style());
                script type="module" src=(ui.assets.script()) {}
            }
            body { (content) }
        }
    }
}

fn answer(status: StatusCode, document: &Markup) -> Response {
    let mut response = Response::new(Body::from(document.0.clone()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
