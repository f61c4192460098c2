//! Lists, in every form.
//!
//! A list is given as a function that fetches one page. As JSON one page is answered; as lines,
//! events or a table the pages are walked here until one is empty, or as many items are told as
//! were asked for. A fault on the way is the last thing that such a stream says.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use proto::limit::TAKE_MAX;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::format::{self, Format};
use super::page::Wanted;
use crate::api_error::ApiError;

/// One item: its id, which is the cursor, and what is told of it.
pub(crate) type Item = (String, Value);

/// Answers a list.
pub(crate) async fn answer<F, A>(call: &Call, fetch: F) -> Result<Response, ApiError>
where
    F: FnMut(Wanted) -> A + Send + 'static,
    A: Future<Output = Result<Vec<Item>, ApiError>> + Send,
{
    told(call, &[], fetch).await
}

/// Answers an export: a list that can also be a table of these columns.
pub(crate) async fn export<F, A>(call: &Call, columns: &'static [&'static str], fetch: F) -> Result<Response, ApiError>
where
    F: FnMut(Wanted) -> A + Send + 'static,
    A: Future<Output = Result<Vec<Item>, ApiError>> + Send,
{
    told(call, columns, fetch).await
}

async fn told<F, A>(call: &Call, columns: &'static [&'static str], mut fetch: F) -> Result<Response, ApiError>
where
    F: FnMut(Wanted) -> A + Send + 'static,
    A: Future<Output = Result<Vec<Item>, ApiError>> + Send,
{
    let known = [Format::Json, Format::Lines, Format::Events, Format::Csv];
    let known = if columns.is_empty() { known.get(..3).unwrap_or_default() } else { &known };
    let format = Format::of(&call.headers, known)?;
    let wanted = Wanted::parse(call.uri.query())?;
    // The first page is fetched before anything is answered, so that a refusal has its status.
    let first = fetch(wanted.clone()).await?;
    if format == Format::Json {
        let cursor = first.last().map(|(id, _)| id.clone());
        let items: Vec<Value> = first.into_iter().map(|(_, value)| value).collect();
        return give(&match cursor {
            Some(cursor) => json!({ "items": items, "cursor": cursor }),
            None => json!({ "items": items }),
        });
    }
    let left = if wanted.is_bounded { wanted.take } else { usize::MAX };
    let mut items: VecDeque<Bytes> = VecDeque::new();
    if format == Format::Csv {
        items.push_back(format::head(columns));
    }
    let mut walk = Walk { wanted, left, items, format, columns, is_over: false };
    walk.take(first);
    let walking = stream::unfold((walk, fetch), |(mut walk, mut fetch)| async move {
        loop {
            if let Some(piece) = walk.items.pop_front() {
                return Some((Ok::<_, Infallible>(piece), (walk, fetch)));
            }
            if walk.is_over {
                return None;
            }
            match fetch(walk.wanted.clone()).await {
                Ok(page) => walk.take(page),
                Err(error) => walk.break_off(&error),
            }
        }
    });
    let mut response = Response::new(Body::from_stream(walking));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A walk through pages.
struct Walk {
    wanted: Wanted,
    left: usize,
    items: VecDeque<Bytes>,
    format: Format,
    columns: &'static [&'static str],
    is_over: bool,
}

impl Walk {
    fn take(&mut self, page: Vec<Item>) {
        for (id, value) in page {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            self.wanted.cursor = Some(id);
            self.items.push_back(match self.format {
                Format::Csv => format::cells(self.columns, &value),
                _ => self.format.piece("item", &value),
            });
        }
        self.is_over = self.items.is_empty() || self.left == 0;
        self.wanted.take = self.left.min(TAKE_MAX);
    }

    /// A table has no room for a fault: it ends.
    fn break_off(&mut self, error: &ApiError) {
        self.is_over = true;
        if self.format != Format::Csv {
            self.items.push_back(self.format.fault(error));
        }
    }
}
