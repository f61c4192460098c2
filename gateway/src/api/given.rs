//! Fields that may be left out, cleared, or given.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

/// What a body says about a field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Given<T> {
    /// Nothing: it stays as it is.
    #[default]
    Absent,
    /// `null`: it is as if it had never been given.
    Null,
    /// A value.
    Value(T),
}

impl<T> Given<T> {
    /// The value with `null` as none; nothing where the body does not say.
    pub(crate) fn said(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }

    /// Puts what was said into a field that has a value in any case.
    pub(crate) fn put(self, into: &mut T)
    where
        T: Default,
    {
        if let Some(said) = self.said() {
            *into = said.unwrap_or_default();
        }
    }

    /// Puts what was said into a field that may have none.
    pub(crate) fn put_optional(self, into: &mut Option<T>) {
        if let Some(said) = self.said() {
            *into = said;
        }
    }

    /// The value, where one is given.
    pub(crate) fn value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    /// This, or the other where nothing is said.
    pub(crate) fn or(self, other: Self) -> Self {
        if let Self::Absent = self { other } else { self }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(from)?.map_or(Self::Null, Self::Value))
    }
}

impl<T: JsonSchema> JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}
