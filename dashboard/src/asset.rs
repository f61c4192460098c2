//! Styles and scripts. They are part of the program, and named by what is in them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::ui::Ui;

/// How much of a digest names the assets, in characters.
const VERSION_CHARS: usize = 12;

const STYLE: &str = include_str!("asset/app.css");
const SCRIPT: &str = include_str!("asset/app.js");
const ICON: &str = include_str!("asset/icon.svg");

/// The names of all assets.
#[derive(Debug)]
pub(crate) struct Assets {
    version: String,
}

impl Default for Assets {
    fn default() -> Self {
        let digest = Sha256::new().chain_update(STYLE).chain_update(SCRIPT).chain_update(ICON).finalize();
        let mut version = URL_SAFE_NO_PAD.encode(digest);
        version.truncate(VERSION_CHARS);
        Self { version }
    }
}

impl Assets {
    /// The address of the styles.
    pub(crate) fn style(&self) -> String {
        format!("/ui/asset/{}/app.css", self.version)
    }

    /// The address of the script.
    pub(crate) fn script(&self) -> String {
        format!("/ui/asset/{}/app.js", self.version)
    }

    /// The address of the icon.
    pub(crate) fn icon(&self) -> String {
        format!("/ui/asset/{}/icon.svg", self.version)
    }
}

/// The routes of the group.
pub(crate) fn routes() -> Router<Arc<Ui>> {
    Router::new().route("/ui/asset/{version}/{name}", get(fetch))
}

async fn fetch(State(ui): State<Arc<Ui>>, Path((version, name)): Path<(String, String)>) -> Response {
    let (kind, text) = match name.as_str() {
        "app.css" => ("text/css; charset=utf-8", STYLE),
        "app.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => ("text/plain", ""),
    };
    let mut response = Response::new(Body::from(text));
    if text.is_empty() {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    // A page of another version of this program names another: what lies at a name never changes.
    let kept = if version == ui.assets.version { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    response
}
