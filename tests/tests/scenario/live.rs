//! A conversation is followed as it goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::HeaderMap;
use backbone::publish;
use proto::header;
use proto::id::{ConversationId, Receipt};
use proto::limit::PUBLISH_DEADLINE;
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
use proto::subject;
use proto::wire::Completed;
use reqwest::Method;
use serde_json::{Value, json};
use tests::call::Call;
use tests::eventually::eventually;
use tests::resource::{SECRET, scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::stream::{Piece, Stream, Unread};
use tests::system::{API_TOKEN, System};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{SOON, session, small, system};

const EVENTS: &str = "text/event-stream";
const LINES: &str = "application/jsonl";

fn follow_event(system: &System, receipt: &Receipt) -> Call {
    system.of_event(receipt, Method::GET, "subscribe")
}

/// Begins a conversation.
async fn opened(system: &System) -> ConversationId {
    system.call("orders").said("s", "first").query("wait=10").send().await.ok().conversation()
}

/// The first piece is a ping that says behind what to resume.
async fn begun(call: Call) -> Stream {
    let mut stream = call.open().await;
    let first = stream.next_of_all().await.expect("a piece");
    assert!(first.kind == "ping" && first.id.is_some(), "{first:?}");
    stream
}

/// Tells news of a turn, as its worker does.
async fn tell(system: &System, receipt: &Receipt, kind: &str, data: &Value) {
    let body = json!({ "type": kind, "event": receipt.to_string(), "data": data }).to_string();
    system.view().client().publish(subject::live(&receipt.session), body.into()).await.unwrap();
}

fn said(pieces: &[Piece]) -> Vec<String> {
    pieces.iter().map(Piece::said).collect()
}

/// The ids of all messages of a conversation, in order.
async fn listed(system: &System, conversation: &ConversationId) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = system.list(conversation).query(&format!("order=asc&cursor={cursor}")).send().await.ok();
        let items = page.body["items"].as_array().expect("items").clone();
        if items.is_empty() {
            return ids;
        }
        ids.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        page.str("/cursor").clone_into(&mut cursor);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_followed_in_both_forms_with_its_news_in_between() {
    let sink = Sink::start().await;
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" } });
    let bot = scripted("calls", json!({ "calls": [call], "reply": "grüße 你好 🙂", "latency": "300ms" }));
    let system = small().with(bot).with(trigger("orders").bot("calls")).start().await;
    let conversation = opened(&system).await;
    let mut streams = Vec::new();
    for accept in [EVENTS, LINES, "*/*", "application/json"] {
        streams.push(begun(system.follow(&conversation).header("accept", accept)).await);
    }
    sink.hold();
    let hits = sink.hits().len();
    let receipt = system.call("orders").said("s", "наступний").send().await.receipt();
    sink.reached(hits + 1, SOON).await;
    for stream in &mut streams {
        // What was begun is told while it runs: the sink has not let go.
        assert_eq!(stream.until("operationBegin").await, ["user:наступний", "activity", "operationBegin"]);
    }
    tell(&system, &receipt, "token", &json!({ "token": "é🙂" })).await;
    for stream in &mut streams {
        let news = stream.next().await.expect("news");
        assert_eq!((news.said().as_str(), news.id, news.event), ("token:é🙂", None, Some(receipt.to_string())));
    }
    sink.release();
    let mut told = Vec::new();
    for stream in &mut streams {
        let mut pieces = Vec::new();
        while pieces.last().is_none_or(|piece: &Piece| piece.kind != "result") {
            pieces.push(stream.next().await.expect("a piece"));
        }
        // The end of the operation is told before the turn's, and the log's own order is kept.
        let (news, committed): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(|piece| piece.id.is_none());
        assert_eq!(said(&news), ["operationEnd"]);
        assert_eq!(said(&committed), ["activity", "bot:grüße 你好 🙂", "result:completed"]);
        told.push(committed);
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "all forms say the same");
    let result = &told[0].last().expect("a result").data;
    assert_eq!((&result["id"], &result["text"]), (&json!(receipt.to_string()), &json!("grüße 你好 🙂")));
    assert_eq!((&result["end"], &result["usage"]["token"]), (&json!({ "reason": "stop" }), &json!(0)));
    assert_eq!(result["conversationId"], json!(conversation.to_string()));

    // A turn that has ended has no more news, and the next one has.
    tell(&system, &receipt, "token", &json!({ "token": "too late" })).await;
    let mut later = receipt.clone();
    later.event.seq += 100;
    tell(&system, &later, "reasoningToken", &json!({ "token": "in time" })).await;
    for stream in &mut streams {
        assert_eq!(stream.next().await.expect("news").said(), "reasoningToken:in time");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_only_what_is_new_is_told_and_with_it_all_that_comes_behind() {
    let system = small().with(trigger("orders")).start().await;
    let conversation = opened(&system).await;
    let mut fresh = begun(system.follow(&conversation)).await;
    let mut whole = begun(system.follow(&conversation).query("after=0")).await;
    system.call("orders").said("s", "second").query("wait=10").send().await.receipt();
    let second = ["user:second", "bot:second", "result:completed"];
    assert_eq!(fresh.until("result:completed").await, second);
    assert_eq!(whole.until("result:completed").await, ["user:first", "bot:first", "result:completed"]);
    assert_eq!(whole.until("result:completed").await, second);
    let ids = listed(&system, &conversation).await;
    for (place, expected) in [
        (ids[0].clone(), vec!["bot:first", "result:completed", "user:second", "bot:second", "result:completed"]),
        (ids[1].clone(), vec!["result:completed", "user:second", "bot:second", "result:completed"]),
        (ids[1].replace(".1", ".2"), second.to_vec()),
        (ids[1].replace(".1", ""), second.to_vec()),
        (ids[3].clone(), vec!["result:completed"]),
    ] {
        let mut told = Vec::new();
        let mut by_query = begun(system.follow(&conversation).query(&format!("after={place}"))).await;
        let mut by_header = begun(system.follow(&conversation).query("after=0").header("last-event-id", &place)).await;
        for _ in &expected {
            let piece = by_query.next().await.expect("a piece");
            assert_eq!(by_header.next().await.as_ref(), Some(&piece));
            told.push(piece.said());
        }
        assert_eq!(told, expected, "behind {place}");
    }
    system.finish().await;
}

/// What one reader has seen over all its connections.
#[derive(Default)]
struct Seen {
    last: Option<String>,
    messages: Vec<String>,
    results: Vec<String>,
    bytes: usize,
}

impl Seen {
    fn take(&mut self, piece: Piece) {
        if let Some(id) = &piece.id {
            self.last = Some(id.clone());
        }
        match piece.kind.as_str() {
            "message" => self.messages.push(piece.id.expect("a place")),
            "result" => self.results.push(piece.data["id"].as_str().expect("a receipt").to_owned()),
            _ => {}
        }
    }
}

/// Reads a stream up to so many bytes, and cuts it off there, wherever that is.
async fn read_and_cut(call: Call, is_events: bool, bytes_max: usize, seen: &mut Seen) {
    let call = call.header("accept", if is_events { EVENTS } else { LINES });
    let call = match &seen.last {
        Some(last) => call.header("last-event-id", last),
        None => call.query("after=0"),
    };
    let mut response = call.respond().await.expect("the gateway answers");
    let (mut unread, mut read) = (Unread::new(is_events), 0);
    while read < bytes_max {
        let chunk = tokio::time::timeout(SOON, response.chunk()).await.expect("something comes").unwrap().expect("no end");
        let kept = chunk.get(..chunk.len().min(bytes_max - read)).unwrap_or_default();
        read += kept.len();
        unread.push(kept);
        while let Some(piece) = unread.whole() {
            seen.take(piece);
        }
    }
    seen.bytes += read;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_cut_off_anywhere_resumes_without_loss_or_repeat() {
    let echo = json!({ "calls": [{ "ability": "echo", "with": { "a": "ü" } }] });
    let system = small().with(scripted("calls", echo)).with(trigger("orders").bot("calls")).start().await;
    let conversation = opened(&system).await;
    let writing = async {
        let mut receipts = Vec::new();
        for number in 0..60 {
            let text = format!("{number} {}", "ünïcödé 🙂 ".repeat(number % 7));
            receipts.push(system.call("orders").said("s", &text).query("wait=10").send().await.ok().receipt().to_string());
        }
        receipts
    };
    let mut seen = Seen::default();
    let reading = async {
        for cut in 0..20_usize {
            let random = usize::from(u16::from_le_bytes(backbone::chance::bytes()));
            read_and_cut(system.follow(&conversation), cut % 2 == 0, 1 + random % 4_000, &mut seen).await;
        }
    };
    let (receipts, ()) = tokio::join!(writing, reading);
    let expected = listed(&system, &conversation).await;
    assert_eq!(expected.len(), 61 * 4);
    assert!(seen.messages.len() < expected.len(), "the cuts came before the end: {} bytes", seen.bytes);
    let mut stream = begun(system.follow(&conversation).header("last-event-id", seen.last.as_deref().unwrap_or("0"))).await;
    while seen.results.len() < 61 {
        seen.take(stream.next().await.expect("a piece"));
    }
    assert_eq!(seen.messages, expected, "each once, in order");
    assert_eq!(seen.results.iter().skip(1).collect::<Vec<_>>(), receipts.iter().collect::<Vec<_>>());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_was_told_nothing_yet_loses_nothing_either() {
    let system = small().with(trigger("orders")).start().await;
    let conversation = opened(&system).await;
    let mut stream = system.follow(&conversation).open().await;
    let place = stream.next_of_all().await.and_then(|piece| piece.id).expect("a place");
    drop(stream);
    system.call("orders").said("s", "meanwhile").query("wait=10").send().await.receipt();
    let mut stream = begun(system.follow(&conversation).header("last-event-id", place)).await;
    assert_eq!(stream.until("result:completed").await, ["user:meanwhile", "bot:meanwhile", "result:completed"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_is_cut_off_and_resumes_and_delays_nobody() {
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &Setup::here().followers(3)).start().await;
    let conversation = opened(&system).await;
    let address = system.gateway(0).name.clone();
    let mut quick = begun(system.follow(&conversation)).await;
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let mut stuck = TcpStream::connect(&address).await.unwrap();
    let head = format!("GET /v1/conversation/{conversation}/subscribe HTTP/1.0\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    stuck.write_all(head.as_bytes()).await.unwrap();
    let text = "x".repeat(100_000);
    // All at once: a connection that takes nothing for 15 s is closed without a word, and that begins to count
    // with the first words that find no room.
    for number in 0..60 {
        system.call("orders").said("s", &format!("{number} {text}")).send().await.receipt();
    }
    for _ in 0..60 {
        quick.until("result:completed").await;
    }
    let began = Instant::now();
    // Kernels keep some megabytes; the rest lies in the log until the reader is given up.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let mut answer = Vec::new();
    drop(tokio::time::timeout(SOON * 3, slow.read_to_end(&mut answer)).await.expect("the connection ends"));
    tracing::info!(bytes = answer.len(), after_ms = began.elapsed().as_millis(), "the slow reader's stream ended");
    let begins = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let (mut unread, mut seen, mut last) = (Unread::new(false), Seen::default(), None);
    unread.push(&answer[begins..]);
    while let Some(piece) = unread.whole() {
        last = Some(piece.clone());
        seen.take(piece);
    }
    let last = last.expect("pieces");
    assert_eq!((last.kind.as_str(), &last.data["error"]), ("error", &json!("CUE0504")), "{last:?}");
    assert!(seen.results.len() < 60, "it was cut off before the end");
    let mut stream = begun(system.follow(&conversation).header("last-event-id", seen.last.clone().expect("a place"))).await;
    while seen.results.len() < 60 {
        seen.take(stream.next().await.expect("a piece"));
    }
    let expected = listed(&system, &conversation).await;
    assert_eq!(seen.messages, expected[2..], "what came after it began to follow, each once, in order");
    // The connection that never reads is closed, and its place is free.
    drop((stream, quick));
    let three = async || {
        let opened = futures_util::future::join_all((0..3).map(|_| system.follow(&conversation).respond())).await;
        opened.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200)).then_some(())
    };
    eventually("all places are free", SOON * 3, three).await;
    drop(stuck);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_says_so_and_does_not_wait_for_its_readers() {
    let mut system = small().with(trigger("orders")).start().await;
    let conversation = opened(&system).await;
    let receipt = system.call("orders").said("s", "second").query("wait=10").send().await.receipt();
    let mut streams = vec![begun(system.follow(&conversation)).await, begun(system.follow(&conversation).header("accept", EVENTS)).await];
    let mut ended = begun(follow_event(&system, &receipt)).await;
    assert_eq!(ended.until("result:completed").await.len(), 3);
    let began = Instant::now();
    system.gateway(0).stop().await;
    assert!(began.elapsed() < Duration::from_secs(3), "it took {:?}", began.elapsed());
    for stream in &mut streams {
        assert_eq!(said(&stream.rest().await), ["end:shutdown"]);
    }
    assert_eq!(ended.rest().await, [], "a result is the last of an event");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_whose_time_is_over_ends_its_stream_and_not_before_its_last_turn() {
    let slow = scripted("slow", json!({ "latency": "1500ms" }));
    let lasting = trigger("orders").lasting(Duration::from_secs(3));
    let system = small().with(slow).with(lasting).with(trigger("slow").bot("slow").lasting(Duration::from_secs(2)));
    let system = system.with(trigger("single").bot("slow").lasting(Duration::ZERO)).start().await;

    let conversation = opened(&system).await;
    let mut stream = begun(system.follow(&conversation).query("after=0")).await;
    let told = stream.until("end:expired").await;
    assert_eq!(told, ["user:first", "bot:first", "result:completed", "end:expired"]);
    assert_eq!(stream.next().await, None);
    let answer = system.call("orders").said("s", "a new one").query("wait=10").send().await.ok();
    assert_ne!(answer.conversation(), conversation);
    let mut stream = begun(system.follow(&conversation).query("after=0")).await;
    assert_eq!(said(&stream.rest().await), ["user:first", "bot:first", "result:completed", "end:expired"], "and nothing of the next");
    let mut stream = begun(system.follow(&conversation)).await;
    assert_eq!(said(&stream.rest().await), ["end:expired"]);

    // The second event comes in time, and its turn ends after it.
    let first = system.call("slow").said("s", "one").query("wait=10").send().await.ok();
    let mut stream = begun(system.follow(&first.conversation())).await;
    let second = system.call("slow").said("s", "two").send().await.receipt();
    assert_eq!(said(&stream.rest().await), ["user:two", "bot:two", "result:completed", "end:expired"]);
    assert_eq!(system.fetch(&second).send().await.ok().conversation(), first.conversation());

    let only = system.call("single").said("s", "only").query("wait=10").send().await.ok();
    let mut stream = begun(system.follow(&only.conversation()).query("after=0")).await;
    assert_eq!(said(&stream.rest().await), ["user:only", "bot:only", "result:completed", "end:expired"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_followed_from_wherever_it_is_to_its_result() {
    let slow = scripted("slow", json!({ "latency": "400ms" }));
    let system = system().with(slow).with(trigger("orders").bot("slow")).gateways(1, &Setup::here());
    let mut system = system.start().await;
    let mut receipts = Vec::new();
    for text in ["one", "two", "three"] {
        receipts.push(system.call("orders").said("s", text).send().await.receipt());
    }
    let mut streams = Vec::new();
    for receipt in &receipts {
        streams.push(begun(follow_event(&system, receipt)).await);
    }
    system.of_event(&receipts[2], Method::POST, "cancel").json(&json!({ "reason": "enough" })).send().await.ok().receipt();
    system.start_worker(Setup::here()).await;
    let two = streams[1].rest().await;
    assert_eq!(said(&two), ["user:two", "bot:two", "result:completed"], "and nothing of the others");
    assert_eq!(said(&streams[0].rest().await), ["user:one", "bot:one", "result:completed"]);
    let three = streams[2].rest().await;
    assert_eq!(three.last().map(Piece::said).as_deref(), Some("result:cancelled"));
    assert_eq!(three.last().expect("a result").data["end"]["reason"], "abort");
    system.settled(SOON).await;
    for accept in [EVENTS, LINES] {
        let call = || follow_event(&system, &receipts[1]).header("accept", accept);
        assert_eq!(begun(call()).await.rest().await, two, "the same once it has ended");
        let (message, result) = (two[0].id.clone().expect("a place"), two[2].id.clone().expect("a place"));
        assert_eq!(begun(call().header("last-event-id", message)).await.rest().await, two[1..]);
        assert_eq!(said(&begun(call().header("last-event-id", result)).await.rest().await), ["end:done"]);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_pings_and_ends_where_its_event_is_gone() {
    let system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    let mut stream = begun(follow_event(&system, &receipt)).await;
    let silent_since = Instant::now();
    let ping = stream.next_of_all().await.expect("a piece");
    assert_eq!((ping.kind.as_str(), ping.id.as_deref()), ("ping", Some("0")));
    assert!((9..16).contains(&silent_since.elapsed().as_secs()), "after {:?}", silent_since.elapsed());
    system.view().delete_stream(&subject::events_stream(receipt.event.epoch)).await;
    system.ledger().forget(&receipt);
    assert_eq!(said(&stream.rest().await), ["end:expired"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_the_fence_refuses_is_never_told() {
    let slow = scripted("slow", json!({ "latency": "700ms", "reply": "real" }));
    let system = small().with(slow).with(trigger("orders").bot("slow")).start().await;
    let conversation = opened(&system).await;
    let mut stream = begun(system.follow(&conversation)).await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    let opening = conversation.event;
    for number in 0..10 {
        let record = Record {
            id: RecordId([number; 16]),
            event: receipt.event,
            cursor: receipt.event.seq,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: Conversation { opening, opened_at_ms: 1, base: 0, turn: 2, settings: 0 },
            worker: "forger".into(),
            traceparent: String::new(),
            received_at_ms: 1,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(Step::Completed(Completed { reply: "phantom".into(), ..Completed::default() })),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::EXPECTED_LAST, "999999");
        let subject = subject::log(&receipt.session);
        let refused = publish::confirmed(system.view().client(), subject, Some(headers), record.encode(), PUBLISH_DEADLINE).await;
        assert_eq!(refused, Err(publish::Error::Fenced));
    }
    assert_eq!(stream.until("result:completed").await, ["user:hi", "bot:real", "result:completed"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_while_the_broker_is_out_of_reach_is_told_afterwards() {
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &Setup::here()).start().await;
    let proxy = system.nats_proxy().await;
    let apart = system.start_gateway(Setup::here().nats_over(&proxy)).await;
    system.ready(apart).await;
    let conversation = opened(&system).await;
    let mut stream = begun(system.request(apart, Method::GET, &format!("/v1/conversation/{conversation}/subscribe"))).await;
    proxy.cut();
    let unready = async || Some(system.readiness(apart).await).filter(|answer| answer.status == 503);
    eventually("the gateway is cut off", SOON, unready).await;
    let mut expected = Vec::new();
    for text in ["a", "b"] {
        system.call("orders").said("s", text).query("wait=10").send().await.receipt();
        expected.extend([format!("user:{text}"), format!("bot:{text}"), "result:completed".to_owned()]);
    }
    proxy.restore();
    let restored = Instant::now();
    let mut told = stream.until("result:completed").await;
    told.extend(stream.until("result:completed").await);
    assert_eq!(told, expected);
    assert!(restored.elapsed() < Duration::from_secs(5), "it took {:?}", restored.elapsed());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_follow_is_told_why() {
    let setup = Setup::here().followers(2);
    let system = system().with(trigger("orders")).with(trigger("other").secret("0ther")).workers(1, &Setup::here()).gateways(1, &setup);
    let system = system.start().await;
    let answer = system.call("orders").said("s", "hi").query("wait=10").send().await.ok();
    let (conversation, receipt) = (answer.conversation(), answer.receipt());
    for follow in [system.follow(&conversation), follow_event(&system, &receipt)] {
        follow.anonymous().send().await.assert_refused(401, "CUE0201");
    }
    system.follow(&conversation).secret("0ther").send().await.assert_refused(404, "CUE0304");
    let mut later = receipt.clone();
    later.event.seq += 1_000;
    follow_event(&system, &later).send().await.assert_refused(404, "CUE0303");
    let mut unknown = conversation.clone();
    unknown.event.seq += 1;
    system.follow(&unknown).send().await.assert_refused(404, "CUE0304");
    for (call, field) in [
        (system.follow(&conversation).header("accept", "text/csv"), "Accept"),
        (system.follow(&conversation).query("after=x"), "after"),
        (system.follow(&conversation).header("last-event-id", "x"), "Last-Event-ID"),
    ] {
        let refused = call.send().await;
        refused.assert_refused(400, "CUE0106");
        assert_eq!(refused.str("/field"), field);
    }
    system.follow(&conversation).method(Method::POST).send().await.assert_refused(405, "CUE0305");
    for method in [Method::HEAD, Method::OPTIONS] {
        assert_eq!(system.follow(&conversation).anonymous().method(method).send().await.status, 200);
    }
    let one = begun(system.follow(&conversation)).await;
    let _two = begun(system.follow(&conversation).secret(API_TOKEN)).await;
    system.follow(&conversation).send().await.assert_refused(503, "CUE0504");
    drop(one);
    let free = async || (system.follow(&conversation).respond().await.ok()?.status() == 200).then_some(());
    eventually("a place is free again", SOON, free).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_follow_many_sessions_and_each_hears_its_own() {
    let system = small().with(trigger("orders")).start().await;
    let mut streams = Vec::new();
    for number in 0..10 {
        let answer = system.call("orders").said(&format!("s{number}"), "first").query("wait=10").send().await.ok();
        for _ in 0..5 {
            streams.push((number, begun(system.follow(&answer.conversation())).await));
        }
    }
    for round in 0..3 {
        for number in 0..10 {
            system.call("orders").said(&format!("s{number}"), &format!("{number}/{round}")).send().await.receipt();
        }
    }
    let mut heard = BTreeSet::new();
    for (number, stream) in &mut streams {
        for round in 0..3 {
            let text = format!("{number}/{round}");
            assert_eq!(stream.until("result:completed").await, [format!("user:{text}"), format!("bot:{text}"), "result:completed".into()]);
            heard.insert(text);
        }
    }
    assert_eq!(heard.len(), 30);
    assert_eq!(system.view().log_of(&session("orders", "s0")).await.len(), 4);
    system.finish().await;
}
