//! `cuepoint follow`: a conversation, or an event's turn, as it goes on.
//!
//! Words of a model appear as they come. Once what was said is committed, that stands: where it
//! is the same the line is only ended, otherwise it is printed again.

use std::str::FromStr;

use clap::Args;
use proto::id::{self, ConversationId, Receipt, TriggerId};
use secrecy::SecretString;
use serde_json::Value;

use super::{Error, send};
use crate::client::follow::{Followed, Piece};
use crate::client::{Client, Message};
use crate::output;
use crate::reach::Api;

/// What to follow.
#[derive(Debug, Args)]
pub struct Options {
    /// Conversation (cnv...) or receipt (evt...), as `send` prints them.
    #[arg(value_name = "CONVERSATION|RECEIPT")]
    what: Followed,
    /// Begin with the oldest message that is kept; an event is always told from its beginning.
    #[arg(long)]
    from_start: bool,
    /// Begin behind this place, such as 12.0.
    #[arg(long, value_name = "PLACE", conflicts_with = "from_start")]
    after: Option<String>,
    /// One JSON object a piece.
    #[arg(long)]
    json: bool,
    /// The trigger's secret, or the API token; otherwise the one that `cuepoint dev` made.
    #[arg(long, env = "CUEPOINT_SECRET", hide_env_values = true, value_parser = send::secret)]
    secret: Option<SecretString>,
    /// The deployment.
    #[command(flatten)]
    api: Api,
}

impl FromStr for Followed {
    type Err = id::Error;

    fn from_str(text: &str) -> Result<Self, id::Error> {
        match text.parse::<Receipt>() {
            Ok(receipt) => Ok(Self::Event(receipt)),
            Err(_) => text.parse::<ConversationId>().map(Self::Conversation),
        }
    }
}

impl Followed {
    fn trigger(&self) -> &TriggerId {
        match self {
            Self::Conversation(id) => &id.session.trigger,
            Self::Event(receipt) => &receipt.session.trigger,
        }
    }
}

/// Follows until nothing more comes, or until it is stopped.
pub async fn run(options: Options) -> Result<(), Error> {
    let secret = options.secret.or_else(|| options.api.at.data().known_trigger_secret(options.what.trigger()));
    let client = Client::new(&options.api.address(), secret)?;
    let after = options.after.or_else(|| options.from_start.then(|| "0".to_owned()));
    let mut following = client.follow(&options.what, after).await?;
    let mut screen = Screen::default();
    while let Some(piece) = following.next().await? {
        if options.json {
            output::line(&piece.line)?;
        } else {
            output::piece(screen.show(&piece))?;
        }
    }
    output::piece(screen.end_line())?;
    Ok(())
}

/// What stands on the line that is not ended yet.
#[derive(Debug, Default)]
struct Screen {
    open: Option<(&'static str, String)>,
}

impl Screen {
    /// What to print for a piece.
    fn show(&mut self, piece: &Piece) -> String {
        let data: Value = serde_json::from_str(piece.data.get()).unwrap_or_default();
        match piece.kind.as_str() {
            "token" => self.speak("bot", &data),
            "reasoningToken" => self.speak("reasoning", &data),
            // What was said so far is void: the bot begins anew.
            "restart" => self.end_line(),
            "message" => serde_json::from_value(data).map(|message| self.message(&message)).unwrap_or_default(),
            "result" => self.line("result", &result(&data)),
            "end" => self.line("end", over(&data)),
            // What is called, and what came of it, stands in the messages.
            _ => String::new(),
        }
    }

    fn speak(&mut self, kind: &'static str, data: &Value) -> String {
        let token = output::one_line(data.get("token").and_then(Value::as_str).unwrap_or_default());
        match &mut self.open {
            Some((open, said)) if *open == kind => {
                said.push_str(&token);
                token
            }
            _ => {
                let begun = format!("{}{kind:>10}  {token}", self.end_line());
                self.open = Some((kind, token));
                begun
            }
        }
    }

    fn message(&mut self, message: &Message) -> String {
        let text = output::one_line(&message.summary());
        match self.open.take_if(|(open, said)| *open == message.kind && said.trim_end() == text) {
            Some(_) => "\n".to_owned(),
            None => self.line(&message.kind, &text),
        }
    }

    fn line(&mut self, kind: &str, text: &str) -> String {
        let line = format!("{kind:>10}  {text}");
        format!("{}{}\n", self.end_line(), line.trim_end())
    }

    fn end_line(&mut self) -> String {
        if self.open.take().is_some() { "\n".to_owned() } else { String::new() }
    }
}

fn result(data: &Value) -> String {
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let part = |before: &str, pointer: &str, behind: &str| {
        text(pointer).map(|text| format!("{before}{}{behind}", output::one_line(text))).unwrap_or_default()
    };
    let status = text("/status").unwrap_or_default();
    format!("{status}{}{}{}", part(" (", "/end/error", ")"), part(" by ", "/end/by", ""), part(": ", "/end/message", ""))
}

fn over(data: &Value) -> &'static str {
    match data.get("reason").and_then(Value::as_str) {
        Some("expired") => "nothing more comes: the time is over",
        _ => "nothing more comes",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Followed, Screen};

    fn shown(pieces: &[(&str, Value)]) -> String {
        let mut screen = Screen::default();
        let parse = |kind: &str, data: &Value| serde_json::from_value(json!({ "type": kind, "data": data })).unwrap();
        let mut text: String = pieces.iter().map(|(kind, data)| screen.show(&parse(kind, data))).collect();
        text.push_str(&screen.end_line());
        text
    }

    fn token(text: &str) -> (&'static str, Value) {
        ("token", json!({ "token": text }))
    }

    fn message(kind: &str, text: &str) -> (&'static str, Value) {
        ("message", json!({ "type": kind, "text": text, "meta": {} }))
    }

    #[test]
    fn words_appear_as_they_come_and_once() {
        let completed = ("result", json!({ "status": "completed", "end": { "reason": "stop" } }));
        let told =
            shown(&[message("user", "hi\nthere"), token("Hel"), token("lo\n"), token("Ada"), message("bot", "Hello\nAda"), completed]);
        assert_eq!(told, "      user  hi\\nthere\n       bot  Hello\\nAda\n    result  completed\n");
    }

    #[test]
    fn what_is_committed_stands() {
        let thinking = ("reasoningToken", json!({ "token": "hm" }));
        let failed =
            ("result", json!({ "status": "failed", "end": { "reason": "error", "error": "CUE0607", "message": "out of\norder" } }));
        let told = shown(&[thinking, token("a"), ("restart", json!({})), token("b"), message("bot", "c"), failed]);
        let lines = ["reasoning  hm", "bot  a", "bot  b", "bot  c", "result  failed (CUE0607): out of\\norder"];
        assert_eq!(told.lines().map(str::trim_start).collect::<Vec<_>>(), lines);
        let called_off = ("result", json!({ "status": "cancelled", "end": { "reason": "abort", "message": "enough", "by": "ada" } }));
        assert_eq!(shown(&[called_off, ("operationBegin", json!({}))]), "    result  cancelled by ada: enough\n");
    }

    #[test]
    fn a_conversation_and_a_receipt_are_told_apart() {
        assert!(matches!("cnv.t.s.6a1b2c3d.1".parse(), Ok(Followed::Conversation(_))));
        assert!(matches!("evt.t.s.6a1b2c3d.1".parse(), Ok(Followed::Event(_))));
        assert!("t".parse::<Followed>().is_err());
    }
}
