//! The dashboard: pages for people, over the management API.
//!
//! Each page is made on the server of what the API answers, asked in this process with the token of
//! whoever is logged in. So a page shows and does what that token may, every change is on the audit
//! record like any other call, and there is no second way to the data. Pages work without scripts;
//! a small one keeps them live.
//!
//! Nothing that somebody said becomes markup: templates escape, and the Markdown of messages goes
//! through a sanitiser. The Content-Security-Policy forbids inline scripts and styles, and other origins.

use std::sync::Arc;

use axum::Router;

// What a visitor brings, and who they are.
mod api;
mod cookie_jar;
mod form;
mod guard;
mod login;
pub mod session;
mod ui;
mod visit;
mod zone;
// What pages are made of.
mod asset;
mod frame;
mod icon;
mod markdown;
mod part;
mod path;
// The pages.
mod live;
mod page;

pub use ui::{Clock, Settings};

/// The pages, over a router of the API that has no state left to be given.
pub fn router<S: Clone + Send + Sync + 'static>(api: Router, settings: Settings) -> Router<S> {
    let ui = Arc::new(ui::Ui::new(api, settings));
    Router::new()
        .merge(login::routes())
        .merge(asset::routes())
        .merge(live::routes())
        .merge(page::routes())
        .layer(axum::middleware::map_response(guard::harden))
        .with_state(ui)
}
