//! Lists: complete, in pages that stay right, and made again from the log whenever they are lost.

use std::collections::BTreeSet;

use backbone::direct;
use clap::Parser;
use proto::id::Receipt;
use proto::resource::contact;
use reqwest::Method;
use serde_json::{Value, json};
use tests::call::{Answer, Call};
use tests::eventually::eventually;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::system::{API_TOKEN, System};

use crate::{SOON, session, small, system};

fn get(system: &System, path: &str) -> Call {
    system.request(0, Method::GET, &format!("/v1{path}")).secret(API_TOKEN)
}

fn post(system: &System, path: &str, body: &Value) -> Call {
    system.request(0, Method::POST, &format!("/v1{path}")).secret(API_TOKEN).json(body)
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.body["items"].as_array().unwrap_or_else(|| panic!("no items: {}", answer.body)).clone()
}

fn ids(answer: &Answer) -> Vec<String> {
    items(answer).iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a list has so many items; the list.
async fn listed(system: &System, path: &str, count: usize) -> Answer {
    let has = async || Some(get(system, path).send().await).filter(|answer| answer.status == 200 && items(answer).len() == count);
    eventually(&format!("{path} has {count} items"), SOON, has).await
}

async fn send(system: &System, trigger: &str, from: usize, to: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for number in from..to {
        receipts.push(system.call(trigger).said(&format!("session {number}"), &format!("event {number}")).send().await.receipt());
    }
    receipts
}

/// All ids of a list, page by page.
async fn walk(system: &System, path: &str, mut between: impl AsyncFnMut()) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(system, &format!("{path}&cursor={cursor}")).send().await.ok();
        let Some(last) = page.body.get("cursor").and_then(Value::as_str) else { return found };
        cursor = last.to_owned();
        found.extend(ids(&page));
        between().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_stay_right_while_entries_arrive() {
    let system = small().with(trigger("orders")).with(trigger("other")).start().await;
    send(&system, "orders", 0, 23).await;
    send(&system, "other", 100, 104).await;
    let before = ids(&listed(&system, "/conversation/list?triggerId=orders", 23).await);
    for order in ["desc", "asc"] {
        let mut next = if order == "desc" { 200 } else { 300 };
        let found = walk(&system, &format!("/conversation/list?triggerId=orders&take=5&order={order}"), async || {
            if next % 100 < 4 {
                send(&system, "orders", next, next + 1).await;
                next += 1;
            }
        })
        .await;
        let distinct: BTreeSet<&String> = found.iter().collect();
        assert_eq!(distinct.len(), found.len(), "an item came twice, {order}");
        assert!(before.iter().all(|id| distinct.contains(id)), "an item that was there is missing, {order}");
    }
    assert_eq!(ids(&listed(&system, "/conversation/list?meta.trigger.integrationId=other", 4).await).len(), 4);
    assert_eq!(ids(&listed(&system, "/conversation/list?search=EVENT%20102", 1).await).len(), 1);
    get(&system, "/conversation/list?cursor=nothing").send().await.assert_refused(400, "CUE0130");
    let all = async || {
        let lines = get(&system, "/conversation/list?triggerId=orders").header("accept", "application/jsonl").send().await;
        (String::from_utf8_lossy(&lines.bytes).lines().count() >= 31).then_some(())
    };
    eventually("all pages are walked", SOON, all).await;
    system.finish().await;
}

#[derive(Parser)]
struct Reindex {
    #[command(flatten)]
    options: cuepoint::command::reindex::Options,
}

/// Everything that lists say of what was sent.
async fn all(system: &System) -> Vec<Value> {
    let paths = ["/conversation/list", "/event/log/list", "/usage/list", "/integration/trigger/orders/event/list", "/usage/fetch"];
    let mut found = Vec::new();
    for path in paths {
        found.push(get(system, path).send().await.ok().body);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_wiped_or_dropped_is_made_again_as_it_was() {
    let mut system = small().with(trigger("orders")).start().await;
    for number in 0..12 {
        system.call("orders").said(&format!("s{}", number % 5), "hello").send().await.receipt();
    }
    listed(&system, "/integration/trigger/orders/event/list?status=completed", 12).await;
    let before = all(&system).await;
    assert_eq!((items_of(&before[0]), items_of(&before[1]), before[4]["messages"].as_u64()), (5, 12, Some(24)), "{before:?}");
    let repaired = async |system: &System| {
        let is_back = async || (get(system, "/event/log/list").send().await.status == 200).then_some(());
        eventually("lists are answered", SOON, is_back).await;
        all(system).await
    };
    system.view().redis::<()>(&["FLUSHALL"]).await.unwrap();
    assert_eq!(repaired(&system).await, before, "after a wipe");
    let command = ["reindex", "--timeout", "20s"].map(str::to_owned).into_iter().chain(system.servers_told("index"));
    let asked = Reindex::try_parse_from(command).unwrap();
    cuepoint::command::reindex::run(&asked.options).await.unwrap();
    assert_eq!(all(&system).await, before, "after cuepoint reindex");
    let old: Vec<String> = system.view().redis(&["KEYS", "cue:{idx}:2:0:*"]).await.unwrap();
    assert!(old.is_empty(), "the dropped index is swept: {old:?}");
    // A second indexer at the same time changes nothing either.
    system.start_worker(Setup::here()).await;
    system.view().redis::<()>(&["FLUSHALL"]).await.unwrap();
    system.start_worker(Setup::here()).await;
    assert_eq!(repaired(&system).await, before, "with more than one indexer");
    system.finish().await;
}

fn items_of(list: &Value) -> usize {
    list["items"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_lists_are_refused_and_nothing_else_is() {
    let system = small().with(trigger("orders")).start().await;
    send(&system, "orders", 0, 1).await;
    listed(&system, "/conversation/list", 1).await;
    system.redis.kill().await;
    for path in ["/conversation/list", "/event/log/list", "/usage/fetch", "/approval/list", "/integration/trigger/orders/event/list"] {
        get(&system, path).send().await.assert_refused(503, "CUE0507");
    }
    let answered = system.call("orders").said("session 0", "again").query("wait=10").send().await.ok();
    assert_eq!(answered.str("/text"), "again");
    assert_eq!(get(&system, "/system/fetch").send().await.ok().body["index"], Value::Null);
    system.redis.restart().await;
    let list = listed(&system, "/integration/trigger/orders/event/list", 2).await;
    assert_eq!(items(&list)[0]["status"], "completed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_listed_by_status_called_off_together_and_run_again() {
    let bot = scripted("slow", json!({ "latency": "700ms" }));
    let system =
        system().with(bot).with(trigger("orders").bot("slow")).workers(1, &Setup::here()).gateways(1, &Setup::here()).start().await;
    let first = system.call("orders").said("one", "first").send().await.receipt();
    for number in 0..6 {
        system.call("orders").said("one", &format!("later {number}")).send().await.receipt();
    }
    let queued = async || {
        let list = get(&system, "/integration/trigger/orders/event/list?status=queued&order=asc").send().await;
        (list.status == 200 && items(&list).len() >= 5).then_some(list)
    };
    let list = eventually("events wait", SOON, queued).await;
    assert_eq!(items(&list).last().unwrap()["status"], "queued");
    let mut told = 0;
    let mut cursor = Value::Null;
    loop {
        let body = json!({ "status": "queued", "reason": "sent by mistake", "take": 2, "cursor": cursor });
        let answer = post(&system, "/integration/trigger/orders/event/cancel", &body).send().await.ok();
        assert_eq!(answer.body["failed"], 0);
        told += answer.body["cancelled"].as_u64().unwrap();
        match answer.body.get("cursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert!(told >= 5, "{told}");
    // The one that runs may end before it hears of it.
    let ended = async || {
        let list = get(&system, "/integration/trigger/orders/event/list").send().await;
        let is_over = |event: &Value| event["duration"].is_number();
        (list.status == 200 && items(&list).len() == 7 && items(&list).iter().all(is_over)).then_some(list)
    };
    let ended = eventually("all have ended", SOON, ended).await;
    let cancelled = items(&ended).iter().filter(|event| event["status"] == "cancelled").count();
    assert!(cancelled >= 5, "{}", ended.body);
    assert_eq!(ids(&listed(&system, "/integration/trigger/orders/event/list?status=cancelled", cancelled).await).len(), cancelled);
    let again = post(&system, &format!("/integration/trigger/orders/event/{first}/rerun"), &json!({})).send().await.receipt();
    system.ledger().note(again.clone());
    assert_eq!(again.session, first.session);
    let fetched = async || Some(system.fetch(&again).send().await.ok()).filter(|answer| answer.str("/status") == "completed");
    assert_eq!(eventually("it has run again", SOON, fetched).await.told(), ["user:first", "bot:first"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_and_sent_again_as_what_they_were() {
    let mut system = small().with(trigger("orders")).start().await;
    let to = session("orders", "s");
    system.publish(&to, None, r#"{"texd":"hi"}"#).await;
    system.publish_to("event.nothing.s", None, r#"{"text":"hi"}"#).await;
    system.publish_to("answer.nothing.s", None, r#"{"event":"evt.nothing.s.6a1b2c3d.1","call":"1.0","approve":true}"#).await;
    let list = async || Some(get(&system, "/dead/list").send().await.ok()).filter(|list| items(list).len() == 3);
    let list = eventually("three letters", SOON, list).await;
    let letter = |subject: &str| items(&list).into_iter().find(|letter| letter["subject"] == subject).unwrap();
    assert_eq!(letter("answer.nothing.s")["type"], "answer");
    let fetched = get(&system, &format!("/dead/{}/fetch", letter("event.nothing.s")["id"].as_str().unwrap())).send().await.ok();
    assert_eq!(fetched.str("/text"), r#"{"text":"hi"}"#);
    let replay = |subject: &str| post(&system, &format!("/dead/{}/replay", letter(subject)["id"].as_str().unwrap()), &json!({}));
    replay("event.nothing.s").send().await.assert_refused(404, "CUE0302");
    replay("answer.nothing.s").send().await.assert_refused(404, "CUE0302");
    system.put(&trigger("nothing").into()).await;
    let again = eventually("the trigger is known", SOON, async || {
        Some(replay("event.nothing.s").send().await).filter(|answer| answer.status == 200)
    })
    .await;
    let receipt: Receipt = again.str("/id").parse().unwrap();
    system.ledger().note(receipt.clone());
    let done = async || Some(system.fetch(&receipt).send().await.ok()).filter(|answer| answer.str("/status") == "completed");
    assert_eq!(eventually("it has run", SOON, done).await.told(), ["user:hi", "bot:hi"]);
    // An answer goes where answers go: it is closed in the log and no event comes of it.
    assert_eq!(replay("answer.nothing.s").send().await.status, 200);
    let log = async || Some(system.view().log_of(&receipt.session).await).filter(|log| log.len() == 2);
    let log = eventually("the answer is closed", SOON, log).await;
    assert!(matches!(&log[1].record.step, Some(proto::record::Step::Received(received)) if received.unwanted));
    let many = post(&system, "/dead/replay", &json!({ "triggerId": "orders" })).send().await.ok();
    assert_eq!((many.body["replayed"].as_u64(), many.body.get("cursor")), (Some(1), None));
    system.ledger().note(many.str("/items/0/eventId").parse().unwrap());
    let doubled = async || Some(get(&system, "/dead/list?triggerId=orders").send().await.ok()).filter(|list| items(list).len() == 2);
    eventually("what cannot be read is buried again", SOON, doubled).await;
    system.take_dead().await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_conversation_makes_its_contact_known_once() {
    let system = small().with(trigger("orders")).start().await;
    for text in ["one", "two"] {
        system.call("orders").query("contact.email=ada@example.com").query("contact.name=Ada").text(text).send().await.receipt();
    }
    let list = listed(&system, "/conversation/list?take=10", 1).await;
    let contact = items(&list)[0]["contactId"].as_str().unwrap().to_owned();
    let known = proto::event::Contact { name: Some("Ada".into()), email: Some("ada@example.com".into()), phone: None };
    assert_eq!(contact, contact::id_of(&contact::fingerprint(&known).unwrap()).to_string());
    assert_eq!(ids(&get(&system, &format!("/contact/{contact}/conversation/list")).send().await.ok()), ids(&list));
    let subject = index::contact::subject_of(&contact);
    let card = direct::last_from_leader(system.view().client(), &index::contact::stream(), &subject).await.unwrap().unwrap();
    let card = contact::Card::decode(contact.parse().unwrap(), card.body).unwrap();
    assert_eq!((card.name.as_str(), card.email.as_str()), ("Ada", "ada@example.com"));
    // Once it is deleted, making the index again does not bring it back.
    let bucket = system.view().context().get_key_value(proto::subject::CONTACTS).await.unwrap();
    bucket.delete(&contact).await.unwrap();
    system.view().redis::<()>(&["FLUSHALL"]).await.unwrap();
    listed(&system, "/conversation/list?take=10", 1).await;
    assert!(bucket.get(&contact).await.unwrap().is_none());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_event_log_is_followed_and_the_system_shows_itself() {
    let system = small().with(trigger("orders")).start().await;
    listed(&system, "/event/log/list", 0).await;
    let mut log = post(&system, "/event/log/subscribe", &json!({ "historyLength": 0 })).open().await;
    let receipt = system.call("orders").said("s", "hello").send().await.receipt();
    let piece = log.next().await.unwrap();
    assert_eq!((piece.kind.as_str(), piece.data["type"].as_str()), ("item", Some("integration.trigger.interact")));
    assert_eq!(piece.data["meta"]["event"], receipt.to_string());
    drop(log);
    let seen = get(&system, "/system/fetch").send().await.ok().body;
    assert_eq!((seen["index"]["complete"].as_bool(), seen["index"]["lag"].as_u64()), (Some(true), Some(0)), "{seen}");
    assert_eq!(seen["workers"][0]["roles"], json!(["turns", "index", "deliver"]));
    assert_eq!(seen["index"]["leader"], seen["workers"][0]["id"]);
    assert!(seen["streams"].as_array().unwrap().iter().any(|stream| stream["name"] == "LOG" && stream["messages"] == 1));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_is_forgotten_with_all_that_was_said() {
    let system = small().with(trigger("orders")).start().await;
    // Sent past the ledger, which wants every event to be in the log in the end.
    for (email, text) in [("ada@example.com", "one"), ("ada@example.com", "two"), ("bob@example.com", "three")] {
        let body = json!({ "text": text, "contact": { "email": email } }).to_string();
        let receipt = system.publish_to(&proto::subject::event(&session("orders", text)), None, body).await;
        if email.starts_with("bob") {
            system.ledger().note(Receipt { session: session("orders", text), event: receipt });
        }
    }
    let list = listed(&system, "/conversation/list", 3).await;
    let known = proto::event::Contact { name: None, email: Some("ada@example.com".into()), phone: None };
    let ada = contact::id_of(&contact::fingerprint(&known).unwrap()).to_string();
    let (hers, others): (Vec<_>, Vec<_>) = items(&list).into_iter().partition(|item| item["contactId"] == ada.as_str());
    assert_eq!((hers.len(), others.len()), (2, 1), "{}", list.body);
    let erased = post(&system, &format!("/contact/{ada}/erase"), &json!({})).send().await.ok();
    assert_eq!((erased.body["conversations"].as_u64(), erased.body["done"].as_bool()), (Some(2), Some(true)), "{}", erased.body);
    assert_eq!(ids(&listed(&system, "/conversation/list", 1).await), [others[0]["id"].as_str().unwrap()]);
    for path in ["/event/log/list", "/integration/trigger/orders/event/list"] {
        let left = get(&system, path).send().await.ok();
        assert!(hers.iter().all(|item| !left.body.to_string().contains(item["id"].as_str().unwrap())), "{path}: {}", left.body);
    }
    // A reader whose last entry is gone goes on behind its place.
    let cursor = hers[0]["id"].as_str().unwrap();
    get(&system, &format!("/conversation/list?cursor={cursor}")).send().await.ok();
    let bucket = system.view().context().get_key_value(proto::subject::CONTACTS).await.unwrap();
    assert!(bucket.get(&ada).await.unwrap().is_none());
    // What is left is what a new index has, too.
    system.view().redis::<()>(&["FLUSHALL"]).await.unwrap();
    listed(&system, "/conversation/list", 1).await;
    system.finish().await;
}
