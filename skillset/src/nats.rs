//! `nats` blocks: a message to other services.

use std::time::Duration;

use crate::address::Origin;
use crate::fault::{Fault, Report};
use crate::fetch;
use crate::invocation::{Action, Invocation, Text, Tree};
use crate::json_text;
use crate::reading::{Error, Fields, invalid, missing};
use crate::secrecy::{self, Room};
use crate::template::{Content, Node, Phrase, Piece, Place};

/// Longest wait for a reply, in milliseconds.
pub const TIMEOUT_MS_MAX: u64 = 60_000;
/// Longest subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 512;
/// What a block says.
pub(crate) const KEYS: [&str; 5] = ["subject", "payload", "request", "timeout", "headers"];

/// A message to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Where it goes.
    pub subject: Text,
    /// What is in it; a tree goes as JSON.
    pub payload: Option<Tree>,
    /// Whether a reply is waited for, and is the result.
    pub is_request: bool,
    /// How long the reply may take; the action's default where it does not say.
    pub timeout: Option<Duration>,
    /// Its headers.
    pub headers: Vec<(String, Text)>,
}

impl Message {
    /// Reads what a `nats` block was filled in to.
    pub fn read(invocation: &Invocation) -> Result<Self, Error> {
        if invocation.action != Action::Nats {
            return Err(Error::Form("nats"));
        }
        let fields = Fields::new(invocation);
        let subject = fields.text("subject")?.filter(|subject| !subject.0.is_empty()).ok_or_else(|| missing("subject"))?;
        if let Some(words) = subject.words() {
            check_subject(&words).map_err(|reason| invalid("subject", reason))?;
        }
        let is_request = fields.flag("request")?.unwrap_or(false);
        let timeout = fields.duration("timeout", Duration::from_millis(TIMEOUT_MS_MAX))?;
        if timeout.is_some() && !is_request {
            return Err(invalid("timeout", "belongs to a request: write `request: true`, or leave it out"));
        }
        Ok(Self { subject, payload: fields.get("payload"), is_request, timeout, headers: fields.pairs("headers")? })
    }
}

/// Whether a message may be sent to a subject.
pub fn check_subject(subject: &str) -> Result<(), String> {
    if subject.len() > SUBJECT_BYTES_MAX {
        return Err(format!("has {} bytes, at most {SUBJECT_BYTES_MAX} are taken", subject.len()));
    }
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must have no blanks".to_owned());
    }
    if subject.split('.').any(str::is_empty) {
        return Err("must be words with `.` between them".to_owned());
    }
    if subject.split('.').any(|token| token == "*" || token == ">") {
        return Err("must have no wildcards".to_owned());
    }
    Ok(())
}

/// What values and references may be in a `nats` block.
pub(crate) fn settle(tree: &mut Node, report: &mut Report<'_>) {
    let span = tree.span.clone();
    let Content::Map(entries) = &mut tree.content else { return };
    if !entries.iter().any(|entry| entry.key == "subject") {
        report.add(Fault::new(span, "the key `subject` is missing").help("write `subject: orders.new`"));
    }
    for entry in entries {
        match entry.key.as_str() {
            "subject" => {
                if let Some((phrase, span)) = fetch::text(&mut entry.node, "subject", report) {
                    subject(phrase, &span, report);
                }
            }
            "headers" => {
                fetch::headers(&mut entry.node, Origin::Fixed, report);
                secrecy::check_tree(&mut entry.node, Room::Plain, report);
            }
            _ => {
                entry.node.each_leaf(&mut |leaf, span| {
                    if let Content::Phrase(phrase) = leaf {
                        json_text::assign(phrase, span, report);
                    }
                });
                secrecy::check_tree(&mut entry.node, Room::Plain, report);
            }
        }
    }
}

/// A value is one token of the subject, or the whole of it.
fn subject(phrase: &mut Phrase, span: &std::ops::Range<usize>, report: &mut Report<'_>) {
    secrecy::check(phrase, Room::Plain, report);
    let place = if matches!(phrase.0.as_slice(), [Piece::Slot(_)]) { Place::Subject } else { Place::Token };
    phrase.slots_mut().for_each(|slot| slot.place = place);
    let sample = |piece: &Piece| if let Piece::Literal(words) = piece { words.clone() } else { "x".to_owned() };
    let sample: String = phrase.0.iter().map(sample).collect();
    if let Err(reason) = check_subject(&sample) {
        report.add(Fault::new(span.clone(), format!("a subject {reason}")));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Message, check_subject};
    use crate::instruction::tests::fill;
    use crate::invocation::{Part, Text, Tree};

    fn read(body: &str) -> Result<Message, String> {
        Message::read(&fill(&format!("```nats\n{body}\n```"), json!({ "v": "7", "b": "true" }))).map_err(|error| error.to_string())
    }

    #[test]
    fn a_block_is_read() {
        let message = read("subject: a.$[v].${CONTACT_ID}\npayload: {n: $[v num]}\nheaders: {H: x}\nrequest: $[b]\ntimeout: 500").unwrap();
        assert_eq!(message.subject, Text(vec![Part::Literal("a.7.".to_owned()), Part::Reference("CONTACT_ID".to_owned())]));
        assert_eq!(message.payload, Some(Tree::Map(vec![("n".to_owned(), Tree::Value(json!(7)))])));
        assert_eq!(
            (message.is_request, message.timeout, message.headers),
            (true, Some(Duration::from_millis(500)), vec![("H".to_owned(), "x".into())])
        );
        let message = read("subject: a").unwrap();
        assert_eq!((message.payload, message.is_request, message.timeout), (None, false, None));
        assert_eq!(read("subject: a\npayload: plain $[v]").unwrap().payload, Some(Tree::Text("plain 7".into())));
    }

    #[test]
    fn an_error_names_its_field() {
        for (body, expected) in [
            ("subject: a\nrequest: $[v]", "request must be true or false"),
            ("subject: a\nrequest: true\ntimeout: $[v]m", "timeout must be at most 1m, not 7m"),
            (
                "subject: a\nrequest: $[no bool default<false>]\ntimeout: $[v]s",
                "timeout belongs to a request: write `request: true`, or leave it out",
            ),
        ] {
            assert_eq!(read(body).unwrap_err(), expected, "{body}");
        }
    }

    #[test]
    fn subjects_are_words_without_wildcards() {
        for (subject, is_good) in [
            ("a", true),
            ("a.b-c.$D", true),
            ("", false),
            ("a..b", false),
            (".a", false),
            ("a b", false),
            ("a.*", false),
            (">", false),
            ("a\r\nb", false),
        ] {
            assert_eq!(check_subject(subject).is_ok(), is_good, "{subject}");
        }
        assert!(check_subject(&"a".repeat(513)).is_err());
    }
}
