//! Bots, their skillsets, secrets and API tokens.

use bytes::Bytes;

use super::{Common, Error, Rate, Scope, SecretDigest, State, state};
use crate::id::{BotId, SecretId, SkillsetId, TokenId, TriggerId};
use crate::wire;

/// Who answers events.
#[derive(Debug, Clone, PartialEq)]
pub struct Bot {
    /// Its id.
    pub id: BotId,
    /// What all kinds of resources have in common.
    pub common: Common,
    /// The display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The kind, such as `rules`.
    pub kind: String,
    /// The definition in the kind's own schema, as JSON.
    pub definition: String,
    /// Whether it answers.
    pub state: State,
}

/// What a bot may do.
#[derive(Debug, Clone, PartialEq)]
pub struct Skillset {
    /// Its id.
    pub id: SkillsetId,
    /// What all kinds of resources have in common.
    pub common: Common,
    /// The display name.
    pub name: String,
    /// What the abilities have in common, for the bot.
    pub description: String,
    /// The abilities, as JSON.
    pub definition: String,
    /// Whether bots are offered none of it.
    pub disabled: bool,
}

/// A value that abilities use and nobody reads back.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// Its id.
    pub id: SecretId,
    /// What all kinds of resources have in common.
    pub common: Common,
    /// The display name; `${SECRET_<NAME>}` refers to it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `shared` or `personal`.
    pub kind: String,
    /// How the value is presented.
    pub form: String,
    /// The value under the deployment's master key; empty where none is set.
    pub sealed: Bytes,
    /// What the type needs besides, as a JSON object; empty where nothing.
    pub config: String,
}

/// Whoever may call the API.
#[derive(Debug, Clone)]
pub struct ApiToken {
    /// Its id.
    pub id: TokenId,
    /// What all kinds of resources have in common.
    pub common: Common,
    /// The display name.
    pub name: String,
    /// What the token is checked against.
    pub digest: SecretDigest,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The triggers that it is limited to; none means all.
    pub triggers: Vec<TriggerId>,
    /// When it stops counting, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// The token's last four characters.
    pub hint: String,
    /// How many calls it may make in a time.
    pub rate: Option<Rate>,
}

impl Bot {
    /// A bot with every default.
    pub fn new(id: BotId, kind: impl Into<String>, definition: impl Into<String>) -> Self {
        Self {
            id,
            common: Common::default(),
            name: String::new(),
            description: String::new(),
            kind: kind.into(),
            definition: definition.into(),
            state: State::Active,
        }
    }

    pub(super) fn wire(&self) -> wire::Bot {
        let state = if self.state == State::Active { State::Unspecified } else { self.state };
        wire::Bot {
            name: self.name.clone(),
            kind: self.kind.clone(),
            definition: self.definition.clone(),
            description: self.description.clone(),
            state: state.into(),
        }
    }

    pub(super) fn parse(id: BotId, common: Common, message: wire::Bot) -> Self {
        let state = state(message.state());
        let wire::Bot { name, kind, definition, description, .. } = message;
        Self { id, common, name, description, kind, definition, state }
    }
}

impl Skillset {
    /// A skillset with every default.
    pub fn new(id: SkillsetId, definition: impl Into<String>) -> Self {
        Self {
            id,
            common: Common::default(),
            name: String::new(),
            description: String::new(),
            definition: definition.into(),
            disabled: false,
        }
    }

    pub(super) fn wire(&self) -> wire::Skillset {
        wire::Skillset {
            name: self.name.clone(),
            description: self.description.clone(),
            definition: self.definition.clone(),
            disabled: self.disabled,
        }
    }

    pub(super) fn parse(id: SkillsetId, common: Common, message: wire::Skillset) -> Self {
        let wire::Skillset { name, description, definition, disabled } = message;
        Self { id, common, name, description, definition, disabled }
    }
}

impl Secret {
    pub(super) fn wire(&self) -> wire::Secret {
        wire::Secret {
            name: self.name.clone(),
            description: self.description.clone(),
            kind: self.kind.clone(),
            r#type: self.form.clone(),
            sealed: self.sealed.clone(),
            config: self.config.clone(),
        }
    }

    pub(super) fn parse(id: SecretId, common: Common, message: wire::Secret) -> Self {
        let wire::Secret { name, description, kind, r#type: form, sealed, config } = message;
        Self { id, common, name, description, kind, form, sealed, config }
    }
}

impl ApiToken {
    pub(super) fn wire(&self) -> wire::ApiToken {
        wire::ApiToken {
            name: self.name.clone(),
            digest: self.digest.to_bytes(),
            scopes: self.scopes.iter().map(|scope| (*scope).into()).collect(),
            triggers: self.triggers.iter().map(ToString::to_string).collect(),
            expires_at_ms: self.expires_at_ms.unwrap_or_default(),
            hint: self.hint.clone(),
            rate: self.rate,
        }
    }

    pub(super) fn parse(id: TokenId, common: Common, message: wire::ApiToken) -> Result<Self, Error> {
        Ok(Self {
            id,
            common,
            digest: SecretDigest::parse(&message.digest).ok_or(Error::NoSecret)?,
            // A scope of a later version is none that this one could grant.
            scopes: message.scopes().filter(|scope| *scope != Scope::Unspecified).collect(),
            name: message.name,
            triggers: message.triggers.iter().map(|id| id.parse()).collect::<Result<_, _>>()?,
            expires_at_ms: Some(message.expires_at_ms).filter(|at| *at > 0),
            hint: message.hint,
            rate: message.rate,
        })
    }
}
