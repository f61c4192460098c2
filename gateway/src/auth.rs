//! Who may do what.
//!
//! A trigger's secret lets events in, shows what became of them, and calls off or answers their turns.
//! A token of the API does what its scopes say, at the triggers that it is limited to: `read` shows all
//! but secrets, `operate` changes things and includes `read`, `publish` sends events, `admin` does all.
//! All are kept as digests, found by their digest, and compared in constant time. The scheme is exactly
//! `Bearer ` with one space, as ChatBotKit has it. What ends by time ends by the broker's clock.
//!
//! 401 is the answer to whoever is not known, 403 to whoever is known and may not.

use std::fmt::Display;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use backbone::catalogue::{Revised, Snapshot};
use proto::code::Code;
use proto::id::{TokenId, TriggerId};
use proto::resource::{Rate, Scope, SecretDigest, Trigger};

use crate::api::operation::Access;
use crate::api_error::ApiError;
use crate::audit::Who;
use crate::conversation;
use crate::door::Door;
use crate::rate::{Kind, Limit, Standing};

/// What every token that is made begins with.
pub(crate) const TOKEN_PREFIX: &str = "sk-";

/// Operations that show a token that is limited to triggers only what is of these, or of itself.
const FILTERED: [&str; 4] = ["/integration/trigger/list", "/conversation/list", "/conversation/export", "/self/fetch"];

/// How the paths of operations on one conversation begin.
const OF_CONVERSATION: &str = "/conversation/{id}/";

/// What the caller presents.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn refused(needed: impl Display) -> ApiError {
    ApiError::new(Code::NotAuthenticated, format!("{needed} is needed: Authorization: Bearer <secret>"))
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody who presents nothing, or nothing known.
    Nobody,
    /// Somebody with the secret of a trigger.
    Trigger(TriggerId),
    /// Somebody with a token.
    Token(Holder),
}

/// What is known of whoever has a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Holder {
    /// Which token; none for the one that the operator configured.
    pub(crate) id: Option<TokenId>,
    /// Its name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Vec<Scope>,
    /// The triggers that it is limited to; none means all.
    pub(crate) triggers: Vec<TriggerId>,
    /// How many calls it may make in a time.
    pub(crate) rate: Option<Rate>,
}

impl Holder {
    fn sees(&self, trigger: &TriggerId) -> bool {
        self.triggers.is_empty() || self.triggers.contains(trigger)
    }
}

impl Caller {
    /// Whether the caller has a scope, itself or within a wider one.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        let Self::Token(holder) = self else { return false };
        let is_wider = |has: &Scope| *has == Scope::Admin || (*has == Scope::Operate && scope == Scope::Read);
        holder.scopes.iter().any(|has| *has == scope || is_wider(has))
    }

    /// Whether what is of a trigger may be shown to the caller, in lists too.
    pub(crate) fn sees(&self, trigger: &TriggerId) -> bool {
        match self {
            Self::Nobody => false,
            Self::Trigger(mine) => mine == trigger,
            Self::Token(holder) => holder.sees(trigger),
        }
    }

    /// Whether the caller sees some triggers only.
    pub(crate) fn is_limited(&self) -> bool {
        match self {
            Self::Nobody | Self::Trigger(_) => true,
            Self::Token(holder) => !holder.triggers.is_empty(),
        }
    }

    /// Of the triggers that a list is asked for, those that it may show, all by an empty one; none if nothing is left.
    pub(crate) fn narrowed(&self, asked: Vec<String>) -> Option<Vec<String>> {
        let own = match self {
            Self::Nobody => return None,
            Self::Trigger(id) => std::slice::from_ref(id),
            Self::Token(holder) if holder.triggers.is_empty() => return Some(asked),
            Self::Token(holder) => &holder.triggers,
        };
        let is_asked = |id: &&TriggerId| asked.is_empty() || asked.iter().any(|asked| asked == id.as_str());
        let both: Vec<String> = own.iter().filter(is_asked).map(ToString::to_string).collect();
        (!both.is_empty()).then_some(both)
    }

    /// The caller as the audit log names it.
    pub(crate) fn who(&self) -> Who {
        match self {
            Self::Nobody => Who::Anybody,
            Self::Trigger(trigger) => Who::Secret { trigger: trigger.clone() },
            Self::Token(Holder { id: Some(id), name, .. }) => Who::Token { id: id.clone(), name: name.clone() },
            Self::Token(_) => Who::Config,
        }
    }

    fn rate(&self) -> Option<Limit> {
        let Self::Token(Holder { id: Some(id), rate, .. }) = self else { return None };
        Limit::of(Kind::Token, id.as_str(), *rate)
    }
}

