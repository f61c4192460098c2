//! Both doors lead to the same turns.

use std::time::Duration;

use async_nats::HeaderMap;
use proto::event::Event;
use proto::record::Record;
use proto::wire::Input;
use reqwest::Method;
use serde_json::json;
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::resource::{SECRET, rules, scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::{API_TOKEN, System};
use tests::view::Logged;

use crate::{SOON, session, small, system};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn input(log: &[Logged], index: usize) -> (&Record, &Input) {
    let record = &terminals(log).nth(index).expect("a terminal record").entry.record;
    (record, record.input().expect("the record of a simple turn has its input"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_forms_of_a_call_become_committed_turns_with_their_bytes() {
    let system = small().with(trigger("orders")).start().await;
    let older = r#"{ "text":"hello",  "session":"a", "contact":{"name":"Ada","email":"ada@example.com","phone":"+44 20 7946 0000"} }"#;
    let call = system.call("orders").header("content-type", "application/json").header("traceparent", TRACE).body(older);
    let answer = call.query("wait=10").send().await.ok();
    assert_eq!((answer.str("/status"), answer.str("/text")), ("completed", "hello"));
    assert_eq!(answer.told(), ["user:hello", "bot:hello"]);
    let contact = json!({ "name": "Ada", "email": "ada@example.com", "phone": "+44 20 7946 0000" });
    assert_eq!(answer.body.pointer("/messages/0/meta/contact"), Some(&contact));

    let opaque: &[u8] = b"\x00\xff raw \n";
    let later = system.call("orders").header("content-type", "application/octet-stream").body(opaque);
    let query = "session=b&contact.name=Bob%20B&contact_email=bob%40example.com&contact.phone=%2B1%20555%200100&wait=10";
    later.query(query).send().await.receipt();

    let log = system.settled(SOON).await;
    let (record, first) = input(&log, 0);
    assert_eq!((first.payload.as_ref(), first.content_type.as_str(), first.session.as_str()), (older.as_bytes(), "application/json", "a"));
    assert_eq!(record.traceparent.get(3..35), TRACE.get(3..35), "the caller's trace goes on");
    assert_eq!(record.attempt, 0);
    let (_, second) = input(&log, 1);
    assert_eq!((second.payload.as_ref(), second.text.as_str(), second.session.as_str()), (opaque, "", "b"));
    let contact = second.contact.clone().expect("a contact");
    assert_eq!([contact.name, contact.email, contact.phone], ["Bob B", "bob@example.com", "+1 555 0100"]);
    assert_eq!(log.len(), 2, "a simple turn is one record");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_publisher_shares_the_session_of_an_http_caller() {
    let system = small().with(trigger("orders")).start().await;
    let session = session("orders", "order-42");
    let first = system.call("orders").said("order-42", "over http").query("wait=10").send().await.ok();
    assert_eq!(first.str("/session"), session.token.as_str());
    // JSON without any header, JSON that says so, and protobuf.
    system.publish(&session, None, r#"{"text":"bare json","payload":{"b": 1.50},"session":"order-42"}"#).await;
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "application/json");
    headers.insert("traceparent", TRACE);
    system.publish(&session, Some(headers), r#"{"text":"said json","trigger":"orders"}"#).await;
    let event = Event { text: Some("protobuf".into()), payload: "p".into(), ..Event::default() };
    let receipt = system.publish(&session, None, event.encode()).await;
    let log = system.settled(SOON).await;
    assert_eq!(input(&log, 1).1.payload.as_ref(), br#"{"b": 1.50}"#);
    assert_eq!(input(&log, 2).0.traceparent, TRACE);
    let told = system.list(&first.conversation()).query("order=asc").send().await.ok().told();
    let texts = ["over http", "bare json", "said json", "protobuf"];
    let expected: Vec<String> = texts.iter().flat_map(|text| [format!("user:{text}"), format!("bot:{text}")]).collect();
    assert_eq!(told, expected);
    let fetched = system.fetch(&receipt).send().await.ok();
    assert_eq!((fetched.str("/status"), fetched.conversation()), ("completed", first.conversation()));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_waits_as_long_as_it_said_and_no_longer() {
    let slow = scripted("slow", json!({ "latency": "1s" }));
    let system = small().with(slow).with(trigger("orders")).with(trigger("slow").bot("slow")).start().await;
    let answer = system.call("orders").text("hi").header("prefer", "respond-async, wait=10").send().await.ok();
    assert_eq!((answer.str("/status"), answer.str("/text")), ("completed", "hi"));
    let answer = system.call("slow").text("hi").query("wait=0.2").send().await.ok();
    assert!(["queued", "running"].contains(&answer.str("/status")), "{}", answer.body);
    let bare = system.call("slow").text("hi").send().await.ok();
    assert_eq!(bare.body, json!({ "id": bare.str("/id"), "session": bare.str("/session"), "durability": "written" }));
    let answer = system.call("slow").text("hi").query("wait=10").send().await.ok();
    assert_eq!(answer.str("/status"), "completed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_tells_where_its_event_is() {
    let sink = Sink::start().await;
    sink.hold();
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" } });
    let system = system()
        .with(scripted("calls", json!({ "calls": [call], "reply": "done" })))
        .with(scripted("broken", json!({ "fail": "out of order" })))
        .with(trigger("orders").bot("calls"))
        .with(trigger("broken").bot("broken"))
        .gateways(1, &Setup::here());
    let mut system = system.start().await;
    let receipt = system.call("orders").text("hi").send().await.receipt();
    let failing = system.call("broken").text("hi").send().await.receipt();
    let fetched = system.fetch(&receipt).send().await.ok();
    assert_eq!((fetched.str("/status"), fetched.body.pointer("/attempts")), ("queued", Some(&json!(0))));
    system.start_worker(Setup::here()).await;
    sink.reached(1, SOON).await;
    let fetched = system.fetch(&receipt).send().await.ok();
    assert_eq!((fetched.str("/status"), fetched.body.pointer("/attempts")), ("running", Some(&json!(1))));
    assert_eq!(fetched.told(), ["user:hi", "activity"]);
    sink.release();
    system.settled(SOON).await;
    let fetched = system.fetch(&receipt).secret(API_TOKEN).send().await.ok();
    assert_eq!((fetched.str("/status"), fetched.str("/text")), ("completed", "done"));
    assert_eq!(fetched.told(), ["user:hi", "activity", "activity", "bot:done"]);
    assert_eq!(fetched.conversation().event, receipt.event);
    let fetched = system.fetch(&failing).send().await.ok();
    assert_eq!(fetched.str("/status"), "failed");
    assert_eq!(fetched.told(), ["user:hi", "activity:out of order"]);
    assert_eq!(fetched.str("/messages/1/meta/failure/code"), "CUE0607");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_listed_in_pages_in_both_orders_under_both_prefixes() {
    let system = small().with(trigger("orders")).start().await;
    let mut conversation = None;
    for number in 0..5 {
        let answer = system.call("orders").said("s", &format!("e{number}")).query("wait=10").send().await.ok();
        conversation = Some(answer.conversation());
    }
    let conversation = conversation.expect("a conversation");
    let all: Vec<String> = (0..5).flat_map(|number| [format!("user:e{number}"), format!("bot:e{number}")]).collect();
    let reversed: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(system.list(&conversation).send().await.ok().told(), reversed, "the newest first, unless asked otherwise");
    for (order, expected) in [("asc", &all), ("desc", &reversed)] {
        let (mut told, mut cursor) = (Vec::new(), String::new());
        while told.len() < all.len() {
            let path = format!("/api/v1/conversation/{conversation}/message/list?order={order}&take=3&cursor={cursor}");
            let page = system.request(0, Method::GET, &path).send().await.ok();
            assert!(!page.told().is_empty() && page.told().len() <= 3, "{}", page.body);
            told.extend(page.told());
            page.str("/cursor").clone_into(&mut cursor);
        }
        assert_eq!(&told, expected);
    }
    system.list(&conversation).query("order=up").send().await.assert_refused(400, "CUE0106");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_trigger_takes_events_from_anybody_and_shows_them_to_its_owner() {
    let system = small().with(trigger("open").open()).start().await;
    let answer = system.call("open").anonymous().text("hi").query("wait=10").send().await.ok();
    system.call("open").secret("wrong").text("hi").send().await.receipt();
    let receipt = answer.receipt();
    system.fetch(&receipt).anonymous().send().await.assert_refused(401, "CUE0201");
    system.list(&answer.conversation()).anonymous().send().await.assert_refused(401, "CUE0201");
    for secret in [SECRET, API_TOKEN] {
        assert_eq!(system.fetch(&receipt).secret(secret).send().await.ok().str("/status"), "completed");
        assert_eq!(system.list(&answer.conversation()).secret(secret).send().await.ok().told(), ["bot:hi", "user:hi"]);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_is_the_string_else_the_mail_else_the_phone_else_fresh() {
    let system = small().with(trigger("orders")).start().await;
    let contact = json!({ "name": "Ada", "email": "a@x.org", "phone": "+44 20" });
    let phone = json!({ "name": "Ada", "phone": "+44 20" });
    let token = |text: &str| proto::session::token(text).to_string();
    for (query, body, expected) in [
        ("", json!({ "session": "s", "contact": contact }), token("s")),
        ("session=q", json!({ "session": "s", "contact": contact }), token("q")),
        ("", json!({ "session": "", "contact": contact }), token("a@x.org")),
        ("contact.email=b%40x.org", json!({ "contact": contact }), token("b@x.org")),
        ("", json!({ "contact": phone }), token("+44 20")),
    ] {
        let answer = system.call("orders").json(&body).query(query).send().await.ok();
        assert_eq!(answer.str("/session"), expected, "{query} {body}");
    }
    let fresh = json!({ "text": "hi", "contact": { "name": "Ada" } });
    let one = system.call("orders").json(&fresh).send().await.receipt();
    let two = system.call("orders").json(&fresh).send().await.receipt();
    assert_ne!(one.session, two.session, "a name identifies nobody");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_ends_with_its_window() {
    let window = Duration::from_millis(2_500);
    let system = small().with(trigger("never").lasting(Duration::ZERO)).with(trigger("short").lasting(window)).start().await;
    let say = async |trigger: &str| system.call(trigger).said("s", "hi").query("wait=10").send().await.ok().conversation();
    assert_ne!(say("never").await, say("never").await, "no duration means no reuse");
    let first = say("short").await;
    assert_eq!(say("short").await, first);
    let next = eventually("the next conversation begins", SOON, async || Some(say("short").await).filter(|next| *next != first)).await;
    assert_eq!(next.session, first.session);
    let log = system.settled(SOON).await;
    let of = |id: &proto::id::ConversationId| {
        let times = terminals(&log).filter(|logged| logged.entry.record.conversation.id(&logged.session) == *id);
        times.map(|logged| logged.entry.record.received_at_ms).collect::<Vec<i64>>()
    };
    let (opened_at, window_ms) = (of(&first)[0], 2_500);
    assert!(of(&first).iter().all(|at| at - opened_at < window_ms), "the window is fixed from the opening event");
    assert!(of(&next)[0] - opened_at >= window_ms);
    assert_eq!(system.list(&next).send().await.ok().told().len(), 2, "a conversation has its own messages only");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_reads_what_was_said_before_whoever_owned_the_session_then() {
    let recall = rules("recall", json!({ "rules": [{ "reply": "before: {{ history | map(attribute='text') | join(',') }}" }] }));
    let mut system = small().with(trigger("orders").bot("recall")).with(recall).start().await;
    let say = async |system: &System, text: &str| {
        system.call("orders").said("s", text).query("wait=10").send().await.ok().str("/text").to_owned()
    };
    assert_eq!(say(&system, "a").await, "before: ");
    assert_eq!(say(&system, "b").await, "before: a,before: ", "the owner has it in memory");
    system.worker(0).stop().await;
    system.start_worker(Setup::here()).await;
    assert_eq!(say(&system, "c").await, "before: a,before: ,b,before: a,before: ", "another worker reads it from the log");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_of_a_trigger_replaces_the_callers_and_the_payload_stays() {
    let system = small().with(trigger("orders").text("a new order")).start().await;
    let body = json!({ "text": "the caller's", "n": 1 });
    let answer = system.call("orders").json(&body).query("wait=10").send().await.ok();
    assert_eq!(answer.told(), ["user:a new order", "bot:a new order"]);
    assert_eq!(answer.body.pointer("/messages/0/meta/payload"), Some(&body));
    let receipt = system.publish(&session("orders", "s"), None, r#"{"text":"a publisher's"}"#).await;
    system.settled(SOON).await;
    assert_eq!(system.fetch(&receipt).send().await.ok().told(), ["user:a new order", "bot:a new order"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_but_head_and_options_sends_an_event_under_both_prefixes() {
    let system = small().with(trigger("orders")).start().await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        system.call("orders").method(method.clone()).query("session=s").send().await.receipt();
        let path = "/api/v1/integration/trigger/orders/event?session=s";
        system.request(0, method, path).send().await.receipt();
    }
    for method in [Method::HEAD, Method::OPTIONS] {
        let answer = system.call("orders").method(method).anonymous().send().await.ok();
        assert_eq!(answer.str("/id"), "");
    }
    let log = system.settled(SOON).await;
    assert_eq!(log.len(), 10);
    system.finish().await;
}
