//! Who may do what.
//!
//! A trigger's secret lets events in, shows what became of them, and calls off or answers their
//! turns; the API token does the same for every trigger, but lets no event in. Both are compared as
//! digests in constant time. The scheme is exactly `Bearer ` with one space, as ChatBotKit has it.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use backbone::catalogue::Snapshot;
use proto::code::Code;
use proto::id::{ConversationId, TokenId, TriggerId};
use proto::resource::{Scope, SecretDigest, Trigger};
use subtle::ConstantTimeEq as _;

use crate::api::operation::Access;
use crate::api_error::ApiError;
use crate::audit::Who;
use crate::conversation;
use crate::door::Door;

/// What the caller presents.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn refused(message: &'static str) -> ApiError {
    ApiError::new(Code::NotAuthenticated, message)
}

fn is_trigger_secret(trigger: &Trigger, presented: &str) -> bool {
    trigger.secret.as_ref().is_some_and(|secret| secret.matches(presented))
}

/// A check of what the caller presents against a trigger and the API token.
pub(crate) type Check = fn(&Trigger, Option<&SecretDigest>, &HeaderMap) -> Result<(), ApiError>;

/// Whether an event may be sent to a trigger.
pub(crate) fn may_send(trigger: &Trigger, headers: &HeaderMap) -> Result<(), ApiError> {
    if trigger.open || bearer(headers).is_some_and(|presented| is_trigger_secret(trigger, presented)) {
        Ok(())
    } else {
        Err(refused("the trigger's secret is needed: Authorization: Bearer <secret>"))
    }
}

/// Whether a trigger's events and conversations may be read; an open trigger's too need its secret.
pub(crate) fn may_read(trigger: &Trigger, api_token: Option<&SecretDigest>, headers: &HeaderMap) -> Result<(), ApiError> {
    let presented = bearer(headers);
    let is_mine = presented.is_some_and(|presented| is_trigger_secret(trigger, presented));
    let is_operator = presented.zip(api_token).is_some_and(|(presented, token)| token.matches(presented));
    if is_mine || is_operator {
        Ok(())
    } else {
        Err(refused("the trigger's secret or the API token is needed: Authorization: Bearer <secret>"))
    }
}

/// Whether a turn may be called off or answered.
///
/// As for reading: whoever may send to an open trigger without a secret must not end or approve
/// what others sent.
pub(crate) fn may_speak(trigger: &Trigger, api_token: Option<&SecretDigest>, headers: &HeaderMap) -> Result<(), ApiError> {
    may_read(trigger, api_token, headers)
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody who presents nothing, or nothing known.
    Nobody,
    /// Somebody with the secret of a trigger.
    Trigger(TriggerId),
    /// Somebody with a token.
    Token {
        /// Which; none for the one that the operator configured.
        id: Option<TokenId>,
        /// What it is called.
        name: String,
        /// What it may do.
        scopes: Vec<Scope>,
    },
}

impl Caller {
    /// Whether the caller has a scope, itself or within a wider one.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        let Self::Token { scopes, .. } = self else { return false };
        let is_wider = |has: &Scope| *has == Scope::Admin || (*has == Scope::Operate && scope == Scope::Read);
        scopes.iter().any(|has| *has == scope || is_wider(has))
    }

    /// How the caller is named in records.
    pub(crate) fn who(&self) -> Who {
        match self {
            Self::Nobody => Who::Anybody,
            Self::Trigger(trigger) => Who::Secret { trigger: trigger.clone() },
            Self::Token { id: Some(id), name, .. } => Who::Token { id: id.clone(), name: name.clone() },
            Self::Token { id: None, .. } => Who::Config,
        }
    }
}

/// Who presents a token; nobody where it is none of ours.
pub(crate) fn caller(door: &Door, headers: &HeaderMap) -> Caller {
    let Some(presented) = bearer(headers) else { return Caller::Nobody };
    if door.api_token.as_ref().is_some_and(|token| token.matches(presented)) {
        return Caller::Token { id: None, name: String::new(), scopes: vec![Scope::Admin] };
    }
    let snapshot = door.directory.catalogue.snapshot();
    let digest = SecretDigest::of(presented).to_bytes();
    let found = snapshot.tokens.values().fold(
        None,
        |found, token| {
            if bool::from(token.digest.to_bytes().ct_eq(&digest)) { Some(token) } else { found }
        },
    );
    found.map_or(Caller::Nobody, |token| Caller::Token {
        id: Some(token.id.clone()),
        name: token.name.clone(),
        scopes: token.scopes.clone(),
    })
}

