//! A few fields of a JSON object, without building the rest of it.

use std::fmt;

use proto::event::FieldError;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Reads some fields of an object; `None` for JSON that is no object. Of a repeated name the last counts.
pub(super) fn pick<'a, const N: usize>(names: [&'static str; N], json: &'a [u8]) -> Result<Option<[Option<&'a RawValue>; N]>, String> {
    let text = std::str::from_utf8(json).map_err(|error| error.to_string())?;
    let mut source = serde_json::Deserializer::from_str(text);
    let picked = if text.trim_ascii_start().starts_with('{') {
        Pick(names).deserialize(&mut source).map(Some)
    } else {
        source.deserialize_ignored_any(IgnoredAny).map(|IgnoredAny| None)
    };
    picked.and_then(|picked| source.end().map(|()| picked)).map_err(|error| error.to_string())
}

/// A field's text; absent, `null` and empty are one.
pub(super) fn text(field: &'static str, value: Option<&RawValue>) -> Result<Option<String>, FieldError> {
    match value.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(json) => match serde_json::from_str::<String>(json) {
            Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Err(_) => Err(FieldError { field, rule: "must be a string" }),
        },
    }
}

struct Pick<const N: usize>([&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Pick<N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Pick<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = [None; N];
        while let Some(place) = map.next_key_seed(Place(&self.0))? {
            match place.and_then(|place| picked.get_mut(place)) {
                Some(slot) => *slot = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(picked)
    }
}

/// Finds a key among the names, without keeping it.
struct Place<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}
