//! `cuepoint send`: an event in over HTTP, and what came of it.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proto::header;
use proto::id::TriggerId;
use proto::idempotency::Key;
use proto::limit::BODY_BYTES_MAX;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::Error;
use crate::client::{Client, Progress, Sending};
use crate::output;
use crate::reach::Api;

/// What to send, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// Trigger that takes the event.
    trigger: TriggerId,
    /// Text that the bot reads.
    #[arg(long, short, required_unless_present = "payload")]
    text: Option<String>,
    /// File that becomes the body as it is, `-` for standard input; with --text it must be a JSON object, and the text is put into it.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// Session string: events of one session share a conversation and keep their order.
    #[arg(long, short)]
    session: Option<String>,
    /// Idempotency key: the same key again is answered with the first receipt.
    #[arg(long)]
    key: Option<String>,
    /// How long to wait for the reply.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "0s")]
    wait: Duration,
    /// The trigger's secret; otherwise the one that `cuepoint dev` made.
    #[arg(long, env = "CUEPOINT_SECRET", hide_env_values = true, value_parser = secret)]
    secret: Option<SecretString>,
    /// The deployment.
    #[command(flatten)]
    api: Api,
}

/// Reads a secret of the command line.
#[expect(clippy::unnecessary_wraps, reason = "the form of a clap parser")]
pub(crate) fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// Sends the event.
pub async fn run(options: Options) -> Result<(), Error> {
    let (body, content_type) = body(options.text.as_deref(), options.payload.as_ref().map(read).transpose()?)?;
    if let Some(key) = &options.key {
        Key::parse(key).map_err(|fault| Error::Usage(format!("--key: {fault}")))?;
    }
    let secret = options.secret.or_else(|| options.api.at.data().known_trigger_secret(&options.trigger));
    let client = Client::new(&options.api.address(), secret)?;
    let sending = Sending { body, content_type, session: options.session, key: options.key };
    let progress = client.send(&options.trigger, sending, options.wait).await?;
    for line in lines(&progress) {
        output::line(line)?;
    }
    Ok(())
}

/// The receipt, and what was said where that was waited for.
pub(crate) fn lines(progress: &Progress) -> Vec<String> {
    let mut lines = vec![format!("receipt {}", progress.id)];
    lines.extend(progress.conversation_id.iter().map(|id| format!("conversation {id}")));
    lines.extend(progress.messages.iter().map(|message| format!("{:>8}  {}", message.kind, output::one_line(&message.summary()))));
    lines.extend(progress.status.iter().map(|status| format!("status {status}")));
    lines
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| Error::Usage(format!("--payload {}: {error}", path.display())))?;
    Ok(bytes)
}

/// The body and its media type.
fn body(text: Option<&str>, payload: Option<Vec<u8>>) -> Result<(Vec<u8>, &'static str), Error> {
    match (text, payload) {
        (None, Some(payload)) => {
            let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(&payload).is_ok();
            Ok((payload, if is_json { header::JSON } else { "application/octet-stream" }))
        }
        (text, payload) => {
            let mut object = match payload.map(|payload| serde_json::from_slice(&payload)) {
                None => Map::new(),
                Some(Ok(Value::Object(object))) => object,
                Some(_) => return Err(Error::Usage("--payload must be a JSON object where --text is put into it".into())),
            };
            object.extend(text.map(|text| ("text".to_owned(), text.into())));
            Ok((Value::Object(object).to_string().into_bytes(), header::JSON))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn a_payload_alone_stays_as_it_is() {
        assert_eq!(body(None, Some(b" [1, 2.50]".to_vec())).unwrap(), (b" [1, 2.50]".to_vec(), "application/json"));
        assert_eq!(body(None, Some(b"\xff".to_vec())).unwrap(), (b"\xff".to_vec(), "application/octet-stream"));
    }

    #[test]
    fn text_goes_into_an_object() {
        assert_eq!(body(Some("hi"), None).unwrap().0, br#"{"text":"hi"}"#);
        assert_eq!(body(Some("hi"), Some(br#"{"a":1}"#.to_vec())).unwrap().0, br#"{"a":1,"text":"hi"}"#);
        body(Some("hi"), Some(b"[1]".to_vec())).unwrap_err();
    }
}
