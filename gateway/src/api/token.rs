//! Tokens of the API.
//!
//! A token is shown once, where it is made; what is kept is its digest and its last four characters.

use std::sync::Arc;

use axum::response::Response;
use backbone::catalogue::{Revised, Snapshot};
use backbone::chance;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::code::Code;
use proto::id::TokenId;
use proto::resource::{ApiToken, Common, Resource, Scope, SecretDigest};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::kind::{self, Empty, Kind};
use super::operation::{Access, Operation};
use super::shared::{self, CHANGES, Id};
use super::{list, page};
use crate::api_error::ApiError;
use crate::auth::{Caller, TOKEN_PREFIX};
use crate::last_use;

mod body;
mod told;

const TAG: &str = "Tokens";
const ADMIN: Access = Access::Scope(Scope::Admin);
/// How many random bytes a token has.
const TOKEN_BYTES: usize = 32;
/// How many of its last characters are kept.
const HINT_CHARS: usize = 4;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("createToken", "/token/create", ADMIN, create)
            .says(TAG, "Make a token")
            .more("The answer is the only place where the token itself stands.")
            .takes::<body::Body>(body::example())
            .gives::<Made>(json!({ "id": "k01k7", "token": "sk-w3bq1Z0m7b2d9f4h6j8k0m2n4p6q8s0u2w4y6a8c0e0" }))
            .refuses(&CHANGES),
        shared::listed(Operation::get("listTokens", "/token/list", ADMIN, list))
            .says(TAG, "List tokens")
            .lists::<told::Told>(told::example()),
        Operation::get("fetchSelf", "/self/fetch", Access::Scope(Scope::Read), fetch_self)
            .says(TAG, "Fetch who calls, and what they may")
            .gives::<Myself>(json!({ "id": "k01k7", "name": "CI", "scopes": ["read"], "triggers": [] })),
        Operation::get("fetchToken", "/token/{id}/fetch", ADMIN, fetch)
            .says(TAG, "Fetch a token, without itself")
            .gives::<told::Told>(told::example())
            .refuses(&[Code::ResourceUnknown]),
        shared::fenced(Operation::post("updateToken", "/token/{id}/update", ADMIN, kind::update::<Tokens>))
            .says(TAG, "Change what a token may do")
            .more("What is left out stays as it is; null clears.")
            .takes::<body::Body>(json!({ "scopes": ["read"] }))
            .gives::<Id>(json!({ "id": "k01k7" }))
            .refuses(&CHANGES),
        shared::fenced(Operation::post("revokeToken", "/token/{id}/revoke", ADMIN, delete))
            .says(TAG, "Revoke a token")
            .more("It is gone: calls that present it are refused.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "k01k7" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost, Code::KeptByFile]),
        shared::fenced(Operation::post("deleteToken", "/token/{id}/delete", ADMIN, delete))
            .says(TAG, "Revoke a token")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "k01k7" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost, Code::KeptByFile]),
    ]
}

/// A new token.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TokenMade")]
struct Made {
    /// Its id.
    id: String,
    /// The token, shown this once.
    token: String,
}

/// Who calls.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Self")]
struct Myself {
    /// The token's id; null for the one that the operator configured.
    id: Option<String>,
    /// Its name.
    name: String,
    /// What it may do.
    scopes: Vec<body::ScopeWord>,
    /// The triggers that it is limited to; empty for all.
    triggers: Vec<String>,
}

async fn fetch_self(call: Call) -> Result<Response, ApiError> {
    let Caller::Token(holder) = &call.caller else { return Err(ApiError::new(Code::NotAuthenticated, "a token is needed")) };
    give(&Myself {
        id: holder.id.as_ref().map(ToString::to_string),
        name: holder.name.clone(),
        scopes: body::words(&holder.scopes),
        triggers: holder.triggers.iter().map(ToString::to_string).collect(),
    })
}

/// The kind.
#[derive(Debug)]
pub(super) struct Tokens;

