//! One call, read into an event: pure, and the only place that knows the forms of a call.
//!
//! Two forms are served. In the later one the whole body is an opaque payload, and session and
//! contact stand in the query. In the older one a JSON body carries `text`, `session` and
//! `contact`; the body is kept as the payload there too, byte for byte. The query wins over the
//! body field by field, and a field that the query or the trigger's default text replaces is not
//! looked at in the body. See `docs/api.md`.

use bytes::Bytes;
use proto::event::{Contact, Event, FieldError, parse_session};
use proto::limit::CONTENT_TYPE_BYTES_MAX;
use serde_json::value::RawValue;

mod fields;

use crate::query;

#[cfg(test)]
mod tests;

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The query string.
    pub query: Option<&'a str>,
    /// The media type of the body.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: Bytes,
    /// The text of the trigger, which replaces the caller's.
    pub default_text: Option<&'a str>,
}

/// Why a call is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The body is not the JSON that its content type promises.
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    /// A field cannot be used.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// What the content type says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It must be JSON.
    Json,
    /// Nothing that means anything: curl sends the form type with whatever it is given.
    Unsaid,
    /// Not JSON.
    Opaque,
}

/// Fields that the caller gave outside or inside the body.
#[derive(Debug, Default)]
struct Given {
    session: Option<String>,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// Fields of the body, not yet looked at.
#[derive(Debug, Default)]
struct Said<'a> {
    text: Option<&'a RawValue>,
    session: Option<&'a RawValue>,
    contact: Option<&'a RawValue>,
}

impl Call<'_> {
    /// Reads the call.
    pub fn read(self) -> Result<Event, Fault> {
        if self.content_type.is_some_and(|text| text.len() > CONTENT_TYPE_BYTES_MAX) {
            return Err(FieldError { field: "Content-Type", rule: "must be at most 256 bytes" }.into());
        }
        let mut given = self.query.map_or_else(|| Ok(Given::default()), outside)?;
        let said = inside(form(self.content_type), &self.body)?;
        let text = match self.default_text {
            Some(text) => Some(text.to_owned()),
            None => fields::text("text", said.text)?,
        };
        if given.session.is_none() {
            given.session = fields::text("session", said.session)?;
        }
        if let Some(contact) = said.contact {
            merge(&mut given, contact)?;
        }
        let contact = Contact::parse(given.name, given.email, given.phone)?;
        let session = parse_session(given.session)?;
        let content_type = self.content_type.filter(|text| !text.is_empty()).map(str::to_owned);
        let text = text.filter(|text| !text.is_empty());
        Ok(Event { text, payload: self.body, content_type, session, contact, ..Event::default() })
    }
}

fn form(content_type: Option<&str>) -> Form {
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    let is_suffixed = essence.len() > 5 && essence.get(essence.len() - 5..).is_some_and(|end| end.eq_ignore_ascii_case("+json"));
    if is_suffixed || essence.eq_ignore_ascii_case("application/json") {
        Form::Json
    } else if essence.is_empty() || essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Form::Unsaid
    } else {
        Form::Opaque
    }
}

/// The fields in a query string. The form with a dot wins over the one with an underscore, the first of a name over the next.
fn outside(query: &str) -> Result<Given, FieldError> {
    let (mut dotted, mut underscored) = (Given::default(), Given::default());
    for (name, value) in query::pairs(query) {
        let (field, slot) = match name.as_ref() {
            "session" => ("session", &mut dotted.session),
            "contact.name" => ("contact.name", &mut dotted.name),
            "contact.email" => ("contact.email", &mut dotted.email),
            "contact.phone" => ("contact.phone", &mut dotted.phone),
            "contact_name" => ("contact.name", &mut underscored.name),
            "contact_email" => ("contact.email", &mut underscored.email),
            "contact_phone" => ("contact.phone", &mut underscored.phone),
            _ => continue,
        };
        if slot.is_none() && !value.is_empty() {
            let text = query::decode(value).map_err(|_| FieldError { field, rule: "must be percent-encoded UTF-8" })?;
            *slot = Some(text);
        }
    }
    Ok(Given {
        session: dotted.session,
        name: dotted.name.or(underscored.name),
        email: dotted.email.or(underscored.email),
        phone: dotted.phone.or(underscored.phone).map(plus),
    })
}

/// A `+` that was not escaped arrives as a space; no number begins with one.
fn plus(phone: String) -> String {
    match phone.strip_prefix(' ') {
        Some(rest) => format!("+{rest}"),
        None => phone,
    }
}

/// The fields in a body; none where it is not a JSON object and need not be.
fn inside(form: Form, body: &[u8]) -> Result<Said<'_>, Fault> {
    if body.is_empty() || form == Form::Opaque {
        return Ok(Said::default());
    }
    match (fields::pick(["text", "session", "contact"], body), form) {
        (Ok(Some([text, session, contact])), _) => Ok(Said { text, session, contact }),
        (Ok(None), _) | (Err(_), Form::Unsaid | Form::Opaque) => Ok(Said::default()),
        (Err(reason), Form::Json) => Err(Fault::Malformed(reason)),
    }
}

/// Takes what the query did not give from the body's contact.
fn merge(given: &mut Given, contact: &RawValue) -> Result<(), FieldError> {
    if contact.get() == "null" {
        return Ok(());
    }
    let Ok(Some([name, email, phone])) = fields::pick(["name", "email", "phone"], contact.get().as_bytes()) else {
        return Err(FieldError { field: "contact", rule: "must be an object with name, email or phone" });
    };
    for (slot, field, value) in
        [(&mut given.name, "contact.name", name), (&mut given.email, "contact.email", email), (&mut given.phone, "contact.phone", phone)]
    {
        if slot.is_none() {
            *slot = fields::text(field, value)?;
        }
    }
    Ok(())
}
