//! A stream of the API, read piece by piece and resumed where it breaks.

use std::time::Duration;

use proto::code::Code;
use proto::id::{ConversationId, Receipt};
use reqwest::Response;
use reqwest::header::ACCEPT;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Client, Error};

/// How long the gateway may be silent: it says something every ten seconds.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Largest piece that is read, in bytes.
const PIECE_BYTES_MAX: usize = 16 << 20;
/// The pause before a stream that broke is resumed.
const RESUME_AFTER: Duration = Duration::from_millis(500);
/// How often in a row that is tried without hearing anything.
const RESUMES_MAX: u32 = 20;

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// A conversation.
    Conversation(ConversationId),
    /// An event, to its result.
    Event(Receipt),
}

/// One piece of a stream.
#[derive(Debug, Clone, Deserialize)]
pub struct Piece {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Behind what to resume.
    #[serde(default)]
    pub id: Option<String>,
    /// The event that news are about.
    #[serde(default)]
    pub event: Option<String>,
    /// The rest, as it was said.
    pub data: Box<RawValue>,
    /// The whole line.
    #[serde(skip)]
    pub line: String,
}

/// A stream that is being read.
#[derive(Debug)]
pub struct Following<'a> {
    client: &'a Client,
    path: String,
    after: Option<String>,
    response: Option<Response>,
    unread: Vec<u8>,
    resumes: u32,
    /// What the last piece of the whole stream is.
    last: &'static str,
    is_over: bool,
}

impl Client {
    /// Follows from a place on, or what is new.
    pub async fn follow(&self, what: &Followed, after: Option<String>) -> Result<Following<'_>, Error> {
        let (path, last) = match what {
            Followed::Conversation(id) => (format!("v1/conversation/{id}/subscribe"), "end"),
            Followed::Event(receipt) => (format!("v1/integration/trigger/{}/event/{receipt}/subscribe", receipt.session.trigger), "result"),
        };
        let (response, unread) = (None, Vec::new());
        let mut following = Following { client: self, path, after, response, unread, resumes: 0, last, is_over: false };
        following.open().await?;
        Ok(following)
    }
}

impl Following<'_> {
    /// The next piece but pings; `None` where nothing more comes.
    pub async fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            while let Some(line) = self.line()? {
                let mut piece: Piece = serde_json::from_slice(&line).map_err(|source| self.nonsense(source))?;
                piece.line = String::from_utf8_lossy(&line).into_owned();
                self.resumes = 0;
                if let Some(id) = &piece.id {
                    self.after = Some(id.clone());
                }
                match (piece.kind.as_str(), text(&piece, "reason").as_deref()) {
                    ("ping" | "nop", _) => {}
                    // What the gateway ends is resumed, unless what was followed is over.
                    ("end", Some("time" | "shutdown")) => self.response = None,
                    ("error", _) => self.ended(&piece)?,
                    (kind, _) => {
                        self.is_over = kind == self.last || kind == "end";
                        return Ok(Some(piece));
                    }
                }
            }
            if self.is_over {
                return Ok(None);
            }
            self.read_on().await?;
        }
    }

    /// An error ends one connection; whether another one can help stands in its code.
    fn ended(&mut self, piece: &Piece) -> Result<(), Error> {
        let code = text(piece, "error").unwrap_or_default();
        if code == Code::Unavailable.as_str() {
            self.response = None;
            return Ok(());
        }
        Err(Error::Refused { code, message: text(piece, "message").unwrap_or_default() })
    }

    /// Reads more, and resumes where the connection broke.
    async fn read_on(&mut self) -> Result<(), Error> {
        if let Some(response) = &mut self.response {
            match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    self.unread.extend_from_slice(&chunk);
                    return Ok(());
                }
                Ok(Ok(None) | Err(_)) | Err(_) => self.response = None,
            }
        }
        self.unread.clear();
        while self.resumes < RESUMES_MAX {
            self.resumes += 1;
            tokio::time::sleep(RESUME_AFTER).await;
            match self.open().await {
                Ok(()) => return Ok(()),
                Err(Error::Unreachable { .. } | Error::Busy { .. }) if self.resumes < RESUMES_MAX => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Silent { base: self.client.base.to_string() })
    }

    async fn open(&mut self) -> Result<(), Error> {
        let mut url = self.client.url(&self.path);
        if let Some(after) = &self.after {
            url.query_pairs_mut().append_pair("after", after);
        }
        let request = self.client.http.get(url).header(ACCEPT, "application/jsonl");
        let accepted = tokio::time::timeout(SILENCE_MAX, self.client.accepted(request)).await;
        self.response = Some(accepted.map_err(|_| Error::Silent { base: self.client.base.to_string() })??);
        Ok(())
    }

    /// The next whole line.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.response.is_none() {
            return Ok(None);
        }
        let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') else {
            let is_too_large = self.unread.len() > PIECE_BYTES_MAX;
            return if is_too_large { Err(Error::TooLarge { bytes: PIECE_BYTES_MAX }) } else { Ok(None) };
        };
        let rest = self.unread.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.unread, rest);
        line.truncate(end);
        Ok(Some(line))
    }

    fn nonsense(&self, source: serde_json::Error) -> Error {
        Error::Nonsense { base: self.client.base.to_string(), source }
    }
}