/// Whoever presents a token that counts; nobody where none is presented, or none that looks like one of ours.
pub(crate) async fn caller(door: &Door, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let Some(presented) = bearer(headers) else { return Ok(Caller::Nobody) };
    let digest = SecretDigest::of(presented);
    if door.api_token.get().as_ref().as_ref().is_some_and(|token| token.is(&digest)) {
        return Ok(Caller::Token(Holder { scopes: vec![Scope::Admin], ..Holder::default() }));
    }
    let snapshot = door.directory.catalogue.snapshot();
    let Some(token) = snapshot.token_of(&digest) else {
        let is_token = presented.starts_with(TOKEN_PREFIX) && door.directory.catalogue.is_loaded();
        return if is_token { Err(invalid("the token is not known here, or was revoked")) } else { Ok(Caller::Nobody) };
    };
    if let Some(end_ms) = token.expires_at_ms
        && now_ms(door).await? >= end_ms
    {
        return Err(invalid("the token has expired"));
    }
    door.last_use.note(door, &token.id);
    Ok(Caller::Token(Holder {
        id: Some(token.id.clone()),
        name: token.name.clone(),
        scopes: token.scopes.clone(),
        triggers: token.triggers.clone(),
        rate: token.rate,
    }))
}

fn invalid(message: &'static str) -> ApiError {
    ApiError::new(Code::TokenInvalid, message)
}

/// The broker's time; what ends by it can be neither granted nor refused without it.
pub(crate) async fn now_ms(door: &Door) -> Result<i64, ApiError> {
    let now_ms = door.clock.now_ms(&door.client).await;
    now_ms.ok_or_else(|| ApiError::unavailable("the broker's time cannot be asked", &"no answer to the time"))
}

/// Whether what the caller presents is a secret of the trigger, the former one within its overlap included.
async fn has_secret(door: &Door, trigger: &Trigger, headers: &HeaderMap) -> Result<bool, ApiError> {
    let Some(presented) = bearer(headers) else { return Ok(false) };
    let digest = SecretDigest::of(presented);
    if trigger.secret.as_ref().is_some_and(|secret| secret.is(&digest)) {
        return Ok(true);
    }
    match &trigger.previous {
        Some((secret, until_ms)) if secret.is(&digest) => Ok(now_ms(door).await? < *until_ms),
        _ => Ok(false),
    }
}

/// Lets a caller in to what is of a trigger: with its secret, or a token of a scope that may see it.
///
/// An open trigger's too: whoever may send to it without a secret must not read, end or approve what
/// others sent.
pub(crate) async fn admit_to(door: &Door, trigger: &Trigger, scope: Scope, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let caller = known(door, Some(trigger), scope, headers).await?;
    if !caller.sees(&trigger.id) {
        return Err(foreign());
    }
    hold(door, &caller, None).await?;
    Ok(caller)
}

/// Whoever has the secret of a trigger, or a token of a scope, be it limited to other triggers.
async fn known(door: &Door, trigger: Option<&Trigger>, scope: Scope, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if let Some(trigger) = trigger
        && has_secret(door, trigger, headers).await?
    {
        return Ok(Caller::Trigger(trigger.id.clone()));
    }
    let caller = caller(door, headers).await?;
    if matches!(caller, Caller::Token(_)) {
        return of_scope(&caller, scope).map(|()| caller);
    }
    let of_trigger = if trigger.is_some() { "the trigger's secret or " } else { "" };
    Err(refused(format_args!("{of_trigger}a token of the scope {}", word(scope))))
}

/// Whoever sends an event.
pub(crate) enum Sender {
    /// Somebody who is known, or need not be.
    Known(Caller),
    /// Somebody whose signature has to be checked over the body.
    Signed,
}

/// Who sends an event to a trigger, as far as that shows without the body.
///
/// A trigger that asks for no secret and has a signature takes signed calls alone.
pub(crate) async fn sender(door: &Door, trigger: &Trigger, headers: &HeaderMap) -> Result<Sender, ApiError> {
    let Some(signature) = &trigger.signature else {
        if trigger.open {
            return Ok(Sender::Known(Caller::Nobody));
        }
        return stranger(door, trigger, headers).await;
    };
    let is_signed = crate::signature::is_presented(signature.scheme(), headers);
    match (trigger.open, is_signed) {
        (true, false) => Err(ApiError::new(Code::SignatureRequired, "this trigger takes signed calls alone")),
        (false, true) if has_secret(door, trigger, headers).await? => Ok(Sender::Known(Caller::Trigger(trigger.id.clone()))),
        (true | false, true) => Ok(Sender::Signed),
        (false, false) => stranger(door, trigger, headers).await,
    }
}

async fn stranger(door: &Door, trigger: &Trigger, headers: &HeaderMap) -> Result<Sender, ApiError> {
    let caller = known(door, Some(trigger), Scope::Publish, headers).await?;
    if caller.sees(&trigger.id) { Ok(Sender::Known(caller)) } else { Err(foreign()) }
}

