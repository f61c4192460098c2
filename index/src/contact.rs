//! The bucket of contacts, and cards for those who are new.
//!
//! A card's id follows from its fingerprint, so the one who writes it first has made it and nobody
//! is made twice. A card that somebody deleted comes back only with a conversation that began after
//! that: building the index anew brings nobody back.

use async_nats::{Client, HeaderMap};
use backbone::direct::{self, Stored};
use backbone::publish;
use futures_util::StreamExt as _;
use proto::id::ContactId;
use proto::limit::PUBLISH_DEADLINE;
use proto::resource::Common;
use proto::resource::common::API;
use proto::resource::contact::Card;
use proto::subject;

use crate::bound::CARDS_AT_ONCE;
use crate::change::Change;
use crate::key;
use crate::project::Newcomer;

/// The header that says what became of an entry.
const OPERATION: &str = "KV-Operation";
/// The header that lets a message in only behind the one that it names.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// The stream of the bucket.
pub fn stream() -> String {
    format!("KV_{}", subject::CONTACTS)
}

/// Where a card lies in the stream.
pub fn subject_of(id: &str) -> String {
    format!("$KV.{}.{id}", subject::CONTACTS)
}

/// The changes that an entry of the bucket makes; one that cannot be read changes nothing.
pub fn project(stored: &Stored) -> Vec<Change> {
    let id = stored.subject.rsplit('.').next().unwrap_or_default();
    let Ok(id) = id.parse::<ContactId>() else { return Vec::new() };
    if is_gone(stored) {
        return vec![Change::Retire { list: key::CONTACTS, member: id.to_string() }];
    }
    match Card::decode(id.clone(), stored.body.clone()) {
        Ok(card) => vec![
            Change::put(key::CONTACTS, id.as_str(), stored.body.to_vec()),
            Change::rank(key::all(key::CONTACTS), card.common.created_at_ms, id.as_str()),
        ],
        Err(error) => {
            tracing::error!(contact.id = %id, %error, "a contact cannot be read; lists show its last version");
            Vec::new()
        }
    }
}

fn is_gone(stored: &Stored) -> bool {
    stored.headers.get(OPERATION).is_some_and(|operation| matches!(operation.as_str(), "DEL" | "PURGE"))
}

/// Makes the cards of those who have none.
pub async fn make(client: &Client, newcomers: Vec<Newcomer>) -> Result<(), publish::Error> {
    let mut made = futures_util::stream::iter(newcomers).map(|newcomer| one(client, newcomer)).buffer_unordered(CARDS_AT_ONCE);
    while let Some(made) = made.next().await {
        made?;
    }
    Ok(())
}

async fn one(client: &Client, newcomer: Newcomer) -> Result<(), publish::Error> {
    match put(client, &newcomer, 0).await {
        Err(publish::Error::Fenced) => {}
        made => return made,
    }
    let last = direct::last_from_leader(client, &stream(), &subject_of(newcomer.id.as_str())).await;
    match last.map_err(|error| publish::Error::Refused(error.to_string()))? {
        Some(gone) if is_gone(&gone) && gone.at_ms < newcomer.at_ms => match put(client, &newcomer, gone.seq).await {
            Err(publish::Error::Fenced) => Ok(()),
            made => made,
        },
        // There is one, or it was deleted after this conversation began.
        Some(_) | None => Ok(()),
    }
}

async fn put(client: &Client, newcomer: &Newcomer, behind: u64) -> Result<(), publish::Error> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let card = Card {
        id: newcomer.id.clone(),
        common: Common { created_at_ms: newcomer.at_ms, updated_at_ms: newcomer.at_ms, ..Common::of(API) },
        fingerprint: newcomer.fingerprint.clone(),
        name: text(&newcomer.contact.name),
        description: String::new(),
        email: text(&newcomer.contact.email),
        phone: text(&newcomer.contact.phone),
        nick: String::new(),
        preferences: String::new(),
        verified_at_ms: None,
    };
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTED, behind.to_string());
    publish::confirmed(client, subject_of(newcomer.id.as_str()), Some(headers), card.encode(), PUBLISH_DEADLINE).await.map(drop)
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use backbone::direct::Stored;
    use bytes::Bytes;
    use proto::resource::Common;
    use proto::resource::contact::Card;

    use super::{OPERATION, project};
    use crate::change::Change;

    fn stored(operation: Option<&str>, body: Bytes) -> Stored {
        let mut headers = HeaderMap::new();
        if let Some(operation) = operation {
            headers.insert(OPERATION, operation);
        }
        Stored { subject: "$KV.contacts.c1".into(), seq: 3, at_ms: 9, headers, body }
    }

    #[test]
    fn a_card_is_listed_until_it_is_deleted() {
        let card = Card {
            id: "c1".parse().unwrap(),
            common: Common { created_at_ms: 7, ..Common::default() },
            fingerprint: "f".into(),
            name: "Ada".into(),
            description: String::new(),
            email: String::new(),
            phone: String::new(),
            nick: String::new(),
            preferences: String::new(),
            verified_at_ms: None,
        };
        let body = card.encode();
        let listed = vec![Change::put("p", "c1", body.to_vec()), Change::rank("p:all", 7, "c1")];
        assert_eq!(project(&stored(None, body)), listed);
        let retired = vec![Change::Retire { list: "p", member: "c1".into() }];
        assert_eq!(project(&stored(Some("DEL"), Bytes::new())), retired);
        assert_eq!(project(&stored(Some("PURGE"), Bytes::new())), retired);
        assert!(project(&stored(None, Bytes::from_static(&[0xff]))).is_empty());
    }
}
