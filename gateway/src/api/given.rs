//! Fields that may be left out, cleared, or given.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

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
    #[expect(clippy::option_option, reason = "absent, null and a value are three")]
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

/// A whole number that is not negative; one that is written with a fraction of zero is whole too, as JSON Schema has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Whole(pub(crate) u64);

/// The largest number that every reader of JSON keeps exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

impl<'de> Deserialize<'de> for Whole {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative and below 2^53")]
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(from)?;
        if number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number) {
            Ok(Self(number as u64))
        } else {
            Err(serde::de::Error::custom("it must be a whole number from 0 to 9007199254740991"))
        }
    }
}

impl JsonSchema for Whole {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64 })
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

#[cfg(test)]
mod tests {
    use super::Whole;

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
        for (text, expected) in
            [("7", Some(7)), ("7.0", Some(7)), ("0", Some(0)), ("7.5", None), ("-1", None), ("1e300", None), ("\"7\"", None)]
        {
            assert_eq!(serde_json::from_str::<Whole>(text).ok().map(|whole| whole.0), expected, "{text}");
        }
    }
}
