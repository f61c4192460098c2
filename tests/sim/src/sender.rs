//! Who sends events: callers over HTTP with and without keys, publishers on the broker, and the API of conversations.

use std::time::Duration;

use async_nats::HeaderMap;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use backbone::publish;
use backbone::requests::Line;
use bytes::Bytes;
use proto::answer::Kind;
use proto::event::Event;
use proto::id::{ConversationId, EventSeq, Receipt, SessionKey};
use proto::limit::PUBLISH_DEADLINE;
use proto::status::Status;
use proto::{header, session, subject, wire};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use worker::port::Inbox;

use crate::gateway::SECRET;
use crate::line::SimLine;
use crate::state::{Sent, Service};
use crate::world::{self, SESSIONS, World};

/// How often a caller tries to get a receipt.
const TRIES_MAX: u32 = 40;
/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that an answer of a gateway has, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What is sent.
#[derive(Clone)]
struct Letter {
    /// Its place among all that was sent.
    place: usize,
    number: u64,
    string: String,
    session: SessionKey,
    text: String,
}

/// Sends one event by one of the doors, and sees to it that it arrives.
pub(crate) fn send(world: &World, number: u64) {
    let (letter, door) = {
        let mut state = world.state();
        let string = format!("s{}", state.random.below(SESSIONS));
        let session = SessionKey { trigger: "t".parse().expect("a trigger id"), token: session::token(&string) };
        let what = match state.random.below(20) {
            _ if state.only.is_some() => state.only.unwrap_or_default(),
            0 if state.is_faulty => "poison",
            1 if !state.is_faulty => "slow",
            2 | 3 => "call retry",
            4 | 5 if state.is_faulty => "ask",
            6..9 => "call fail",
            _ => "plain",
        };
        let text = format!("{what}#{number}");
        state.say(format!("event number {number} to {string}: {text}"));
        state.sent.push(Sent { number, session: session.clone(), receipt: None, is_over: false });
        let letter = Letter { place: state.sent.len() - 1, number, string, session, text };
        (letter, state.random.below(8))
    };
    let world = world.clone();
    match door {
        _ if world.state().only.is_some() => store(&world, &letter),
        0 | 1 => store(&world, &letter),
        2 | 3 => world::outside(async move { publish(&world, &letter).await }),
        4 => world::outside(async move { call(&world, &letter, None).await }),
        _ => world::outside(async move { call(&world, &letter, Some(format!("key-{}", letter.number))).await }),
    }
}

fn over(world: &World, letter: &Letter, receipt: Option<&Receipt>) {
    let mut state = world.state();
    if let Some(receipt) = receipt {
        state.confirm(letter.place, receipt);
    }
    if let Some(sent) = state.sent.get_mut(letter.place) {
        sent.is_over = true;
    }
}

/// What the API of conversations sends: it lies in the stream at once.
fn store(world: &World, letter: &Letter) {
    let mut state = world.state();
    let mut event = Event { text: Some(letter.text.clone()), ..Event::default() };
    if state.only.is_none() && state.random.below(2) == 0 {
        let settings = wire::Settings { name: "sim".into(), ..wire::Settings::default() };
        let note = wire::Note { r#type: "user".into(), text: "noted".into(), ..wire::Note::default() };
        let quiet = state.random.below(2) == 0;
        event.direct = Some(wire::Direct { settings: Some(settings), notes: vec![note], quiet, ..wire::Direct::default() });
        let last = state.log.get(&letter.session).and_then(|log| log.last()).map(|last| last.record.conversation.opening);
        event.conversation = last.filter(|opening| opening.seq > 0).map(|event| ConversationId { session: letter.session.clone(), event });
    }
    let (event, _) = state.store(Inbox::Event, letter.session.clone(), event.encode(), None);
    drop(state);
    over(world, letter, Some(&Receipt { session: letter.session.clone(), event }));
    speak_early(world, letter, event);
}

/// What somebody says to an event before its turn.
fn speak_early(world: &World, letter: &Letter, event: EventSeq) {
    let mut state = world.state();
    if state.only.is_some() {
        return;
    }
    if letter.text.starts_with("ask") && state.random.below(3) == 0 {
        state.say_to(letter.session.clone(), event, Kind::Approved(wire::Approved::default()), "1.1");
    } else if !state.is_quiet && state.random.below(8) == 0 {
        state.say_to(letter.session.clone(), event, Kind::Cancel(wire::Cancel::default()), "");
    }
}

/// A publisher on the broker repeats a publish under one id until it is confirmed.
async fn publish(world: &World, letter: &Letter) {
    let line = Line::Stage(std::sync::Arc::new(SimLine::new(world.clone(), "a publisher".to_owned(), "publisher")));
    let body = Event { text: Some(letter.text.clone()), session: Some(letter.string.clone()), ..Event::default() }.encode();
    for _ in 0..TRIES_MAX {
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, format!("publisher-{}", letter.number));
        let subject = subject::event(&letter.session);
        match publish::confirmed(&line, subject, Some(headers), body.clone(), PUBLISH_DEADLINE).await {
            Ok(stored) => {
                let epoch = subject::epoch_of_stream(&stored.stream).expect("a stream of events");
                let event = EventSeq { epoch, seq: stored.seq };
                over(world, letter, Some(&Receipt { session: letter.session.clone(), event }));
                return speak_early(world, letter, event);
            }
            Err(_) => pause(world).await,
        }
    }
    over(world, letter, None);
}

