//! Calls to a real server on the loopback address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use egress::Egress;
use egress::policy::Policy;
use proto::limit::{FETCH_BYTES_MAX, RESULT_BYTES_MAX};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

mod form;

/// Answers each connection once, by the path that it asks for.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = JoinSet::new();
        let log = Arc::clone(&heard);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, Arc::clone(&log)));
            }
        });
        Self { address, heard, _tasks: tasks }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, log: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && !request.ends_with(b"BODY") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    log.lock().unwrap().push(request);
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let body = |kind: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nset-cookie: a=b\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = match path.as_str() {
        "/json" => body("application/problem+json; charset=utf-8", r#"{"a":[1]}"#),
        "/broken" => body("application/json", "{"),
        "/full" => body("text/plain", &"x".repeat(FETCH_BYTES_MAX)),
        "/large" => body("text/plain", &"x".repeat(FETCH_BYTES_MAX + 1)),
        "/escaped" => body("text/plain", &"\0".repeat(FETCH_BYTES_MAX)),
        "/inwards" => redirect("http://169.254.169.254/latest/meta-data/"),
        "/name" => redirect(&format!("http://localhost:{}/text", stream.local_addr().unwrap().port())),
        "/loop" => redirect("/loop"),
        "/hop" => redirect("text"),
        "/error" => format!("HTTP/1.1 503 Busy\r\nconnection: close\r\n\r\n{}", "é".repeat(3000)),
        "/none" => "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        "/slow" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhalf".to_owned(),
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhalf".to_owned(),
        _ => body("text/plain", "hello"),
    };
    stream.write_all(answer.as_bytes()).await.unwrap_or_default();
    if path == "/slow" {
        std::future::pending::<()>().await;
    }
}

fn fetch(allow: &[&str]) -> Egress {
    Egress::new(Policy { allow: allow.iter().map(|text| text.parse().unwrap()).collect() }).unwrap()
}

async fn run(egress: &Egress, arguments: Value, key: &str) -> Result<String, String> {
    super::fetch(egress, arguments, key).await.map_err(|error| error.to_string())
}

async fn get(egress: &Egress, url: String) -> Result<Value, String> {
    let result = run(egress, json!({ "url": url }), "key").await;
    result.map(|text| serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn a_call_carries_key_body_and_agent() {
    let server = Server::start().await;
    let arguments = json!({ "method": "POST", "url": server.url("/text"), "headers": { "X-A": "b" }, "body": "a BODY" });
    let result = run(&fetch(&["127.0.0.1"]), arguments, "3a7bd3e2").await.unwrap();
    let expected = json!({ "status": 200, "headers": { "content-type": "text/plain" }, "body": "hello" });
    assert_eq!(serde_json::from_str::<Value>(&result).unwrap(), expected);
    let heard = server.heard().remove(0);
    for part in [
        "POST /text HTTP/1.1\r\n",
        "idempotency-key: 3a7bd3e2\r\n",
        "user-agent: cuepoint/",
        "x-a: b\r\n",
        "content-length: 6\r\n",
        "a BODY",
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
}

#[tokio::test]
async fn a_body_is_json_where_it_says_so() {
    let (server, fetch) = (Server::start().await, fetch(&["127.0.0.1"]));
    assert_eq!(get(&fetch, server.url("/json")).await.unwrap()["body"], json!({ "a": [1] }));
    assert_eq!(get(&fetch, server.url("/broken")).await.unwrap()["body"], json!("{"));
    assert_eq!(get(&fetch, server.url("/hop")).await.unwrap()["body"], json!("hello"));
}

#[tokio::test]
async fn bodies_over_the_cap_are_refused() {
    let (server, fetch) = (Server::start().await, fetch(&["127.0.0.1"]));
    assert_eq!(get(&fetch, server.url("/full")).await.unwrap()["body"].as_str().map(str::len), Some(FETCH_BYTES_MAX));
    assert_eq!(get(&fetch, server.url("/large")).await, Err(format!("the response is over {FETCH_BYTES_MAX} bytes")));
    assert_eq!(get(&fetch, server.url("/escaped")).await, Err(format!("the response is over {RESULT_BYTES_MAX} bytes as JSON")));
}

#[tokio::test]
async fn a_response_that_is_no_success_is_an_error() {
    let (server, fetch) = (Server::start().await, fetch(&["127.0.0.1"]));
    assert_eq!(get(&fetch, server.url("/error")).await, Err(format!("Status code: 503: {}", "é".repeat(200))));
    assert_eq!(get(&fetch, server.url("/none")).await, Err("Status code: 404".into()));
    assert_eq!(get(&fetch, server.url("/loop")).await, Err("redirected more than 5 times".into()));
    assert_eq!(server.heard().iter().filter(|request| request.starts_with("GET /loop")).count(), 6);
    assert!(get(&fetch, server.url("/cut")).await.unwrap_err().starts_with("the call broke: "));
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let server = Server::start().await;
    let arguments = json!({ "url": server.url("/slow"), "timeout": 50 });
    let error = run(&fetch(&["127.0.0.1"]), arguments, "key").await;
    assert_eq!(error, Err("the response did not end within 50 ms".into()));
}

#[tokio::test]
async fn a_redirect_inwards_is_refused() {
    let (server, fetch) = (Server::start().await, fetch(&["127.0.0.1"]));
    let error = get(&fetch, server.url("/inwards")).await.unwrap_err();
    assert_eq!(error, "169.254.169.254 may not be called: its address is a cloud's metadata service, and egress.allow does not list it");
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    let server = Server::start().await;
    let port = server.address.port();
    let by_name = format!("http://localhost:{port}/text");
    let (here, elsewhere) = (format!("localhost:{port}"), format!("localhost:{}", port ^ 1));
    for (allow, expected) in [
        (vec![], false),
        (vec!["localhost"], true),
        (vec!["127.0.0.1"], true),
        (vec![here.as_str()], true),
        (vec![elsewhere.as_str()], false),
    ] {
        let result = get(&fetch(&allow), by_name.clone()).await;
        assert_eq!(result.is_ok(), expected, "{allow:?}: {result:?}");
        if let Err(error) = result {
            assert!(error.starts_with("localhost may not be called: its address is loopback"), "{error}");
        }
    }
    assert_eq!(server.heard().len(), 3);
    let only_literal = fetch(&[&format!("127.0.0.1:{port}")]);
    assert!(get(&only_literal, server.url("/name")).await.is_ok());
    assert!(get(&fetch(&["10.0.0.0/8"]), server.url("/text")).await.unwrap_err().contains("is loopback"));
}

#[tokio::test]
async fn a_broken_call_does_not_tell_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = get(&fetch(&["127.0.0.1"]), format!("http://{address}/?token=hush")).await.unwrap_err();
    assert!(error.starts_with("the call broke: ") && !error.contains("hush"), "{error}");
}
