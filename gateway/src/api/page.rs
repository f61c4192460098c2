//! Which items of a list are asked for.
//!
//! A list is ordered by when its items were made, then by id; the cursor is the id of the last item
//! of a page. A page therefore goes on where the one before ended, whatever was made or taken away
//! meanwhile.

use proto::limit::TAKE_MAX;
use serde_json::{Map, Value};

use super::id;
use crate::api_error::ApiError;
use crate::query;

/// How many conditions on `meta` one list takes.
const FILTERS_MAX: usize = 8;

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// Which items are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The last item that was told already.
    pub(crate) cursor: Option<String>,
    /// The direction.
    pub(crate) order: Order,
    /// How many a page has.
    pub(crate) take: usize,
    /// Whether the caller said how many.
    pub(crate) is_bounded: bool,
    /// What `meta` must say: a path, and its value as text.
    pub(crate) meta: Vec<(Vec<String>, String)>,
}

impl Wanted {
    /// Reads `cursor`, `order`, `take` and conditions on `meta`; a number outside 1 to 100 is brought to the nearer end.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let value = |name: &'static str| -> Result<Option<String>, ApiError> {
            let value = query::first(query, name).transpose();
            let value = value.map_err(|_| ApiError::parameter(name, "must be percent-encoded UTF-8"))?;
            Ok(value.filter(|text| !text.is_empty()))
        };
        let order = match value("order")?.as_deref() {
            None | Some("desc") => Order::Descending,
            Some("asc") => Order::Ascending,
            Some(_) => return Err(ApiError::parameter("order", "must be asc or desc")),
        };
        let take = value("take")?.map(|text| number(&text)).transpose()?;
        let mut meta = Vec::new();
        for (name, value) in query.map(query::pairs).into_iter().flatten() {
            let Some(path) = path_of(&name) else { continue };
            let value = query::decode(value).map_err(|_| ApiError::parameter("meta", "must be percent-encoded UTF-8"))?;
            meta.push((path, value));
        }
        if meta.len() > FILTERS_MAX {
            return Err(ApiError::parameter("meta", "may stand there at most 8 times"));
        }
        Ok(Self { cursor: value("cursor")?, order, take: take.unwrap_or(TAKE_MAX), is_bounded: take.is_some(), meta })
    }

    /// Whether an item's `meta` says what it must.
    pub(crate) fn admits(&self, meta: &Map<String, Value>) -> bool {
        self.meta.iter().all(|(path, expected)| {
            let mut keys = path.iter();
            let found = keys.next().and_then(|key| meta.get(key));
            let found = keys.try_fold(found, |value, key| value.map(|value| value.get(key)));
            match found.flatten() {
                Some(Value::String(text)) => text == expected,
                Some(Value::Bool(flag)) => flag.to_string() == *expected,
                Some(Value::Number(number)) => number.to_string() == *expected,
                _ => false,
            }
        })
    }
}

/// A number of items; one that is too large for a machine is only too large.
fn number(text: &str) -> Result<usize, ApiError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::parameter("take", "must be a whole number; it is brought to 1 to 100"));
    }
    let is_negative = digits.len() < text.len();
    Ok(if is_negative { 1 } else { digits.parse().unwrap_or(usize::MAX).clamp(1, TAKE_MAX) })
}

/// The path in `meta.a.b`, `meta[a][b]` or `meta[a.b]`.
fn path_of(name: &str) -> Option<Vec<String>> {
    let rest = name.strip_prefix("meta")?;
    let path: Vec<String> = match rest.chars().next()? {
        '.' => rest.split('.').skip(1).map(str::to_owned).collect(),
        '[' => rest.strip_suffix(']')?.split(['[', ']', '.']).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        _ => return None,
    };
    (!path.is_empty() && path.iter().all(|part| !part.is_empty())).then_some(path)
}

/// Where an item stands in a list.
pub(crate) type Place<'a> = (i64, &'a str);