async fn pause(world: &World) {
    let pause = Duration::from_millis(100 + world.state().random.below(900));
    tokio::time::sleep(pause).await;
}

/// A caller over HTTP; one with a key repeats the call until there is a receipt, one without never does.
async fn call(world: &World, letter: &Letter, key: Option<String>) {
    let body = json!({ "text": letter.text, "session": letter.string }).to_string();
    for _ in 0..TRIES_MAX {
        let answer = ask(world, "POST", "/v1/integration/trigger/t/event", key.as_deref(), body.clone()).await;
        if let Some((StatusCode::OK, told)) = &answer {
            let receipt: Receipt = told.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()).expect("a receipt");
            over(world, letter, Some(&receipt));
            speak_early(world, letter, receipt.event);
            if let Some(key) = &key {
                again(world, letter, key, &body).await;
            }
            return;
        }
        if let Some((status, told)) = &answer
            && !matches!(*status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            && !is_erased(world, &letter.session)
        {
            let what = format!("event number {} is answered {status} {told}", letter.number);
            world.state().violate(what);
            break;
        }
        if key.is_none() {
            break;
        }
        pause(world).await;
    }
    over(world, letter, None);
}

/// Whether what became of the session's events may be gone with a conversation.
fn is_erased(world: &World, session: &SessionKey) -> bool {
    world.state().erased.iter().any(|(erased, _)| erased == session)
}

/// The key once more: with the same event, which has one receipt, or with another, which has none.
async fn again(world: &World, letter: &Letter, key: &str, body: &str) {
    let pick = world.state().random.below(6);
    if pick == 0 {
        let answer = ask(world, "POST", "/v1/integration/trigger/t/event", Some(key), body.to_owned()).await;
        if let Some((StatusCode::OK, told)) = &answer
            && let Some(receipt) = told.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok())
        {
            world.state().confirm(letter.place, &receipt);
        }
    } else if pick == 1 {
        let other = json!({ "text": "plain#0", "session": letter.string }).to_string();
        if let Some((StatusCode::OK, told)) = ask(world, "POST", "/v1/integration/trigger/t/event", Some(key), other).await {
            world.state().violate(format!("I1: the key of event number {} is answered for another event: {told}", letter.number));
        }
    }
}

/// One call of some gateway that lives; none where no answer came.
async fn ask(world: &World, method: &str, path: &str, key: Option<&str>, body: String) -> Option<(StatusCode, Value)> {
    let (router, killed) = {
        let mut state = world.state();
        let place = state.random.next();
        let open: Vec<_> = state.seats.iter().filter(|seat| seat.is_alive && seat.desk().is_none()).collect();
        let seat = open.get(usize::try_from(place).unwrap_or(0) % open.len().max(1))?;
        match &seat.service {
            Service::Gateway { router, killed } => (router.clone(), killed.clone()),
            Service::Worker(_) => return None,
        }
    };
    let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {SECRET}"));
    request = request.header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(Body::from(body)).expect("a request");
    let answered = async {
        let response = router.oneshot(request).await.expect("routers answer");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await.unwrap_or_else(|_| Bytes::new());
        (status, serde_json::from_slice(&body).unwrap_or_default())
    };
    tokio::select! {
        biased;
        () = killed.cancelled() => None,
        answer = tokio::time::timeout(PATIENCE, answered) => answer.ok(),
    }
}

/// Asks for the status of what was sent, at some moment of the run or at its end.
pub(crate) async fn ask_status(world: &World, receipt: &Receipt) -> Option<Option<Status>> {
    let path = format!("/v1/integration/trigger/t/event/{receipt}/fetch");
    match ask(world, "GET", &path, None, String::new()).await? {
        (StatusCode::OK, told) => {
            let name = told.get("status").and_then(Value::as_str).unwrap_or_default().to_owned();
            let open = [Status::Queued, Status::Running, Status::Waiting].into_iter().find(|status| status.as_str() == name);
            Some(Status::of_end(&name).or(open))
        }
        (StatusCode::NOT_FOUND, _) => Some(None),
        _ => None,
    }
}

/// Whether everybody who has a receipt is told the end of their event.
pub(crate) async fn look_up(world: &World) -> Result<(), String> {
    let (receipts, erased) = {
        let state = world.state();
        if state.fault.is_some() || state.only.is_some() {
            return Ok(());
        }
        let receipts: Vec<Receipt> = state.sent.iter().filter_map(|sent| sent.receipt.clone()).collect();
        let erased: Vec<SessionKey> = state.erased.iter().map(|(session, _)| session.clone()).collect();
        (receipts, erased)
    };
    for receipt in receipts.iter().filter(|receipt| !erased.contains(&receipt.session)) {
        let mut told = None;
        for _ in 0..TRIES_MAX {
            told = ask_status(world, receipt).await;
            // A replica that lags may still show a turn that has ended.
            if told.flatten().is_some_and(Status::is_final) {
                break;
            }
            pause(world).await;
        }
        match told {
            Some(Some(status)) if status.is_final() => world.state().tally.end("ends told"),
            other => return Err(format!("I1: at the end {receipt} is said to be {other:?}")),
        }
    }
    Ok(())
}
