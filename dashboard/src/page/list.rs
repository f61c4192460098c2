//! Lists of the API.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::Failure;
use crate::path;
use crate::visit::Visit;

/// How many pages of a list are gone through for what names something; a deployment with more is told only of these.
const PAGES_MAX: usize = 10;
/// How many items such a page has.
const TAKE: usize = 100;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    #[serde(default)]
    pub(crate) cursor: Option<String>,
}

/// Something by its id alone.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: String,
}

/// All items of a list, page by page within a bound; `query` narrows it.
pub(super) async fn whole<T: DeserializeOwned>(visit: &Visit, list: &str, query: &[(&str, &str)]) -> Result<Vec<T>, Failure> {
    let (mut all, mut cursor, take) = (Vec::new(), String::new(), TAKE.to_string());
    for _ in 0..PAGES_MAX {
        let query: Vec<(&str, &str)> = query.iter().copied().chain([("take", take.as_str()), ("cursor", &cursor)]).collect();
        let List::<T> { items, cursor: next } = visit.get(&path::with(list, &query)).await?;
        let is_last = items.len() < TAKE;
        all.extend(items);
        match next.filter(|next| !is_last && !next.is_empty()) {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(all)
}

/// The ids of what a list has first, for fields that propose them; nothing where it cannot be read.
pub(super) async fn names(visit: &Visit, list: &str) -> Vec<String> {
    ids(visit, &path::with(list, &[("take", &TAKE.to_string())])).await
}

/// The same of triggers, whose secrets are not asked for.
pub(super) async fn triggers(visit: &Visit) -> Vec<String> {
    ids(visit, &path::with("/integration/trigger/list", &[("take", &TAKE.to_string()), ("secrets", "false")])).await
}

async fn ids(visit: &Visit, path: &str) -> Vec<String> {
    let listed: Result<List<Named>, Failure> = visit.get(path).await;
    listed.map(|list| list.items.into_iter().map(|named| named.id).collect()).unwrap_or_default()
}
