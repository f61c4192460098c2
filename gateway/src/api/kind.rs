//! What all kinds of resources are done to: made, listed, fetched, changed, taken away.
//!
//! A kind says what its bodies say and how it is told; everything else is here, once: names by
//! alias, resources that a file keeps, revisions, records, and the time.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::{ETAG, IF_MATCH};
use axum::response::Response;
use backbone::catalogue::{Revised, Snapshot};
use proto::code::Code;
use proto::resource::{Common, Resource};
use proto::subject::RESOURCES;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::{id, list, page};
use crate::api_error::ApiError;
use crate::door::Door;
use crate::store::{self, Edit, Unwritten};

/// How often a change is decided anew because somebody else was faster, where the caller named no revision.
const TRIES_MAX: u32 = 2;

/// A kind of resource.
pub(crate) trait Kind: Send + Sync + 'static {
    /// The resource.
    type Item: Clone + Send + Sync + 'static;
    /// What a body that makes or changes one says.
    type Body: DeserializeOwned + Clone + Send + Sync;

    /// The group of its keys, such as `trigger`.
    const GROUP: &'static str;
    /// What its ids begin with.
    const LETTER: char;
    /// What the records call it when one is made, changed or taken away.
    const ACTIONS: [&'static str; 3];

    /// None is there.
    fn unknown() -> ApiError;
    /// All of them.
    fn all(snapshot: &Snapshot) -> Vec<Arc<Revised<Self::Item>>>;
    /// One of them.
    fn get(snapshot: &Snapshot, id: &str) -> Option<Arc<Revised<Self::Item>>>;
    /// One with every default; none where the id is no id.
    fn new(id: &str) -> Option<Self::Item>;
    /// It as an entry.
    fn wrap(item: Self::Item) -> Resource;
    /// An entry as one of them.
    fn unwrap(resource: Resource) -> Option<Self::Item>;
    /// What it has in common with others.
    fn common(item: &Self::Item) -> &Common;
    /// The same, to be changed.
    fn common_mut(item: &mut Self::Item) -> &mut Common;
    /// Its id.
    fn id(item: &Self::Item) -> &str;
    /// It with what a body says; `is_new` where it is being made.
    fn apply(call: &Call, item: Self::Item, body: Self::Body, is_new: bool) -> impl Future<Output = Result<Self::Item, ApiError>> + Send;
    /// It as it is told to whoever calls.
    fn tell(call: &Call, item: &Revised<Self::Item>, now_ms: i64) -> Value;
    /// Adds what stands elsewhere than in the configuration, once for a page of them, each with its id.
    fn complete(_call: &Call, _told: &mut [(String, Value)]) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Makes one.
pub(crate) async fn create<K: Kind>(call: Call) -> Result<Response, ApiError> {
    let body: K::Body = call.json()?;
    made::<K>(&call, |item| K::apply(&call, item, body, true)).await
}

/// Makes one of what a function makes of every default.
pub(crate) async fn made<K: Kind>(call: &Call, fill: impl AsyncFnOnce(K::Item) -> Result<K::Item, ApiError>) -> Result<Response, ApiError> {
    give(&json!({ "id": minted::<K>(call, fill).await? }))
}

/// The same; its id.
pub(crate) async fn minted<K: Kind>(call: &Call, fill: impl AsyncFnOnce(K::Item) -> Result<K::Item, ApiError>) -> Result<String, ApiError> {
    let now_ms = now_ms(&call.door).await?;
    let id = id::mint(K::LETTER, now_ms);
    let mut item = K::new(&id).ok_or_else(K::unknown)?;
    *K::common_mut(&mut item) = Common { created_at_ms: now_ms, updated_at_ms: now_ms, ..Common::of("api") };
    let resource = K::wrap(fill(item).await?);
    let [action, ..] = K::ACTIONS;
    store::make(&call.door, Edit { caller: &call.caller, action, before: (0, None), after: Some(&resource) }).await?;
    Ok(id)
}

/// Lists them.
pub(crate) async fn list<K: Kind>(call: Call) -> Result<Response, ApiError> {
    list_where::<K>(call, |_| true).await
}

/// Lists some of them.
pub(crate) async fn list_where<K: Kind>(
    call: Call,
    is_one: impl Fn(&K::Item) -> bool + Clone + Send + Sync + 'static,
) -> Result<Response, ApiError> {
    let now_ms = now_ms(&call.door).await?;
    let call = Arc::new(call);
    let shared = Arc::clone(&call);
    list::answer(&call, move |wanted| {
        let (call, is_one) = (Arc::clone(&shared), is_one.clone());
        async move {
            let mut told: Vec<(String, Value)> = {
                let all = K::all(&call.door.directory.catalogue.snapshot());
                let admitted = all.iter().filter(|item| wanted.admits(&K::common(item).meta) && is_one(item));
                let page = page::pick(admitted, &wanted, |item| (K::common(item).created_at_ms, K::id(item)));
                page.into_iter().map(|item| (K::id(item).to_owned(), told::<K>(&call, item, now_ms))).collect()
            };
            K::complete(&call, &mut told).await;
            Ok(told)
        }
    })
    .await
}

/// Fetches one.
pub(crate) async fn fetch<K: Kind>(call: Call) -> Result<Response, ApiError> {
    let item = find::<K>(&call, call.place("id")).await?;
    let now_ms = now_ms(&call.door).await?;
    let mut told = [(K::id(&item).to_owned(), told::<K>(&call, &item, now_ms))];
    K::complete(&call, &mut told).await;
    let [(_, told)] = told;
    let mut response = give(&told)?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", item.revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// Changes one.
pub(crate) async fn update<K: Kind>(call: Call) -> Result<Response, ApiError> {
    let body: K::Body = call.json()?;
    let (call, body) = (&call, &body);
    let id = changed::<K, _>(call, |item| K::apply(call, item, body.clone(), false)).await?;
    give(&json!({ "id": id }))
}

/// Changes one as a function says, which is asked again where somebody else was faster. Its id.
pub(crate) async fn changed<K: Kind, A>(call: &Call, change: impl Fn(K::Item) -> A + Send + Sync) -> Result<String, ApiError>
where
    A: Future<Output = Result<K::Item, ApiError>> + Send,
{
    let [_, action, _] = K::ACTIONS;
    changed_as::<K, A>(call, action, change).await
}

/// The same, on record as something else than a plain change.
pub(crate) async fn changed_as<K: Kind, A>(
    call: &Call,
    action: &'static str,
    change: impl Fn(K::Item) -> A + Send + Sync,
) -> Result<String, ApiError>
where
    A: Future<Output = Result<K::Item, ApiError>> + Send,
{
    let expected = expected(call)?;
    let id = resolve::<K>(call, call.place("id")).await?;
    let tries = if expected.is_some() { 1 } else { TRIES_MAX };
    for _ in 0..tries {
        let (revision, before) = current::<K>(call, &id, expected).await?;
        let mut after = change(before.clone()).await?;
        let common = K::common_mut(&mut after);
        common.updated_at_ms = now_ms(&call.door).await?.max(common.created_at_ms);
        let (before, after) = (K::wrap(before), K::wrap(after));
        let edit = Edit { caller: &call.caller, action, before: (revision, Some(&before)), after: Some(&after) };
        match store::make(&call.door, edit).await {
            Ok(_) => return Ok(id),
            Err(Unwritten::Lost) => {}
            Err(Unwritten::Refused(error)) => return Err(error),
        }
    }
    Err(store::lost())
}

/// The same, where the change waits for nothing.
pub(crate) async fn edited<K: Kind>(
    call: &Call,
    change: impl Fn(K::Item) -> Result<K::Item, ApiError> + Send + Sync,
) -> Result<String, ApiError> {
    changed::<K, _>(call, |item| std::future::ready(change(item))).await
}

/// Takes one away.
pub(crate) async fn delete<K: Kind>(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let expected = expected(&call)?;
    let id = resolve::<K>(&call, call.place("id")).await?;
    let (revision, before) = current::<K>(&call, &id, expected).await?;
    let before = K::wrap(before);
    let [.., action] = K::ACTIONS;
    store::make(&call.door, Edit { caller: &call.caller, action, before: (revision, Some(&before)), after: None }).await?;
    give(&json!({ "id": id }))
}

/// A body that says nothing.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Empty {}

/// One by its id or, behind `@`, its alias.
pub(crate) async fn find<K: Kind>(call: &Call, name: &str) -> Result<Arc<Revised<K::Item>>, ApiError> {
    let id = resolve::<K>(call, name).await?;
    if let Some(found) = K::get(&call.door.directory.catalogue.snapshot(), &id) {
        return Ok(found);
    }
    // What was made a moment ago through another gateway may not have come here yet.
    K::new(&id).ok_or_else(K::unknown)?;
    let key = format!("{}.{id}", K::GROUP);
    let entry = store::read(&call.door, RESOURCES, &key).await?;
    let found = entry.value.and_then(|value| Resource::decode(&key, value).ok().flatten()).and_then(K::unwrap);
    found.map(|resource| Arc::new(Revised { revision: entry.revision, resource })).ok_or_else(K::unknown)
}

/// The id that a name stands for.
async fn resolve<K: Kind>(call: &Call, name: &str) -> Result<String, ApiError> {
    let Some(alias) = name.strip_prefix('@') else { return Ok(name.to_owned()) };
    super::notes::check_alias(alias).map_err(|_| K::unknown())?;
    if let Some(id) = store::by_alias(&call.door, K::GROUP, alias) {
        return Ok(id);
    }
    store::owner_of_alias(&call.door, K::GROUP, alias).await?.ok_or_else(K::unknown)
}

/// One as the leader has it, where the API keeps it and it is the one that the caller means.
async fn current<K: Kind>(call: &Call, id: &str, expected: Option<u64>) -> Result<(u64, K::Item), ApiError> {
    K::new(id).ok_or_else(K::unknown)?;
    let key = format!("{}.{id}", K::GROUP);
    let entry = store::read(&call.door, RESOURCES, &key).await?;
    let Some(value) = entry.value else { return Err(K::unknown()) };
    let resource = Resource::decode(&key, value).ok().flatten().ok_or_else(K::unknown)?;
    let common = resource.common();
    if common.is_of_file() {
        let message = format!("{} keeps it: change the file and apply it", common.managed_by);
        return Err(ApiError { field: Some("managedBy".into()), ..ApiError::new(Code::KeptByFile, message) });
    }
    if expected.is_some_and(|expected| expected != entry.revision) {
        return Err(store::lost());
    }
    Ok((entry.revision, K::unwrap(resource).ok_or_else(K::unknown)?))
}

/// The revision that the caller means: `If-Match`, with or without quotes.
fn expected(call: &Call) -> Result<Option<u64>, ApiError> {
    let Some(value) = call.headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let revision = text.trim_matches('"').parse();
    revision.map(Some).map_err(|_| ApiError::parameter("If-Match", "must be the revision that was fetched, such as \"42\""))
}

/// One as it is told, with the fields that are only kept.
pub(crate) fn told<K: Kind>(call: &Call, item: &Revised<K::Item>, now_ms: i64) -> Value {
    with_extra(K::common(item), K::tell(call, item, now_ms))
}

/// What is told of something, with the fields that are only kept for it.
pub(crate) fn with_extra(common: &Common, told: Value) -> Value {
    let mut all = common.extra.clone();
    if let Value::Object(told) = told {
        all.extend(told);
    }
    Value::Object(all)
}

/// The broker's time, in milliseconds since 1970.
pub(crate) async fn now_ms(door: &Door) -> Result<i64, ApiError> {
    let now = door.clock.now_ms(&door.client).await;
    now.ok_or_else(|| ApiError::unavailable("the broker does not say what time it is", &"no stream information"))
}
