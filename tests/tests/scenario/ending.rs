//! A gateway is told to end.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::eventually::eventually;
use tests::resource::{SECRET, scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::System;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{SOON, system};

/// An upload whose end has not come yet.
async fn half_sent(system: &mut System) -> TcpStream {
    let mut stream = TcpStream::connect(&system.gateway(0).name).await.unwrap();
    let request = format!(
        "POST /v1/integration/trigger/orders/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\ncontent-length: 15\r\n\r\n{{\"text\":"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// What comes until the gateway closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the gateway closes").expect("in order");
    String::from_utf8(answer).unwrap()
}

async fn is_unready(system: &System) {
    let unready = async || (system.readiness(0).await.status == 503).then_some(());
    eventually("the gateway is unready", SOON, unready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_goes_on_for_its_drain_delay_and_is_unready_meanwhile() {
    let delay = Duration::from_millis(1_500);
    let setup = Setup::child().drain(delay, Duration::from_secs(10));
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &setup).start().await;
    let before = system.call("orders").text("before").send().await;
    assert!(!before.headers.contains_key("connection"), "{:?}", before.headers);
    let told_at = Instant::now();
    system.gateway(0).terminate();
    is_unready(&system).await;
    assert!(told_at.elapsed() < delay / 2, "at once: {:?}", told_at.elapsed());
    assert_eq!(system.readiness(0).await.str("/checks/process"), "stopping");
    let mut taken = 0;
    while told_at.elapsed() + Duration::from_millis(300) < delay {
        let answer = system.call("orders").text("meanwhile").send().await.ok();
        assert_eq!(answer.headers.get("connection").map(|value| value.to_str().unwrap()), Some("close"), "callers are asked to go");
        taken += 1;
    }
    assert!(taken > 0);
    assert!(system.gateway(0).exited().await.success());
    assert!(told_at.elapsed() < delay + Duration::from_secs(2), "{:?}", told_at.elapsed());
    system.settled(SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_followers_and_uploads_end_in_order() {
    let slow = scripted("slow", json!({ "latency": "4s" }));
    let setup = Setup::child().drain(Duration::ZERO, Duration::from_secs(10));
    let mut system = system().with(slow).with(trigger("orders").bot("slow")).workers(1, &Setup::here()).gateways(1, &setup).start().await;
    let first = system.call("orders").said("s", "first").send().await.receipt();
    let mut follower = system.of_event(&first, Method::GET, "subscribe").open().await;
    let waiting = system.call("orders").said("t", "waits").query("wait=60").respond();
    let mut upload = half_sent(&mut system).await;
    let course = async {
        // The caller that waits has its event stored by now: its session has an owner.
        let owned = async || system.view().owner(&crate::session("orders", "t")).await;
        eventually("its turn runs", SOON, owned).await;
        system.terminate_gateway(0);
        Instant::now()
    };
    let (waited, told_at) = tokio::join!(waiting, course);
    let waited: serde_json::Value = waited.expect("an answer").json().await.expect("JSON");
    assert!(told_at.elapsed() < Duration::from_secs(2), "whoever waits is told what is known: {:?}", told_at.elapsed());
    assert!(waited["id"].as_str().is_some_and(|id| id.starts_with("evt.orders.")), "{waited}");
    system.ledger().note(waited["id"].as_str().unwrap().parse().unwrap());
    upload.write_all(b"\"late\"}").await.unwrap();
    let answer = rest(&mut upload).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.to_lowercase().contains("connection: close"), "{answer}");
    let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    system.ledger().note(id.parse().unwrap());
    let mut last = None;
    while let Some(piece) = follower.next().await {
        last = Some(piece.said());
    }
    assert_eq!(last.as_deref(), Some("end:shutdown"));
    assert!(system.gateway(0).exited().await.success());
    assert!(told_at.elapsed() < Duration::from_secs(4), "{:?}", told_at.elapsed());
    system.settled(SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_in_the_queue_is_served_before_the_gateway_ends() {
    let setup = Setup::child().bounds(|bounds| bounds.connections = 2);
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &setup).start().await;
    // One place is the harness's own, the other this one's; whoever comes now waits outside.
    let idle = TcpStream::connect(&system.gateway(0).name).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut outside = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&system.gateway(0).name).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        outside.push(stream);
    }
    system.gateway(0).terminate();
    for mut stream in outside {
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    drop(idle);
    assert!(system.gateway(0).exited().await.success());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_does_not_end_is_told_so_before_the_gateway_is_gone() {
    let setup = Setup::child().drain(Duration::ZERO, Duration::from_secs(3));
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &setup).start().await;
    let mut upload = half_sent(&mut system).await;
    // It has been taken in hand once the gateway has read its head.
    tokio::time::sleep(Duration::from_millis(200)).await;
    system.gateway(0).terminate();
    let answer = rest(&mut upload).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("CUE0504"), "{answer}");
    assert!(system.gateway(0).exited().await.success());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_twice_a_gateway_and_a_worker_end_at_once() {
    let sink = Sink::start().await;
    sink.hold();
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" }, "doubt": "fail" });
    let bot = scripted("calls", json!({ "calls": [call], "reply": "done" }));
    let builder = system().with(bot).with(trigger("orders").bot("calls"));
    let mut system = builder.workers(1, &Setup::child()).gateways(1, &Setup::child()).start().await;
    system.call("orders").text("hi").send().await.receipt();
    sink.reached(1, SOON).await;
    let mut upload = half_sent(&mut system).await;
    system.gateway(0).terminate();
    system.worker(0).terminate();
    let unready = async || TcpStream::connect(&system.gateway(0).name).await.is_err().then_some(());
    eventually("the gateway takes no more connections", SOON, unready).await;
    let asked_at = Instant::now();
    system.gateway(0).terminate();
    system.worker(0).terminate();
    assert_eq!(system.gateway(0).exited().await.code(), Some(1));
    assert_eq!(system.worker(0).exited().await.code(), Some(1));
    assert!(asked_at.elapsed() < Duration::from_secs(2), "{:?}", asked_at.elapsed());
    let mut nothing = Vec::new();
    drop(upload.read_to_end(&mut nothing).await);
    system.worker(0).expect_leftovers();
    let next = system.start_gateway(Setup::here()).await;
    system.ready(next).await;
    system.start_worker(Setup::here()).await;
    sink.release();
    system.settled(SOON * 2).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_broker_is_gone_ends_within_its_deadline() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    let proxy = system.nats_proxy().await;
    let worker = system.start_worker(Setup::child().nats_over(&proxy).drain_deadline(Duration::from_secs(2))).await;
    system.call("orders").text("hi").query("wait=10").send().await.ok();
    proxy.cut();
    let told_at = Instant::now();
    system.worker(worker).terminate();
    system.worker(worker).exited().await;
    assert!(told_at.elapsed() < Duration::from_secs(5), "{:?}", told_at.elapsed());
    system.worker(worker).expect_leftovers();
    system.finish().await;
}