/// The page that is asked for, of items that are all in memory.
pub(crate) fn pick<'a, T>(all: impl Iterator<Item = T> + Clone, wanted: &Wanted, place: impl Fn(&T) -> Place<'a>) -> Vec<T> {
    let after = wanted.cursor.as_deref().and_then(|cursor| {
        let known = all.clone().map(|item| place(&item)).find(|(_, id)| *id == cursor);
        // An item that is gone stood where its id says.
        known.map(|(at, id)| (at, id.to_owned())).or_else(|| Some((id::made_at_ms(cursor)?, cursor.to_owned())))
    });
    if wanted.cursor.is_some() && after.is_none() {
        return Vec::new();
    }
    let is_behind = |item: &T| {
        let Some((at, id)) = &after else { return true };
        let (mine, after) = (place(item), (*at, id.as_str()));
        if wanted.order == Order::Ascending { mine > after } else { mine < after }
    };
    let mut found: Vec<T> = all.filter(is_behind).collect();
    let compare = |a: &T, b: &T| {
        let order = place(a).cmp(&place(b));
        if wanted.order == Order::Ascending { order } else { order.reverse() }
    };
    if found.len() > wanted.take {
        found.select_nth_unstable_by(wanted.take, compare);
        found.truncate(wanted.take);
    }
    found.sort_unstable_by(compare);
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Order, Wanted, pick};

    #[test]
    fn a_query_is_read_strictly_and_its_number_brought_into_bounds() {
        let wanted = Wanted::parse(Some("take=2&order=asc&cursor=x&meta.app=a%20b&meta[trigger][id]=7&meta[x.y]=1&metal=2")).unwrap();
        assert_eq!((wanted.take, wanted.order, wanted.cursor.as_deref()), (2, Order::Ascending, Some("x")));
        let meta: Vec<_> = wanted.meta.iter().map(|(path, value)| format!("{}={value}", path.join("/"))).collect();
        assert_eq!(meta, ["app=a b", "trigger/id=7", "x/y=1"]);
        for (query, take) in [("", 100), ("take=0", 1), ("take=-3", 1), ("take=101", 100), ("take=99999999999999999999999", 100)] {
            assert_eq!(Wanted::parse(Some(query)).unwrap().take, take, "{query}");
        }
        for (query, field) in [("take=x", "take"), ("take=1.5", "take"), ("order=up", "order"), ("cursor=%ff", "cursor")] {
            assert_eq!(Wanted::parse(Some(query)).unwrap_err().field.as_deref(), Some(field), "{query}");
        }
    }

    #[test]
    fn meta_is_compared_by_its_path() {
        let meta = json!({ "app": "x", "on": true, "n": 7, "deep": { "er": "y" } });
        let meta = meta.as_object().unwrap();
        for (query, expected) in [
            ("meta.app=x", true),
            ("meta.app=y", false),
            ("meta.on=true", true),
            ("meta.n=7", true),
            ("meta[deep][er]=y", true),
            ("meta.deep=y", false),
            ("meta.none=", false),
            ("meta.app=x&meta.n=8", false),
        ] {
            assert_eq!(Wanted::parse(Some(query)).unwrap().admits(meta), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn pages_give_every_item_once_and_in_order(
            items in proptest::collection::btree_map("[a-z]{1,3}", 0_i64..4, 0..40),
            take in 1_usize..7,
            ascending in any::<bool>(),
        ) {
            let order = if ascending { "asc" } else { "desc" };
            let mut wanted = Wanted::parse(Some(&format!("order={order}&take={take}"))).unwrap();
            let mut seen = Vec::new();
            loop {
                let page = pick(items.iter(), &wanted, |(id, at)| (**at, id.as_str()));
                let Some(last) = page.last() else { break };
                prop_assert!(page.len() <= take);
                wanted.cursor = Some(last.0.clone());
                seen.extend(page.iter().map(|(id, at)| (**at, (*id).clone())));
            }
            let mut expected: Vec<_> = items.iter().map(|(id, at)| (*at, id.clone())).collect();
            expected.sort();
            if !ascending { expected.reverse(); }
            prop_assert_eq!(seen, expected);
        }
    }
}