/// Lets a caller in where it may do what an operation asks for; `id` is what stands in the path.
pub(crate) async fn admit(door: &Door, access: Access, id: &str, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let caller = caller(door, headers);
    match (access, &caller) {
        (Access::Open, _) => Ok(caller),
        (Access::Scope(scope) | Access::Trigger(scope), Caller::Token { .. }) => {
            if caller.has(scope) {
                Ok(caller)
            } else {
                Err(without(scope))
            }
        }
        (Access::Scope(_), _) => Err(refused("an API token is needed: Authorization: Bearer <token>")),
        (Access::Trigger(_) | Access::Event, _) => {
            let opened: Option<ConversationId> = id.parse().ok();
            let id = opened.as_ref().map_or(id, |conversation| conversation.session.trigger.as_str());
            if opened.is_none() && id.starts_with("cnv.") {
                return Err(conversation::unknown());
            }
            if id == proto::subject::DIRECT && opened.is_some() {
                return Err(refused("an API token is needed: Authorization: Bearer <token>"));
            }
            let trigger = door.directory.trigger(Some(id)).await;
            let is_gone = |error: &ApiError| opened.is_some() && error.code == Code::TriggerUnknown;
            let trigger = trigger.map_err(|error| if is_gone(&error) { conversation::unknown() } else { error })?;
            if opened.is_some() && may_read(&trigger, None, headers).is_err() && is_known_elsewhere(&door.directory.catalogue.snapshot(), headers) {
                return Err(conversation::unknown());
            }
            if access == Access::Event {
                may_send(&trigger, headers)?;
            } else {
                may_read(&trigger, None, headers)?;
            }
            Ok(Caller::Trigger(trigger.id.clone()))
        }
    }
}

fn without(scope: Scope) -> ApiError {
    let scope = scope.as_str_name().trim_start_matches("SCOPE_").to_ascii_lowercase();
    ApiError::new(Code::ScopeMissing, format!("the token does not have the scope {scope}"))
}

/// Whether the caller has the secret of some trigger: known, only not here.
pub(crate) fn is_known_elsewhere(snapshot: &Snapshot, headers: &HeaderMap) -> bool {
    let Some(presented) = bearer(headers) else { return false };
    let digest = SecretDigest::of(presented).to_bytes();
    let secrets = snapshot.triggers.values().filter_map(|trigger| trigger.secret.as_ref());
    secrets.fold(false, |found, secret| found | bool::from(secret.to_bytes().ct_eq(&digest)))
}

#[cfg(test)]
mod tests {
    use backbone::catalogue::Revised;
    use std::sync::Arc;

    use axum::http::HeaderMap;
    use backbone::catalogue::Snapshot;
    use proto::resource::{SecretDigest, Trigger};

    use super::{Caller, is_known_elsewhere, may_read, may_send, may_speak};

    fn trigger(open: bool) -> Trigger {
        Trigger { open, secret: Some(SecretDigest::of("right")), ..Trigger::new("t".parse().unwrap(), "b".parse().ok()) }
    }

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !value.is_empty() {
            headers.insert("authorization", value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_exact_scheme_and_secret_pass() {
        let token = SecretDigest::of("operator");
        for (value, sends, reads) in [
            ("Bearer right", true, true),
            ("Bearer operator", false, true),
            ("Bearer wrong", false, false),
            ("bearer right", false, false),
            ("Bearer  right", false, false),
            ("Bearer right ", true, true), // the value of a header has no white space around it
            ("Bearer ", false, false),
            ("right", false, false),
            ("", false, false),
        ] {
            let headers = headers(value.trim_end());
            assert_eq!(may_send(&trigger(false), &headers).is_ok(), sends, "{value}");
            assert!(may_send(&trigger(true), &headers).is_ok(), "{value}");
            for open in [false, true] {
                assert_eq!(may_read(&trigger(open), Some(&token), &headers).is_ok(), reads, "{value}");
                assert_eq!(may_speak(&trigger(open), Some(&token), &headers).is_ok(), reads, "{value}");
            }
        }
    }

    #[test]
    fn a_wider_scope_includes_what_it_is_said_to() {
        use proto::resource::Scope::{Admin, Operate, Publish, Read};
        for (has, may) in [
            (Admin, [true, true, true, true]),
            (Operate, [false, true, true, false]),
            (Read, [false, false, true, false]),
            (Publish, [false, false, false, true]),
        ] {
            let caller = Caller::Token { id: None, name: String::new(), scopes: vec![has] };
            assert_eq!([Admin, Operate, Read, Publish].map(|scope| caller.has(scope)), may, "{has:?}");
        }
        assert!(!Caller::Nobody.has(Read) && !Caller::Trigger("t".parse().unwrap()).has(Read));
    }

    #[test]
    fn a_trigger_without_a_secret_matches_nothing() {
        let trigger = Trigger { secret: None, ..trigger(true) };
        assert!(may_read(&trigger, None, &headers("Bearer ")).is_err());
    }

    #[test]
    fn another_triggers_secret_is_recognised() {
        let mut snapshot = Snapshot::default();
        snapshot.triggers.insert("t".parse().unwrap(), Arc::new(Revised { revision: 1, resource: trigger(false) }));
        assert!(is_known_elsewhere(&snapshot, &headers("Bearer right")));
        assert!(!is_known_elsewhere(&snapshot, &headers("Bearer wrong")));
        assert!(!is_known_elsewhere(&snapshot, &headers("")));
    }
}
