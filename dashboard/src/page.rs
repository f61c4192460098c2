//! The pages, in the order of the navigation.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use crate::api::Failure;
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, page};

mod ability;
mod approval;
mod audit;
mod bot;
mod contact;
mod conversation;
mod dead;
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

/// The ids of what a list has, for fields that propose them; nothing where it cannot be read.
async fn names(visit: &Visit, list: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let (base, query) = list.split_once('?').unwrap_or((list, ""));
    let (name, value) = query.split_once('=').unwrap_or_default();
    let listed: Result<trigger::List<Named>, Failure> = visit.get(&path::with(base, &[("take", "100"), (name, value)])).await;
    listed.map(|list| list.items.into_iter().map(|named| named.id).collect()).unwrap_or_default()
}
