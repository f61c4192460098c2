//! Callers that are slow, many or strange, over real sockets.

use std::time::Duration;

use futures_util::future::join_all;
use tests::resource::{SECRET, trigger};
use tests::setup::Setup;
use tests::system::System;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{SOON, system};

const HEAD_TIME: Duration = Duration::from_millis(600);
const BODY_TIME: Duration = Duration::from_millis(800);
const IDLE_TIME: Duration = Duration::from_millis(1_500);
/// What anything may take beyond that.
const SLACK: Duration = Duration::from_secs(1);

async fn impatient(connections: usize) -> System {
    let setup = Setup::here().bounds(|bounds| {
        bounds.head_time = HEAD_TIME;
        bounds.body_time = BODY_TIME;
        bounds.idle_time = IDLE_TIME;
        bounds.connections = connections;
    });
    system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &setup).start().await
}

async fn connected(system: &mut System) -> TcpStream {
    TcpStream::connect(&system.gateway(0).name).await.unwrap()
}

/// Reads until the other side closes; what came, and after how long.
async fn to_the_end(stream: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let mut answer = Vec::new();
    // A reset is an end too.
    drop(tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the gateway closes"));
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

/// One answer, as far as its head goes.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(SOON, stream.read_u8()).await.expect("an answer").expect("an answer"));
    }
    String::from_utf8(head).unwrap()
}

/// Sends a byte now and then until it cannot any more.
async fn drip(stream: &mut tokio::net::tcp::OwnedWriteHalf, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_comes_byte_by_byte_is_given_up_and_a_silent_connection_too() {
    let mut system = impatient(1_000).await;
    let (mut reader, mut writer) = connected(&mut system).await.into_split();
    let began = Instant::now();
    let mut rest = Vec::new();
    tokio::select! {
        () = drip(&mut writer, b"x-header: value\r\n") => {}
        read = reader.read_to_end(&mut rest) => drop(read),
    }
    let took = began.elapsed();
    assert!(took >= HEAD_TIME && took < HEAD_TIME + SLACK, "{took:?}");

    let (_, took) = to_the_end(&mut connected(&mut system).await).await;
    assert!(took >= IDLE_TIME && took < IDLE_TIME + SLACK, "{took:?}");

    let mut kept = connected(&mut system).await;
    kept.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(head(&mut kept).await.starts_with("HTTP/1.1 200"));
    kept.write_all(b"GET /livez HTTP/1.1\r\nhost:").await.unwrap();
    let (_, took) = to_the_end(&mut kept).await;
    assert!(took < IDLE_TIME * 2 + SLACK, "a later head is held to the time without a request: {took:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_comes_byte_by_byte_is_refused() {
    let mut system = impatient(1_000).await;
    let stream = connected(&mut system).await;
    let (mut reader, mut writer) = stream.into_split();
    let request = format!(
        "POST /v1/integration/trigger/orders/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\ncontent-length: 10000\r\nconnection: close\r\n\r\n"
    );
    writer.write_all(request.as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut answer = [0; 512];
    let read = tokio::select! {
        () = drip(&mut writer, b"x") => 0,
        read = reader.read(&mut answer) => read.unwrap(),
    };
    let (answer, took) = (String::from_utf8_lossy(&answer[..read]).into_owned(), began.elapsed());
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("CUE0101"), "{answer}");
    // What still comes of a refused body is read for at most two seconds, so that the answer is seen.
    assert!(took >= BODY_TIME && took < BODY_TIME + Duration::from_secs(2) + SLACK, "{took:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_with_too_many_or_too_large_headers_is_refused_in_both_versions() {
    let mut system = impatient(1_000).await;
    let headers = |count: usize| (0..count).map(|number| format!("x-{number}: y\r\n")).collect::<Vec<_>>().concat();
    let many = headers(101);
    let large = format!("x-large: {}\r\n", "y".repeat(70 * 1024));
    let fits = headers(98);
    for (headers, status) in [(many, "431"), (large, "431"), (fits, "200")] {
        let mut stream = connected(&mut system).await;
        let request = format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        drop(stream.write_all(request.as_bytes()).await);
        let (answer, _) = to_the_end(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let url = format!("http://{}/livez", system.gateway(0).name);
    let sent = client.get(&url).header("x-large", "y".repeat(20 * 1024)).send().await;
    assert!(sent.is_err_and(|error| !error.is_timeout()) || client.get(&url).send().await.is_ok(), "it is refused, and no more");
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200, "the next request is served");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_of_one_connection_are_all_served_and_an_idle_one_is_told_to_go() {
    let mut system = impatient(1_000).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let url = format!("http://{}/livez", system.gateway(0).name);
    let calls = join_all((0..600).map(|_| async { client.get(&url).send().await.map(|answer| answer.status().as_u16()) })).await;
    assert!(calls.iter().all(|status| matches!(status, Ok(200))), "{calls:?}");

    let mut stream = connected(&mut system).await;
    // The preface and empty settings, and nothing else: no head ever comes.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let (_, took) = to_the_end(&mut stream).await;
    assert!(took < HEAD_TIME + SLACK, "{took:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_bound_of_connections_a_caller_waits_until_one_closes() {
    let mut system = impatient(8).await;
    // The harness's own connection to the gateway has a place too, until it has been idle long enough.
    let mut idle = Vec::new();
    for _ in 0..30 {
        idle.push(connected(&mut system).await);
    }
    let began = Instant::now();
    let mut late = connected(&mut system).await;
    late.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let waiting = tokio::time::timeout(IDLE_TIME / 2, late.readable()).await;
    assert!(waiting.is_err() || late.try_read(&mut [0]).is_err(), "there is no place for it yet");
    let (answer, _) = to_the_end(&mut late).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(began.elapsed() >= IDLE_TIME, "it waited for places: {:?}", began.elapsed());
    // Thirty that say nothing take four times the idle time at eight places.
    assert!(began.elapsed() < IDLE_TIME * 5 + SLACK, "{:?}", began.elapsed());
    drop(idle);
    system.finish().await;
}