/// Counts a call against the caller's limit, and against a trigger's.
pub(crate) async fn hold(door: &Door, caller: &Caller, trigger: Option<&Trigger>) -> Result<Vec<Standing>, ApiError> {
    let of_trigger = trigger.and_then(|trigger| Limit::of(Kind::Trigger, trigger.id.as_str(), trigger.rate));
    let limits: Vec<Limit> = of_trigger.into_iter().chain(caller.rate()).collect();
    door.limiter.take(&door.redis, &limits).await
}

/// What an operation asks of its callers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Who may call it.
    pub(crate) access: Access,
    /// Its path, with `{id}` for what varies.
    pub(crate) path: &'a str,
    /// What stands at `{id}`.
    pub(crate) id: &'a str,
}

/// Lets a caller in where it may do what an operation asks for.
pub(crate) async fn admit(door: &Door, asked: Asked<'_>, headers: &HeaderMap) -> Result<(Caller, Vec<Standing>), ApiError> {
    let caller = match asked.access {
        Access::Open => return Ok((Caller::Nobody, Vec::new())),
        Access::Scope(scope) => known(door, None, scope, headers).await?,
        Access::Trigger(scope) => of_trigger(door, asked, scope, headers).await?,
        Access::Event => {
            let trigger = door.directory.trigger(Some(asked.id)).await?;
            match sender(door, &trigger, headers).await? {
                Sender::Known(caller) => caller,
                Sender::Signed => return Err(ApiError::new(Code::SignatureInvalid, "this call cannot be signed")),
            }
        }
    };
    if caller.is_limited() {
        within(door, asked, &caller).await?;
    }
    let standings = hold(door, &caller, None).await?;
    Ok((caller, standings))
}

/// Whoever has the secret of the trigger that an operation is about, or a token.
async fn of_trigger(door: &Door, asked: Asked<'_>, scope: Scope, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let is_conversation = asked.path.starts_with(OF_CONVERSATION);
    let trigger =
        if is_conversation { of_conversation(door, asked.id).await } else { door.directory.trigger(Some(asked.id)).await.map(Some) };
    // What a trigger left behind is there for tokens when the trigger is not.
    let found = trigger.as_ref().ok().and_then(Option::as_deref);
    let known = known(door, found.map(|trigger| &trigger.resource), scope, headers).await;
    match known {
        Err(error) if error.code == Code::NotAuthenticated => {
            trigger?;
            let is_hidden = is_conversation && is_known_elsewhere(&door.directory.catalogue.snapshot(), headers);
            Err(if is_hidden { conversation::unknown() } else { error })
        }
        known => known,
    }
}

/// The trigger of a conversation; none where the API itself began it.
async fn of_conversation(door: &Door, id: &str) -> Result<Option<Arc<Revised<Trigger>>>, ApiError> {
    let trigger = conversation::named(id)?.session.trigger;
    if trigger.is_reserved() {
        return Ok(None);
    }
    let trigger = door.directory.trigger(Some(trigger.as_str())).await;
    trigger.map(Some).map_err(|error| if error.code == Code::TriggerUnknown { conversation::unknown() } else { error })
}

/// Keeps a caller that is limited to triggers to what is of these: everything else is closed to it.
async fn within(door: &Door, asked: Asked<'_>, caller: &Caller) -> Result<(), ApiError> {
    if FILTERED.contains(&asked.path) {
        return Ok(());
    }
    if asked.path.starts_with(OF_CONVERSATION) {
        let is_seen = caller.sees(&conversation::named(asked.id)?.session.trigger);
        return if is_seen { Ok(()) } else { Err(conversation::unknown()) };
    }
    if asked.path.starts_with("/integration/trigger/{id}/") {
        let trigger = door.directory.trigger(Some(asked.id)).await?;
        return if caller.sees(&trigger.id) { Ok(()) } else { Err(foreign()) };
    }
    Err(foreign())
}

fn foreign() -> ApiError {
    ApiError::new(Code::TriggerForeign, "the token is limited to other triggers")
}

fn of_scope(caller: &Caller, scope: Scope) -> Result<(), ApiError> {
    if caller.has(scope) {
        return Ok(());
    }
    Err(ApiError::new(Code::ScopeMissing, format!("the token does not have the scope {}", word(scope))))
}

/// A scope as tokens and documents spell it.
pub(crate) fn word(scope: Scope) -> String {
    scope.as_str_name().trim_start_matches("SCOPE_").to_ascii_lowercase()
}

/// Whether the caller has the secret of some trigger: known, only not here.
fn is_known_elsewhere(snapshot: &Snapshot, headers: &HeaderMap) -> bool {
    bearer(headers).is_some_and(|presented| snapshot.is_secret(&SecretDigest::of(presented)))
}

#[cfg(test)]
mod tests;
