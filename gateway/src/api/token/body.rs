//! What a body says about a token.

use proto::resource::{ApiToken, Rate, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::given::Given;
use crate::api::kind;
use crate::api::notes::{self, NAME_CHARS_MAX};
use crate::api::trigger::Triggers;
use crate::api_error::ApiError;

/// How many triggers a token may be limited to.
const TRIGGERS_MAX: usize = 64;
/// How many calls a rate may allow.
const RATE_COUNT_MAX: u32 = 1_000_000;
/// Longest time of a rate, in milliseconds: a day.
const RATE_MS_MAX: u64 = 24 * 3_600_000;

/// What a body says about a token.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "TokenChange")]
pub(crate) struct Body {
    /// A second name: 1 to 128 of a-z 0-9 _ -.
    alias: Given<String>,
    /// The display name.
    name: Given<String>,
    /// Notes; `{"$update": {..}}` adds to those that are there.
    meta: Given<Map<String, Value>>,
    /// What it may do; `read` unless said.
    scopes: Given<Vec<ScopeWord>>,
    /// The triggers that it is limited to, by id or `@alias`; without one it is not limited.
    triggers: Given<Vec<String>>,
    /// When it stops counting, in milliseconds since 1970; without one never.
    #[schemars(range(min = 1))]
    expires_at: Given<i64>,
    /// How many calls it may make in a time.
    rate: Given<RateBound>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Scope")]
pub(super) enum ScopeWord {
    /// Everything, tokens included.
    Admin,
    /// Change resources and conversations, answer and call off turns, replay; reading is included.
    Operate,
    /// Read all but secrets.
    Read,
    /// Send events.
    Publish,
}

/// A bound on how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "TokenRate")]
pub(super) struct RateBound {
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) count: u32,
    /// In which time, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(super) per_ms: u64,
}

/// The scopes with their words.
const SCOPES: [(ScopeWord, Scope); 4] = [
    (ScopeWord::Admin, Scope::Admin),
    (ScopeWord::Operate, Scope::Operate),
    (ScopeWord::Read, Scope::Read),
    (ScopeWord::Publish, Scope::Publish),
];

/// The words of scopes.
pub(super) fn words(scopes: &[Scope]) -> Vec<ScopeWord> {
    SCOPES.into_iter().filter(|(_, scope)| scopes.contains(scope)).map(|(word, _)| word).collect()
}

fn scopes(words: &[ScopeWord]) -> Vec<Scope> {
    SCOPES.into_iter().filter(|(word, _)| words.contains(word)).map(|(_, scope)| scope).collect()
}

impl Body {
    /// The token with what the body says.
    pub(super) async fn apply(&self, call: &Call, mut token: ApiToken) -> Result<ApiToken, ApiError> {
        let said = self.clone();
        notes::put_alias(&mut token.common.alias, said.alias)?;
        notes::put_meta(&mut token.common.meta, said.meta)?;
        said.name.put(&mut token.name);
        notes::check_text("name", &token.name, NAME_CHARS_MAX)?;
        if let Some(words) = said.scopes.said() {
            token.scopes = scopes(&words.unwrap_or_default());
        }
        if token.scopes.is_empty() {
            token.scopes = vec![Scope::Read];
        }
        if let Some(names) = said.triggers.said() {
            token.triggers = existing(call, &names.unwrap_or_default()).await?;
        }
        if !token.triggers.is_empty() && token.scopes.contains(&Scope::Admin) {
            return Err(ApiError::field("triggers", "cannot limit a token of scope admin, which may make itself another"));
        }
        said.expires_at.put_optional(&mut token.expires_at_ms);
        if token.expires_at_ms.is_some_and(|at| at <= 0) {
            return Err(ApiError::field("expiresAt", "must be milliseconds since 1970"));
        }
        if let Some(rate) = said.rate.said() {
            token.rate = rate.map(bound).transpose()?;
        }
        Ok(token)
    }
}

async fn existing(call: &Call, names: &[String]) -> Result<Vec<proto::id::TriggerId>, ApiError> {
    if names.len() > TRIGGERS_MAX {
        let error = ApiError::field("triggers", format_args!("may name at most {TRIGGERS_MAX}"));
        return Err(ApiError { limit: Some(TRIGGERS_MAX), ..error });
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let trigger = kind::find::<Triggers>(call, name).await?;
        if !found.contains(&trigger.id) {
            found.push(trigger.id.clone());
        }
    }
    Ok(found)
}

fn bound(rate: RateBound) -> Result<Rate, ApiError> {
    if !(1..=RATE_COUNT_MAX).contains(&rate.count) {
        return Err(ApiError::field("rate.count", format_args!("must be 1 to {RATE_COUNT_MAX}")));
    }
    if !(1..=RATE_MS_MAX).contains(&rate.per_ms) {
        return Err(ApiError::field("rate.perMs", format_args!("must be 1 to {RATE_MS_MAX}")));
    }
    Ok(Rate { count: rate.count, per_ms: rate.per_ms })
}

/// A body as it might be.
pub(super) fn example() -> Value {
    json!({ "name": "CI", "scopes": ["publish"], "expiresAt": 4_000_000_000_000_i64 })
}
