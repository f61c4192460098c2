//! The pages, in the order of the navigation.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use crate::api::Failure;
use crate::ui::Ui;
use crate::visit::{self, Visit, page};

mod ability;
mod approval;
mod audit;
mod bot;
mod contact;
mod conversation;
mod dead;
mod kept;
pub(crate) mod list;
mod overview;
mod secret;
mod skillset;
mod system;
mod token;
mod trigger;

/// All pages.
pub(crate) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .merge(overview::routes())
        .merge(conversation::routes())
        .merge(approval::routes())
        .merge(dead::routes())
        .merge(trigger::routes())
        .merge(bot::routes())
        .merge(skillset::routes())
        .merge(ability::routes())
        .merge(contact::routes())
        .merge(secret::routes())
        .merge(token::routes())
        .merge(audit::routes())
        .merge(system::routes())
        .route("/ui/", get(async || visit::see("/ui")))
        .route("/ui/{*rest}", page(nothing))
}

async fn nothing(_visit: Arc<Visit>) -> Result<Response, Failure> {
    Err(Failure::new(StatusCode::NOT_FOUND, "There is no such page"))
}
