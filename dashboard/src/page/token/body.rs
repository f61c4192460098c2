//! What a form of a token asks for.

use serde_json::{Value, json};

use super::Token;
use crate::api::Failure;
use crate::form::Form;
use crate::part::code;
use crate::zone::Zone;

/// The form as a token has it.
pub(super) fn filled(token: &Token, zone: &Zone) -> Form {
    // A day that is ended with is the day before the moment.
    let day = token.expires_at.and_then(|at| zone.day_of(at.saturating_sub(1)));
    let rate = |amount: Option<u64>| amount.map_or_else(String::new, |amount| amount.to_string());
    let form = Form::filled([
        ("revision", token.revision.to_string()),
        ("name", token.name.clone()),
        ("alias", token.alias.clone().unwrap_or_default()),
        ("expiresOn", day.map_or_else(String::new, |day| day.to_string())),
        ("expiresAt", token.expires_at.map_or_else(String::new, |at| at.to_string())),
        ("rateCount", rate(token.rate.map(|rate| rate.count))),
        ("rateSeconds", rate(token.rate.map(|rate| rate.per_ms.div_ceil(1_000)))),
        ("meta", code::json(&token.meta)),
    ]);
    let scopes = token.scopes.iter().map(|scope| ("scopes", scope.as_str()));
    form.chosen(scopes.chain(token.triggers.iter().map(|trigger| ("triggers", trigger.as_str()))))
}

/// What a form asks for, as the API takes it.
pub(super) fn body(form: &Form, zone: &Zone) -> Result<Value, Failure> {
    let mut body = form.object(&["name", "alias"], &["meta"])?;
    let scopes: Vec<&str> = form.all("scopes").collect();
    if scopes.is_empty() {
        return Err(Failure::field("scopes", "choose at least one: a token that may nothing is of no use"));
    }
    body.insert("scopes".to_owned(), json!(scopes));
    body.insert("triggers".to_owned(), json!(form.all("triggers").collect::<Vec<_>>()));
    body.insert("expiresAt".to_owned(), expiry(form, zone)?);
    let in_rate = |failure: Failure| Failure { field: Some("rate".into()), ..failure };
    let (count, seconds) = (form.number("rateCount").map_err(in_rate)?, form.number("rateSeconds").map_err(in_rate)?);
    let rate = count.as_u64().map(|count| json!({ "count": count, "perMs": seconds.as_u64().unwrap_or(60).saturating_mul(1_000) }));
    body.insert("rate".to_owned(), rate.unwrap_or(Value::Null));
    Ok(Value::Object(body))
}

/// The end of the day that was chosen. One that stands as it was keeps its moment, which need not be an end.
fn expiry(form: &Form, zone: &Zone) -> Result<Value, Failure> {
    let word = form.word("expiresOn");
    if word.is_empty() {
        return Ok(Value::Null);
    }
    let wrong = || Failure::field("expiresAt", "must be a day, such as 2027-01-31");
    let day: jiff::civil::Date = word.parse().map_err(|_| wrong())?;
    let before: Option<i64> = form.word("expiresAt").parse().ok();
    if let Some(before) = before.filter(|before| zone.day_of(before.saturating_sub(1)) == Some(day)) {
        return Ok(before.into());
    }
    let end = day.tomorrow().ok().and_then(|next| zone.begin_of(next)).ok_or_else(wrong)?;
    Ok(end.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::body;
    use crate::form::Form;
    use crate::zone::Zone;

    fn told(form: &str) -> Result<serde_json::Value, String> {
        let zone = Zone::of(Some("Europe/Berlin"), 0);
        body(&Form::of(form.as_bytes()), &zone).map_err(|failure| failure.field.unwrap_or_default())
    }

    #[test]
    fn a_form_says_what_a_token_may() {
        let body = told("name=CI&scopes=read&scopes=publish&triggers=orders&rateCount=5&rateSeconds=2&meta=").unwrap();
        assert_eq!((&body["scopes"], &body["triggers"]), (&json!(["read", "publish"]), &json!(["orders"])));
        assert_eq!((&body["rate"], &body["expiresAt"]), (&json!({ "count": 5, "perMs": 2_000 }), &json!(null)));
        assert_eq!((told("name=CI").unwrap_err().as_str(), told("scopes=read&rateCount=x").unwrap_err().as_str()), ("scopes", "rate"));
    }

    #[test]
    fn a_token_ends_with_its_day_where_the_visitor_is() {
        assert_eq!(told("scopes=read&expiresOn=2026-09-20").unwrap()["expiresAt"], 1_789_941_600_000_i64);
        let kept = told("scopes=read&expiresOn=2026-09-20&expiresAt=1789900000000").unwrap();
        assert_eq!(kept["expiresAt"], 1_789_900_000_000_i64, "a day that stands as it was keeps its moment");
        assert_eq!(told("scopes=read&expiresOn=soon").unwrap_err(), "expiresAt");
    }
}
