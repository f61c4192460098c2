//! What a handler is given.
//!
//! By then the caller is known and admitted, and the body has been read within its bound.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use proto::code::Code;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::strict::Strict;
use crate::api_error::ApiError;
use crate::auth::Caller;
use crate::door::Door;
use crate::{query, route};

/// A call on its way to its handler.
#[derive(Debug)]
pub(crate) struct Call {
    /// What every request works with.
    pub(crate) door: Arc<Door>,
    /// Who calls.
    pub(crate) caller: Caller,
    /// What varies in the path, by name.
    pub(crate) places: HashMap<String, String>,
    /// The address.
    pub(crate) uri: Uri,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body; empty where the operation takes none.
    pub(crate) body: Bytes,
    /// The memory that the body was counted for.
    pub(crate) memory: Option<OwnedSemaphorePermit>,
}

impl Call {
    /// What stands in the path at `{name}`.
    pub(crate) fn place(&self, name: &str) -> &str {
        self.places.get(name).map_or("", String::as_str)
    }

    /// The first value of a query parameter; empty is none.
    pub(crate) fn asked(&self, name: &'static str) -> Result<Option<String>, ApiError> {
        let value = query::first(self.uri.query(), name).transpose();
        let value = value.map_err(|_| ApiError::parameter(name, "must be percent-encoded UTF-8"))?;
        Ok(value.filter(|text| !text.is_empty()))
    }

    /// The body, whose fields must all be known. An error names the field by its path.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        read(&self.body)
    }

    /// Gives the body's memory back, before something that takes long.
    pub(crate) fn release(&mut self) {
        self.body = Bytes::new();
        self.memory = None;
    }
}

/// Reads a body as JSON. An error names the field by its path.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // A list would be read as the fields in their order.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::new(Code::BodyMalformed, "the body must be an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(Strict(&mut reader)).map_err(|error| {
        let path = error.path().to_string();
        fault(&path, &error.into_inner())
    })?;
    reader.end().map_err(|error| fault("", &error))?;
    Ok(value)
}

fn fault(path: &str, error: &serde_json::Error) -> ApiError {
    use serde_json::error::Category;

    if error.classify() != Category::Data {
        return ApiError::new(Code::BodyMalformed, format!("the body is not JSON: {error}"));
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned();
    if let Some(name) = quoted_after(&text, "unknown field `") {
        // The path ends before or with the name, by how the field was met.
        let parent = path.strip_suffix(name).unwrap_or(path).trim_end_matches(['.', '?']);
        let field = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
        let known = text.split_once("`, ").map_or("", |(_, rest)| rest);
        let message = format!("{field} is no field of this call: {known}");
        return ApiError { field: Some(field.into()), ..ApiError::new(Code::FieldUnknown, message) };
    }
    let path = match quoted_after(&text, "missing field `") {
        Some(name) if path == "." => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    if path == "." {
        return ApiError::new(Code::BodyMalformed, format!("the body must be an object: {text}"));
    }
    ApiError::field(path, format_args!("cannot be used: {text}"))
}

/// What stands in backquotes behind `start`, where a text begins so.
fn quoted_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.split('`').next()
}

/// An answer in JSON.
pub(crate) fn give(value: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value);
    let body =
        body.map_err(|error| ApiError { cause: Some(error.to_string()), ..ApiError::new(Code::Internal, "the answer cannot be written") })?;
    Ok(route::json(StatusCode::OK, body))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::read;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default)]
        count: u32,
        #[serde(default)]
        #[expect(dead_code, reason = "only read")]
        inner: Option<Inner>,
        #[serde(default)]
        #[expect(dead_code, reason = "only read")]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only read")]
        name: String,
    }

    fn check(body: &str, code: &str, field: Option<&str>) {
        let error = read::<Outer>(body.as_bytes()).unwrap_err();
        assert_eq!((error.code.as_str(), error.field.as_deref()), (code, field), "{body}: {}", error.message);
    }

    #[test]
    fn an_error_names_the_field() {
        read::<Outer>(br#"{"count":1,"inner":{"name":"x"}}"#).unwrap();
        assert_eq!(read::<Outer>(br#"{"count":7.0}"#).unwrap().count, 7);
        check(r#"{"count":7.5}"#, "CUE0108", Some("count"));
        check(r#"{"count":-7.0}"#, "CUE0108", Some("count"));
        check("", "CUE0101", None);
        check("{", "CUE0101", None);
        check("{} {}", "CUE0101", None);
        check("7", "CUE0101", None);
        check(" [1]", "CUE0101", None);
        check(r#"{"colour":1}"#, "CUE0109", Some("colour"));
        check(r#"{"inner":{"colour":1}}"#, "CUE0109", Some("inner.colour"));
        check(r#"{"list":[{"name":"a"},{"name":"b","colour":1}]}"#, "CUE0109", Some("list[1].colour"));
        check(r#"{"count":"x"}"#, "CUE0108", Some("count"));
        check(r#"{"count":-1}"#, "CUE0108", Some("count"));
        check(r#"{"inner":{}}"#, "CUE0108", Some("inner.name"));
        check(r#"{"inner":["x"]}"#, "CUE0108", Some("inner"));
        check(r#"{"list":[["x"]]}"#, "CUE0108", Some("list[0]"));
        check(r#"{"list":[{"name":7}]}"#, "CUE0108", Some("list[0].name"));
    }
}