fn text(piece: &Piece, name: &str) -> Option<String> {
    let data: Value = serde_json::from_str(piece.data.get()).ok()?;
    data.get(name).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::Followed;
    use crate::client::{Client, Error};

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\n";

    /// Answers one call after the other with these bytes, and closes; the request lines.
    async fn serve(listener: TcpListener, answers: &[&str]) -> Vec<String> {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            asked.push(String::from_utf8_lossy(&head[..read]).lines().next().unwrap().to_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    }

    async fn follow(what: &str, answers: &[&str]) -> (Result<Vec<String>, Error>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let what: Followed = what.parse().unwrap();
        let reading = async {
            let client = Client::new(&address, None)?;
            let mut following = client.follow(&what, None).await?;
            let mut lines = Vec::new();
            while let Some(piece) = following.next().await? {
                lines.push(piece.line);
            }
            Ok(lines)
        };
        tokio::join!(reading, serve(listener, answers))
    }

    #[tokio::test]
    async fn a_stream_that_breaks_is_resumed_behind_what_was_heard() {
        let first = format!(
            "{HEAD}content-length: 9999\r\n\r\n{}",
            r#"{"type":"ping","id":"7","data":{}}
{"type":"message","id":"8.0","data":{}}
{"type":"mess"#
        );
        let end = r#"{"type":"end","data":{"reason":"shutdown"}}"#;
        let second = format!("{HEAD}content-length: {}\r\n\r\n{end}\n", end.len() + 1);
        let result = r#"{"type":"result","id":"8.1","data":{}}"#;
        let third = format!("{HEAD}content-length: {}\r\n\r\n{result}\n", result.len() + 1);
        let (lines, asked) = follow("evt.t.s.6a1b2c3d.1", &[&first, &second, &third]).await;
        assert_eq!(lines.unwrap(), [r#"{"type":"message","id":"8.0","data":{}}"#, result]);
        let path = "GET /v1/integration/trigger/t/event/evt.t.s.6a1b2c3d.1/subscribe";
        assert_eq!(asked, [format!("{path} HTTP/1.1"), format!("{path}?after=8.0 HTTP/1.1"), format!("{path}?after=8.0 HTTP/1.1")]);
    }

    #[tokio::test]
    async fn what_cannot_be_mended_ends_it() {
        let error = r#"{"type":"error","data":{"message":"no","code":"INTERNAL_SERVER_ERROR","error":"CUE0505"}}"#;
        let answer = format!("{HEAD}content-length: {}\r\n\r\n{error}\n", error.len() + 1);
        let (read, _) = follow("cnv.t.s.6a1b2c3d.1", &[&answer]).await;
        assert!(matches!(read, Err(Error::Refused { code, .. }) if code == "CUE0505"));
        let refusal = r#"{"message":"there is no such conversation","error":"CUE0304"}"#;
        let answer = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{refusal}", refusal.len());
        let (read, _) = follow("cnv.t.s.6a1b2c3d.1", &[&answer]).await;
        assert!(matches!(read, Err(Error::Refused { code, .. }) if code == "CUE0304"));
    }
}
