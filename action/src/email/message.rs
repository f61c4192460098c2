//! From an invocation to a mail.

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use skillset::invocation::{Body, Invocation, Tree};

use super::markdown;
use crate::fields::{self, Fields};
use crate::fill::Fill;

/// How many addresses a mail may go to.
const RECIPIENTS_MAX: usize = 10;
/// Longest address with its name, in bytes.
const ADDRESS_BYTES_MAX: usize = 320;
/// Longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 255;
/// Longest content, in bytes.
const CONTENT_BYTES_MAX: usize = 64 * 1024;
/// How many hex digits of the key's digest a Message-ID has.
const ID_DIGITS: usize = 40;

/// What a mail says, and to whom.
#[derive(Debug)]
pub(super) struct Mail {
    to: Vec<Mailbox>,
    reply_to: Option<Mailbox>,
    subject: String,
    content: String,
}

/// Reads a mail from an invocation.
pub(super) fn read(invocation: &Invocation, fill: &Fill<'_>) -> Result<Mail, String> {
    let mut fields = Fields::of(invocation, fill);
    match &invocation.body {
        Body::Text(text) if fill.text(text, "content")?.trim().is_empty() => {}
        Body::Text(text) | Body::Tree(Tree::Text(text)) => fields.put("content", Tree::Text(text.clone())),
        Body::Tree(Tree::Map(_) | Tree::Value(Value::Object(_))) => {}
        Body::Tree(_) | Body::Http(_) => return Err("the body of an email must be its content or a mapping".to_owned()),
    }
    let to = recipients(fields.value("to")?.ok_or("to is missing")?)?;
    let reply_to = fields.text("replyTo")?.map(|text| mailbox("replyTo", &text)).transpose()?;
    let subject = fields.text("subject")?.unwrap_or_default();
    let content = fields.text("content")?.unwrap_or_default();
    fields.finish("to, replyTo, subject, content")?;
    if subject.contains(char::is_control) {
        return Err("subject has a line break or another control character".to_owned());
    }
    if subject.chars().count() > SUBJECT_CHARS_MAX {
        return Err(format!("subject has over {SUBJECT_CHARS_MAX} characters"));
    }
    if content.len() > CONTENT_BYTES_MAX {
        return Err(format!("content has {} bytes, at most {CONTENT_BYTES_MAX} are sent", content.len()));
    }
    if content.contains('\0') {
        return Err("content has a zero byte".to_owned());
    }
    if subject.trim().is_empty() && content.trim().is_empty() {
        return Err("subject and content are both missing".to_owned());
    }
    Ok(Mail { to, reply_to, subject, content })
}

/// A mail as it is sent, and its Message-ID: the same for the same key.
pub(super) fn compose(from: &Mailbox, mail: &Mail, idempotency_key: &str) -> Result<(String, Message), String> {
    let digest = Sha256::digest(idempotency_key.as_bytes());
    let digits: String =
        digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    let id = format!("<{}@{}>", digits.chars().take(ID_DIGITS).collect::<String>(), from.email.domain());
    let mut builder = Message::builder().from(from.clone()).subject(&mail.subject).message_id(Some(id.clone()));
    for to in &mail.to {
        builder = builder.to(to.clone());
    }
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    // Keeps a holiday notice from answering (RFC 3834, section 5).
    let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(mail.content.clone());
    let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(markdown::html(&mail.content));
    let body = MultiPart::alternative().singlepart(text).singlepart(html);
    let message = builder.raw_header(automatic).multipart(body).map_err(|error| format!("the mail can not be written: {error}"))?;
    Ok((id, message))
}

fn recipients(to: Value) -> Result<Vec<Mailbox>, String> {
    let texts = match to {
        Value::Array(items) => {
            items.into_iter().map(|item| fields::scalar(item).ok_or("to must be addresses")).collect::<Result<_, _>>()?
        }
        value => split(&fields::scalar(value).ok_or("to must be an address or a list of them")?),
    };
    let texts: Vec<String> = texts;
    if texts.len() > RECIPIENTS_MAX {
        return Err(format!("to has {} addresses, at most {RECIPIENTS_MAX} are written to", texts.len()));
    }
    let mailboxes = texts.iter().map(|text| mailbox("to", text)).collect::<Result<Vec<_>, _>>()?;
    if mailboxes.is_empty() { Err("to has no address".to_owned()) } else { Ok(mailboxes) }
}

/// Addresses in one text, at the commas that stand outside of a quoted name.
fn split(text: &str) -> Vec<String> {
    let mut is_quoted = false;
    let pieces = text.split(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
}

fn mailbox(field: &str, text: &str) -> Result<Mailbox, String> {
    if text.contains(char::is_control) {
        return Err(format!("{field} has a line break or another control character"));
    }
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(format!("{field} has an address of over {ADDRESS_BYTES_MAX} bytes"));
    }
    text.trim().parse().map_err(|error| format!("{field}: {text:?} is no address: {error}"))
}
