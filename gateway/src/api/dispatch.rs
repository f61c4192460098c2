//! From a request to its handler.
//!
//! The order of the checks is part of the surface: who calls comes first, so that nobody learns
//! anything without a token; then what the body is, then what it says.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use bytes::Bytes;
use proto::code::Code;
use tokio::sync::OwnedSemaphorePermit;

use super::call::Call;
use super::operation::{Access, Handler, Method, Operation, Run};
use crate::api_error::ApiError;
use crate::auth;
use crate::body::Reader;
use crate::door::Door;
use crate::rate::{Standing, policy};

/// What varies in a path.
type Places = Result<Path<HashMap<String, String>>, PathRejection>;

/// What a request is held to.
#[derive(Clone)]
struct Rule {
    access: Access,
    path: &'static str,
    takes_body: bool,
    bytes_max: usize,
    handler: Handler,
}

/// The route of an operation.
pub(crate) fn route(operation: &Operation) -> MethodRouter<Arc<Door>> {
    let handler = match &operation.run {
        Run::Raw(route) => return MethodRouter::clone(route),
        Run::Call(handler) => Arc::clone(handler),
    };
    let rule = Rule {
        access: operation.access,
        path: operation.path,
        takes_body: operation.method == Method::Post,
        bytes_max: operation.bytes_max,
        handler,
    };
    let run = move |State(door): State<Arc<Door>>, places: Places, request: Request| {
        let rule = rule.clone();
        async move { run(door, rule, places, request).await }
    };
    match operation.method {
        Method::Get => get(run),
        Method::Post => post(run),
        Method::Any => any(run),
    }
}

async fn run(door: Arc<Door>, rule: Rule, places: Places, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let memory = match rule.takes_body.then(|| door.budget.take_owned(&body)).transpose() {
        Ok(memory) => memory,
        Err(error) => return door.refuse(error),
    };
    let mut reader = Reader::new(body);
    let expects = parts.headers.contains_key(EXPECT);
    match admitted(&door, &rule, places, parts, (&mut reader, memory)).await {
        Ok((call, standings)) => match (rule.handler)(call).await {
            Ok(mut response) => {
                policy::tell(response.headers_mut(), &standings);
                response
            }
            Err(error) => door.refuse(error),
        },
        Err(error) => {
            if rule.takes_body && !expects {
                Box::pin(reader.discard()).await;
            }
            door.refuse(error)
        }
    }
}

/// The call, once its caller is admitted and its body read.
async fn admitted(
    door: &Arc<Door>,
    rule: &Rule,
    places: Places,
    parts: Parts,
    (reader, memory): (&mut Reader, Option<OwnedSemaphorePermit>),
) -> Result<(Call, Vec<Standing>), ApiError> {
    let places = places.map(|Path(places)| places).unwrap_or_default();
    let id = places.get("id").map_or("", String::as_str);
    let asked = auth::Asked { access: rule.access, path: rule.path, id };
    let (caller, standings) = auth::admit(door, asked, &parts.headers).await?;
    let body = if rule.takes_body {
        is_json(&parts.headers)?;
        reader.read(&door.budget, rule.bytes_max).await?
    } else {
        Bytes::new()
    };
    Ok((Call { door: Arc::clone(door), caller, places, uri: parts.uri, headers: parts.headers, body, memory }, standings))
}

/// A form of a browser cannot send JSON without being asked by a page of the same origin.
fn is_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| HeaderValue::to_str(value).ok()).and_then(|text| text.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(ApiError {
            field: Some("Content-Type".into()),
            ..ApiError::new(Code::MediaTypeUnknown, "the body must be sent as Content-Type: application/json")
        })
    }
}
