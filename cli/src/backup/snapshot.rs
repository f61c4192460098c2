//! One stream as the broker packs it, with its consumers.
//!
//! The broker sends a snapshot in pieces and waits for each to be acknowledged; given back, every piece
//! is a request of its own. See <https://docs.nats.io/reference/jetstream/api/stream/snapshot>.

use std::path::Path;
use std::time::Duration;

use async_nats::{Client, Message, Request};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::manifest::{Packed, Print};
use super::{Error, file};

/// The size of a piece, in bytes.
const PIECE_BYTES: usize = 128 * 1024;
/// How long the broker may take for one piece.
const PIECE_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take to put a stream in place once it has all pieces.
const PLACE_DEADLINE: Duration = Duration::from_mins(5);

/// Has a stream packed into a file of the directory.
pub async fn take(client: &Client, stream: &str, directory: &Path) -> Result<Packed, Error> {
    let refused = |reason: String| Error::Broker { what: "pack", stream: stream.to_owned(), reason };
    let inbox = client.new_inbox();
    let mut pieces = client.subscribe(inbox.clone()).await.map_err(|error| refused(error.to_string()))?;
    let wanted = json!({ "deliver_subject": inbox, "no_consumers": false, "chunk_size": PIECE_BYTES, "jsck": true });
    let answer = ask(client, format!("$JS.API.STREAM.SNAPSHOT.{stream}"), wanted.to_string().into(), PIECE_DEADLINE).await;
    let mut answer = answer.map_err(refused)?;
    let name = format!("{stream}.snapshot");
    let path = directory.join(&name);
    let mut out = File::create_new(&path).await.map_err(file("make", &path))?;
    loop {
        let piece = tokio::time::timeout(PIECE_DEADLINE, pieces.next()).await;
        let piece = piece.ok().flatten().ok_or_else(|| refused("a piece did not come in time".to_owned()))?;
        if piece.payload.is_empty() {
            ended(&piece).map_err(refused)?;
            break;
        }
        out.write_all(&piece.payload).await.map_err(file("write", &path))?;
        if let Some(reply) = piece.reply {
            client.publish(reply, Bytes::new()).await.map_err(|error| refused(error.to_string()))?;
        }
    }
    out.sync_all().await.map_err(file("write", &path))?;
    Ok(Packed {
        name: stream.to_owned(),
        file: Print::of(directory, &name)?,
        config: part(&mut answer, "config"),
        state: part(&mut answer, "state"),
    })
}

/// Whether the last message says that all went well.
fn ended(last: &Message) -> Result<(), String> {
    match last.status.map(|status| status.as_u16()) {
        None | Some(200 | 204) => Ok(()),
        Some(status) => Err(format!("{status} {}", last.description.as_deref().unwrap_or_default())),
    }
}

/// Puts a packed stream in place.
pub async fn give(client: &Client, packed: &Packed, directory: &Path) -> Result<(), Error> {
    let refused = |reason: String| Error::Broker { what: "put back", stream: packed.name.clone(), reason };
    let wanted = json!({ "config": packed.config, "state": packed.state });
    let mut answer =
        ask(client, format!("$JS.API.STREAM.RESTORE.{}", packed.name), wanted.to_string().into(), PIECE_DEADLINE).await.map_err(refused)?;
    let target =
        part(&mut answer, "deliver_subject").as_str().map(str::to_owned).ok_or_else(|| refused("no place for the pieces".to_owned()))?;
    let path = directory.join(&packed.file.name);
    let mut from = File::open(&path).await.map_err(file("read", &path))?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let bytes = from.read(&mut piece).await.map_err(file("read", &path))?;
        let Some(bytes) = piece.get(..bytes).filter(|bytes| !bytes.is_empty()) else { break };
        ask(client, target.clone(), Bytes::copy_from_slice(bytes), PIECE_DEADLINE).await.map_err(refused)?;
    }
    ask(client, target, Bytes::new(), PLACE_DEADLINE).await.map(drop).map_err(refused)
}

/// Asks the broker, and reads what it says against it.
async fn ask(client: &Client, subject: String, body: Bytes, deadline: Duration) -> Result<Value, String> {
    let asked = client.send_request(subject, Request::new().payload(body).timeout(None));
    let answer = tokio::time::timeout(deadline, asked).await.map_err(|_| format!("no answer within {} s", deadline.as_secs()))?;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.payload.is_empty() {
        return ended(&answer).map(|()| Value::Null);
    }
    let answer: Value = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
    match answer.pointer("/error/description").and_then(Value::as_str) {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(answer),
    }
}

fn part(answer: &mut Value, name: &str) -> Value {
    answer.get_mut(name).map(Value::take).unwrap_or_default()
}
