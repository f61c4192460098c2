//! Connections over names that a test resolver answers, to real listeners on the loopback network.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::lookup::Resolve;
use super::policy::{Allow, Policy, Refusal};
use super::{EXTENDED_MAX, Egress, Error};

/// Answers each look-up with the next list, and the last one for ever.
#[derive(Debug)]
struct Rebinding(Mutex<VecDeque<Vec<IpAddr>>>);

impl Rebinding {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect());
        Arc::new(Self(Mutex::new(answers.collect())))
    }
}

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 {
            return Ok(answers.pop_front().unwrap());
        }
        answers.front().cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn allow(texts: &[&str]) -> Vec<Allow> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn policy(texts: &[&str]) -> Policy {
    Policy { allow: allow(texts) }
}

/// Answers every connection with these bytes; the port, and the task that serves.
async fn serve(host: &str, port: u16, answer: &'static [u8]) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind((host, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap_or_default();
            if read > 0 {
                stream.write_all(answer).await.unwrap_or_default();
            }
        }
    });
    (port, tasks)
}

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

async fn get(egress: &Egress, url: &str) -> Result<String, String> {
    let url: Url = url.parse().unwrap();
    let client = egress.client(&url).map_err(|refusal| refusal.to_string())?;
    let response = client.get(url).send().await.map_err(|error| match Refusal::within(&error) {
        Some(refusal) => refusal.to_string(),
        None => "broken".to_owned(),
    })?;
    response.text().await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_name_that_changes_its_address_reaches_only_what_was_admitted() {
    let (port, _tasks) = serve("127.0.0.2", 0, HELLO).await;
    let (_, _canary) = serve("127.0.0.1", port, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ncanary").await;
    let resolver = Rebinding::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let egress = Egress::over(policy(&["127.0.0.2"]), resolver).unwrap();
    let url = format!("http://rebound.example:{port}/");
    assert_eq!(get(&egress, &url).await, Ok("hello".into()));
    let refused = "rebound.example may not be called: its address is loopback, and egress.allow does not list it";
    assert_eq!(get(&egress, &url).await, Err(refused.into()));
    assert_eq!(egress.resolve("rebound.example", port).await.unwrap_err().to_string(), refused);
}

#[tokio::test]
async fn of_mixed_answers_only_the_admitted_are_connected_to() {
    let (port, _tasks) = serve("127.0.0.2", 0, HELLO).await;
    let (_, _canary) = serve("127.0.0.1", port, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ncanary").await;
    let mixed = Rebinding::new(&[&["127.0.0.1", "::1", "127.0.0.2", "10.0.0.1"]]);
    let egress = Egress::over(policy(&["127.0.0.2"]), mixed).unwrap();
    assert_eq!(get(&egress, &format!("http://mixed.example:{port}/")).await, Ok("hello".into()));
    assert_eq!(egress.resolve("mixed.example", 25).await.unwrap(), ["127.0.0.2:25".parse::<SocketAddr>().unwrap()]);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_body_not_unpacked() {
    let (port, _tasks) = serve("127.0.0.1", 0, b"HTTP/1.1 302 F\r\nlocation: /b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let egress = Egress::new(policy(&["127.0.0.1"])).unwrap();
    let url: Url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    assert_eq!(egress.client(&url).unwrap().get(url).send().await.unwrap().status(), 302);
    let packed = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\nconnection: close\r\n\r\n\x1f\x8bABC";
    let (port, _tasks) = serve("127.0.0.1", 0, packed).await;
    let url: Url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    assert_eq!(egress.client(&url).unwrap().get(url).send().await.unwrap().bytes().await.unwrap(), &b"\x1f\x8bABC"[..]);
}

#[tokio::test]
async fn only_the_web_is_called() {
    let egress = Egress::new(policy(&["0.0.0.0/0", "::/0"])).unwrap();
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:,x", "unix:/run/x.sock", "ws://127.0.0.1/"] {
        let refusal = egress.client(&url.parse().unwrap()).unwrap_err();
        assert!(refusal.to_string().ends_with("URLs may not be called: only http and https are"), "{url}: {refusal}");
    }
}

#[tokio::test]
async fn further_exceptions_open_no_more_than_they_say() {
    let (port, _tasks) = serve("127.0.0.1", 0, HELLO).await;
    let plain = Egress::over(Policy::default(), Rebinding::new(&[&["127.0.0.1"]])).unwrap();
    let (literal, named) = (format!("http://127.0.0.1:{port}/"), format!("http://inside.example:{port}/"));
    let wider = plain.with(&allow(&[&format!("inside.example:{port}")])).unwrap();
    assert_eq!(get(&wider, &named).await, Ok("hello".into()));
    assert!(get(&wider, &literal).await.unwrap_err().contains("loopback"));
    assert!(get(&plain, &named).await.unwrap_err().contains("loopback"));
    assert!(plain.policy().allow.is_empty());
    assert!(Arc::ptr_eq(&plain.with(&[]).unwrap().0, &plain.0));
    assert!(Arc::ptr_eq(&plain.with(&wider.policy().allow).unwrap().0, &wider.0));
    for last in 0..EXTENDED_MAX {
        plain.with(&allow(&[&format!("10.0.0.{last}")])).unwrap();
    }
    assert!(!Arc::ptr_eq(&plain.with(&wider.policy().allow).unwrap().0, &wider.0));
    assert_eq!(plain.0.extended.lock().unwrap().len(), EXTENDED_MAX);
}

#[tokio::test]
async fn hosts_for_other_protocols_are_judged_alike() {
    let egress = Egress::over(policy(&["127.0.0.1:25"]), Rebinding::new(&[&["127.0.0.1"]])).unwrap();
    for (host, port, expected) in [
        ("127.0.0.1", 25, true),
        ("127.1", 25, true),
        ("0x7f000001", 25, true),
        ("mail.example", 25, true),
        ("127.0.0.1", 26, false),
        ("2130706433", 26, false),
        ("mail.example", 26, false),
        ("::1", 25, false),
        ("[::1]", 25, false),
        ("::ffff:127.0.0.1", 26, false),
        ("169.254.169.254", 25, false),
    ] {
        match egress.resolve(host, port).await {
            Ok(found) => assert!(expected && found == [SocketAddr::new("127.0.0.1".parse().unwrap(), port)], "{host}:{port}: {found:?}"),
            Err(error) => assert!(!expected && matches!(error, Error::Refused(_)), "{host}:{port}: {error}"),
        }
    }
    for host in ["", "a b", "[::1", "::1%eth0", "user@host", "host:25", "1.2.3.4.5"] {
        assert!(matches!(egress.resolve(host, 25).await, Err(Error::Host(_))), "{host}");
    }
    let (nowhere, empty) = (Rebinding::new(&[]), Rebinding::new(&[&[]]));
    let error = Egress::over(Policy::default(), nowhere).unwrap().resolve("h.example", 25).await.unwrap_err();
    assert_eq!(error.to_string(), "h.example was not found");
    let error = Egress::over(Policy::default(), empty).unwrap().resolve("h.example", 25).await.unwrap_err();
    assert_eq!(error.to_string(), "h.example has no address");
}