impl Kind for Tokens {
    type Item = ApiToken;
    type Body = body::Body;

    const GROUP: &'static str = "token";
    const LETTER: char = 'k';
    const ACTIONS: [&'static str; 3] = ["token.create", "token.update", "token.revoke"];

    fn unknown() -> ApiError {
        ApiError::new(Code::ResourceUnknown, "Token not found")
    }

    fn all(snapshot: &Snapshot) -> Vec<Arc<Revised<ApiToken>>> {
        snapshot.tokens.values().cloned().collect()
    }

    fn get(snapshot: &Snapshot, id: &str) -> Option<Arc<Revised<ApiToken>>> {
        snapshot.tokens.get(&id.parse().ok()?).cloned()
    }

    fn new(id: &str) -> Option<ApiToken> {
        let id: TokenId = id.parse().ok()?;
        Some(ApiToken {
            id,
            common: Common::default(),
            name: String::new(),
            // Of nothing that anybody could present: it is replaced before the token is written.
            digest: SecretDigest::of(&proto::idempotency::hex(&chance::bytes::<TOKEN_BYTES>())),
            scopes: Vec::new(),
            triggers: Vec::new(),
            expires_at_ms: None,
            hint: String::new(),
            rate: None,
        })
    }

    fn wrap(item: ApiToken) -> Resource {
        Resource::Token(item)
    }

    fn unwrap(resource: Resource) -> Option<ApiToken> {
        if let Resource::Token(token) = resource { Some(token) } else { None }
    }

    fn common(item: &ApiToken) -> &Common {
        &item.common
    }

    fn common_mut(item: &mut ApiToken) -> &mut Common {
        &mut item.common
    }

    fn id(item: &ApiToken) -> &str {
        item.id.as_str()
    }

    async fn apply(call: &Call, item: ApiToken, body: body::Body, _is_new: bool) -> Result<ApiToken, ApiError> {
        body.apply(call, item).await
    }

    fn tell(_call: &Call, item: &Revised<ApiToken>, _now_ms: i64) -> Value {
        told::tell(item, None)
    }
}

async fn create(call: Call) -> Result<Response, ApiError> {
    let body: body::Body = call.json()?;
    let token = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(chance::bytes::<TOKEN_BYTES>()));
    let fill = async |item: ApiToken| {
        let item = body.apply(&call, item).await?;
        let hint = token.get(token.len() - HINT_CHARS..).unwrap_or_default().to_owned();
        Ok(ApiToken { digest: SecretDigest::of(&token), hint, ..item })
    };
    let id = kind::minted::<Tokens>(&call, fill).await?;
    give(&Made { id, token })
}

async fn list(call: Call) -> Result<Response, ApiError> {
    let call = Arc::new(call);
    let shared = Arc::clone(&call);
    list::answer(&call, move |wanted| {
        let call = Arc::clone(&shared);
        async move {
            let all = Tokens::all(&call.door.directory.catalogue.snapshot());
            let admitted = all.iter().filter(|token| wanted.admits(&token.common.meta));
            let page = page::pick(admitted, &wanted, |token| (token.common.created_at_ms, token.id.as_str()));
            let ids: Vec<&TokenId> = page.iter().map(|token| &token.id).collect();
            let used = last_use::of(&call.door.redis, &ids).await;
            Ok(page.into_iter().zip(used).map(|(token, used)| (token.id.to_string(), told::tell(token, used))).collect())
        }
    })
    .await
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let token = kind::find::<Tokens>(&call, call.place("id")).await?;
    let used = last_use::of(&call.door.redis, &[&token.id]).await.into_iter().next().flatten();
    give(&told::tell(&token, used))
}

async fn delete(call: Call) -> Result<Response, ApiError> {
    let token = kind::find::<Tokens>(&call, call.place("id")).await?;
    let door = Arc::clone(&call.door);
    let answer = kind::delete::<Tokens>(call).await?;
    last_use::forget(&door.redis, &token.id).await;
    Ok(answer)
}
