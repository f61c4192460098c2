//! Whoever has the seed of a user, and tries what that user has no business with.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap};

use crate::eventually::eventually;
use crate::secured::Secured;

/// How long the broker may take to say that something is not allowed.
const COMPLAINT_WITHIN: Duration = Duration::from_secs(10);

/// A connection as a user, and what the broker complained of on it.
#[derive(Debug)]
pub struct Intruder {
    /// The connection.
    pub client: Client,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Intruder {
    /// Comes with the seed of a file, such as `users/reader.nk`.
    pub async fn with(secured: &Secured, url: &str, seed: &str) -> Self {
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&complaints);
        let note = move |event: Event| {
            if let Event::ServerError(error) = event {
                heard.lock().expect("no test died with it").push(error.to_string());
            }
            std::future::ready(())
        };
        let seed = std::fs::read_to_string(secured.file(seed)).expect("there is a seed");
        let options = ConnectOptions::with_nkey(seed.trim().to_owned())
            .add_root_certificates(secured.file("tls/ca.crt").into())
            .add_client_certificate(secured.file("tls/client.crt").into(), secured.file("tls/client.key").into())
            .require_tls(true)
            .event_callback(note);
        let client = options.connect(url).await.expect("who has a seed is let in");
        Self { client, complaints }
    }

    /// Publishes whatever it likes.
    pub async fn publishes(&self, subject: &str, reply: Option<&str>, headers: &[(&str, &str)], body: &str) {
        let headers = all(headers);
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        let (subject, reply) = (subject.to_owned(), reply.map(str::to_owned));
        match reply {
            Some(reply) => self.client.publish_with_reply_and_headers(subject, reply, headers, body).await,
            None => self.client.publish_with_headers(subject, headers, body).await,
        }
        .expect("the connection stands");
        self.client.flush().await.expect("the connection stands");
    }

    /// What the broker answers to a call, errors too.
    pub async fn calls(&self, subject: &str, headers: &[(&str, &str)], body: &str) -> serde_json::Value {
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        let answer = self.client.request_with_headers(subject.to_owned(), all(headers), body).await.expect("it is answered");
        serde_json::from_slice(&answer.payload).expect("the broker answers in JSON")
    }

    /// Tries to publish to each, and is refused each.
    pub async fn may_not_publish(&self, subjects: &[String]) {
        for subject in subjects {
            self.publishes(subject, None, &[], "{}").await;
        }
        self.is_refused("Publish", subjects).await;
    }

    /// Tries to hear each, and is refused each.
    pub async fn may_not_hear(&self, subjects: &[String]) {
        let mut heard = Vec::new();
        for subject in subjects {
            heard.push(self.client.subscribe(subject.clone()).await.expect("the connection stands"));
        }
        self.client.flush().await.expect("the connection stands");
        self.is_refused("Subscription", subjects).await;
    }

    async fn is_refused(&self, what: &str, subjects: &[String]) {
        let wanted = |subject: &String| format!("permissions violation for {what} to \"{subject}\"").to_lowercase();
        let missing = |complaints: &[String]| {
            let complaints: Vec<String> = complaints.iter().map(|complaint| complaint.to_lowercase()).collect();
            subjects.iter().filter(|subject| !complaints.iter().any(|said| said.contains(&wanted(subject)))).cloned().collect::<Vec<_>>()
        };
        let left = || missing(&self.complaints.lock().expect("no test died with it"));
        let found = tokio::time::timeout(
            COMPLAINT_WITHIN,
            eventually("every refusal", COMPLAINT_WITHIN * 2, async || left().is_empty().then_some(())),
        );
        assert!(found.await.is_ok(), "{what}: not refused: {:?}", left());
    }
}

fn all(headers: &[(&str, &str)]) -> HeaderMap {
    let mut all = HeaderMap::new();
    for &(name, value) in headers {
        all.insert(name, value);
    }
    all
}
