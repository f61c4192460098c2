//! What is told about an event.

use backbone::bug::{self, Bug};
use backbone::receipt::{self, Report};
use backbone::requests::Line;
use backbone::{direct, journal};
use proto::durability::Durability;
use proto::id::Receipt;
use proto::message::{Kind, Message};
use proto::status::Status;
use proto::subject;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress<'a> {
    id: String,
    session: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<Durability>,
    #[serde(flatten)]
    told: Option<Told<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    status: Status,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    messages: &'a [Message],
}

/// Reads the status of an event; `Expired` only where the leader agrees.
pub(crate) async fn of(line: &Line, receipt: &Receipt) -> Result<Report, journal::Error> {
    let report = receipt::report(line, receipt).await?;
    if report.status != Status::Expired || bug::is(Bug::StatusFromFollower) {
        return Ok(report);
    }
    // A follower that lags knows neither the event nor its record yet.
    let stream = subject::events_stream(receipt.event.epoch);
    match direct::next_from_leader(line, &stream, &subject::event(&receipt.session), receipt.event.seq).await {
        Ok(Some(stored)) if stored.seq == receipt.event.seq => Ok(Report { status: Status::Queued, ..report }),
        Ok(_) => receipt::report(line, receipt).await,
        Err(direct::Error::NoStream) => Ok(report),
        Err(error) => Err(error.into()),
    }
}

/// A receipt and nothing else. No part can hold a character that JSON would escape.
pub(crate) fn receipt(receipt: &Receipt, durability: Option<Durability>) -> Vec<u8> {
    let session = &receipt.session.token;
    match durability {
        Some(durability) => format!(r#"{{"id":"{receipt}","session":"{session}","durability":"{}"}}"#, durability.as_str()),
        None => format!(r#"{{"id":"{receipt}","session":"{session}"}}"#),
    }
    .into_bytes()
}

/// A receipt with what is known of its event.
pub(crate) fn render(receipt: &Receipt, durability: Option<Durability>, report: Option<&Report>) -> Vec<u8> {
    let told = report.map(|report| Told {
        status: report.status,
        attempts: report.attempts,
        conversation_id: report.conversation.as_ref().map(ToString::to_string),
        text: report.messages.iter().rev().find(|message| message.kind == Kind::Bot).map(|message| message.text.as_str()),
        messages: &report.messages,
    });
    let progress = Progress { id: receipt.to_string(), session: receipt.session.token.as_str(), durability, told };
    serde_json::to_vec(&progress).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use backbone::receipt::Report;
    use proto::durability::Durability;
    use proto::message::{Kind, Message};
    use proto::status::Status;

    use super::{receipt, render};

    #[test]
    fn what_is_told_grows_with_what_is_known() {
        let of = "evt.t.s.6a1b2c3d.42".parse().unwrap();
        assert_eq!(receipt(&of, None), br#"{"id":"evt.t.s.6a1b2c3d.42","session":"s"}"#);
        for durability in [None, Some(Durability::Written), Some(Durability::Replicated), Some(Durability::Fsynced)] {
            assert_eq!(render(&of, durability, None), receipt(&of, durability));
        }
        assert!(receipt(&of, Some(Durability::Fsynced)).ends_with(br#""session":"s","durability":"fsynced"}"#));
        let bare = Report { status: Status::Queued, attempts: 0, conversation: None, messages: vec![] };
        let text = String::from_utf8(render(&of, None, Some(&bare))).unwrap();
        assert_eq!(text, r#"{"id":"evt.t.s.6a1b2c3d.42","session":"s","status":"queued","attempts":0,"messages":[]}"#);
        let reply = Message {
            id: "1.0".into(),
            kind: Kind::Bot,
            text: "hello".into(),
            name: String::new(),
            description: String::new(),
            meta: serde_json::json!({}),
            created_at: 1,
            updated_at: 1,
        };
        let done =
            Report { status: Status::Completed, attempts: 1, conversation: "cnv.t.s.6a1b2c3d.42".parse().ok(), messages: vec![reply] };
        let value: serde_json::Value = serde_json::from_slice(&render(&of, None, Some(&done))).unwrap();
        assert_eq!((&value["text"], &value["conversationId"]), (&"hello".into(), &"cnv.t.s.6a1b2c3d.42".into()));
        assert_eq!(value["messages"][0]["type"], "bot");
    }
}
