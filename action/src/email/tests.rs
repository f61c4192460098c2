//! Mails to a small server on the loopback address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use egress::Egress;
use egress::policy::Policy;
use serde_json::{Value, json};
use skillset::invocation::{Action, Body};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Security, Smtp};
use crate::Settings;
use crate::pretend::{invocation, result, settings, text, tree};

/// What a server does out of the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Fine,
    /// Greets with a line that does not end.
    Babbling,
    /// Says nothing.
    Silent,
    /// Takes no mail.
    Refusing,
    /// Repeats the login in its refusal.
    Echoing,
}

/// Takes mails, and remembers all that it was told.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(mood: Mood, offers: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (mut tasks, log) = (JoinSet::new(), Arc::clone(&heard));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(talk(stream, mood, offers, Arc::clone(&log)));
            }
        });
        Self { address, heard, _tasks: tasks }
    }

    /// A mail server as a deployment sets it up.
    fn smtp(&self, tls: Security) -> Smtp {
        let from = "Cuepoint <bot@example.com>".parse().unwrap();
        Smtp { host: "127.0.0.1".into(), port: self.address.port(), tls, username: None, password: None, from }
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

async fn talk(mut stream: TcpStream, mood: Mood, offers: &'static str, log: Arc<Mutex<Vec<String>>>) -> Option<()> {
    if mood == Mood::Silent {
        std::future::pending::<()>().await;
    }
    if mood == Mood::Babbling {
        // Ends when the other side has enough.
        loop {
            stream.write_all(&[b'x'; 4096]).await.ok()?;
        }
    }
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here\r\n").await.ok()?;
    let mut is_data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches("\r\n").to_owned();
        log.lock().unwrap().push(line.clone());
        let reply = match line.split(' ').next().unwrap_or_default() {
            "." => {
                is_data = false;
                "250 taken".to_owned()
            }
            _ if is_data => continue,
            "EHLO" if offers.is_empty() => "250 here".to_owned(),
            "EHLO" => format!("250-here\r\n250 {offers}"),
            "AUTH" if mood == Mood::Echoing => format!("535 no: {line}"),
            "AUTH" => "235 welcome".to_owned(),
            "RCPT" if mood == Mood::Refusing => "550 nobody here".to_owned(),
            "DATA" => {
                is_data = true;
                "354 go on".to_owned()
            }
            _ => "250 fine".to_owned(),
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
    }
}

fn with(smtp: Smtp) -> Settings {
    Settings { smtp: Some(smtp), ..settings() }
}

async fn send(smtp: Smtp, mail: Value) -> Result<Value, String> {
    result(with(smtp), &invocation(Action::Email, Value::Null, Body::Tree(tree(mail)))).await
}

fn short() -> Value {
    json!({ "to": "ann@example.org", "subject": "s", "content": "c" })
}

#[tokio::test]
async fn a_mail_arrives_as_text_and_html() {
    let server = Server::start(Mood::Fine, "8BITMIME").await;
    let mail = json!({
        "to": ["${CONTACT_EMAIL}", "\"Doe, Bob\" <bob@example.net>"], "replyTo": "help@example.com",
        "subject": "Order 7 – done", "content": "# Hello\n\n**Ann**, <b>see</b> [this](javascript:x)\n.\nend",
    });
    let told = send(server.smtp(Security::None), mail).await.unwrap();
    assert_eq!(told["accepted"], json!(["ann@example.org", "bob@example.net"]));
    let (heard, id) = (server.heard(), told["messageId"].as_str().unwrap());
    for part in [
        "EHLO example.com",
        "MAIL FROM:<bot@example.com>",
        "RCPT TO:<ann@example.org>",
        "RCPT TO:<bob@example.net>",
        "From: Cuepoint <bot@example.com>",
        "Reply-To: help@example.com",
        "Auto-Submitted: auto-generated",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
        "**Ann**, <b>see</b> [this](javascript:x)",
        "<strong>Ann</strong>, &lt;b&gt;see&lt;/b&gt; <a href=\"#\">this</a>",
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
    assert!(heard.contains(&format!("Message-ID: {id}")) && id.ends_with("@example.com>") && id.len() == 54, "{id}");
    assert!(heard.contains("Subject: Order 7 =?utf-8?"), "{heard}");
}

#[tokio::test]
async fn the_same_key_makes_the_same_message_id() {
    let server = Server::start(Mood::Fine, "").await;
    let first = send(server.smtp(Security::None), short()).await.unwrap();
    let again = send(server.smtp(Security::None), short()).await.unwrap();
    assert_eq!(first["messageId"], again["messageId"]);
    assert_eq!(server.heard().matches("RCPT TO:<ann@example.org>").count(), 2);
}

#[tokio::test]
async fn parameters_and_a_text_make_a_mail_too() {
    let server = Server::start(Mood::Fine, "").await;
    let call = invocation(Action::Email, json!({ "to": "a@b.example, c@d.example", "subject": "s" }), Body::Text(text("hello")));
    let told = result(with(server.smtp(Security::None)), &call).await.unwrap();
    assert_eq!(told["accepted"], json!(["a@b.example", "c@d.example"]));
    assert!(server.heard().contains("\nhello\n"), "{}", server.heard());
}

#[tokio::test]
async fn no_value_becomes_a_header_or_a_command() {
    let server = Server::start(Mood::Fine, "").await;
    let long = "x".repeat(70_000);
    for (mail, expected) in [
        (json!({ "subject": "s" }), "to is missing"),
        (json!({ "to": "", "subject": "s" }), "to has no address"),
        (json!({ "to": [], "subject": "s" }), "to has no address"),
        (json!({ "to": "nobody", "subject": "s" }), "to: \"nobody\" is no address: "),
        (json!({ "to": "a@b.example\r\nBcc: c@d.example", "subject": "s" }), "to has a line break or another control character"),
        (json!({ "to": "a@b.example\r\nDATA", "subject": "s" }), "to has a line break or another control character"),
        (json!({ "to": "A\nB <a@b.example>", "subject": "s" }), "to has a line break or another control character"),
        (json!({ "to": "<a@b.example> <c@d.example>", "subject": "s" }), "to: "),
        (json!({ "to": "a@b.example>\u{2028}", "subject": "s" }), "to: "),
        (
            json!({ "to": "a@b.example", "replyTo": "c@d.example\nX: y", "subject": "s" }),
            "replyTo has a line break or another control character",
        ),
        (json!({ "to": "a@b.example", "subject": "s\r\nBcc: c@d.example" }), "subject has a line break or another control character"),
        (json!({ "to": "a@b.example", "subject": "${BROKEN}" }), "subject has a line break or another control character"),
        (json!({ "to": "a@b.example", "subject": "s\u{0}" }), "subject has a line break or another control character"),
        (json!({ "to": "a@b.example", "subject": "x".repeat(256) }), "subject has over 255 characters"),
        (json!({ "to": "a@b.example", "content": long }), "content has 70000 bytes, at most 65536 are sent"),
        (json!({ "to": "a@b.example", "content": "a\u{0}" }), "content has a zero byte"),
        (json!({ "to": "a@b.example" }), "subject and content are both missing"),
        (json!({ "to": vec!["a@b.example"; 11], "subject": "s" }), "to has 11 addresses, at most 10 are written to"),
        (json!({ "to": format!("{}@b.example", "x".repeat(320)), "subject": "s" }), "to has an address of over 320 bytes"),
        (json!({ "to": { "a": 1 }, "subject": "s" }), "to must be an address or a list of them"),
        (json!({ "to": "a@b.example", "subject": "s", "bcc": "c@d.example" }), "bcc is not known here: to, replyTo, subject, content are"),
        (
            json!({ "to": "a@b.example", "subject": "s", "content": "${SECRET_PLAIN}" }),
            "content: SECRET_PLAIN may stand in a header of a fetch only",
        ),
        (json!(["a@b.example"]), "the body of an email must be its content or a mapping"),
    ] {
        let error = send(server.smtp(Security::None), mail.clone()).await.unwrap_err();
        assert!(error.starts_with(expected), "{mail}: {error}");
    }
    assert_eq!(server.heard(), "");
    // A dot alone on its line ends no mail, and a command in the content is content.
    let mail = json!({ "to": "a@b.example", "subject": "s", "content": "x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n\n.\nRSET" });
    send(server.smtp(Security::None), mail).await.unwrap();
    let heard = server.heard();
    assert_eq!((heard.matches("\n..\n").count(), heard.matches("\n.\n").count()), (3, 1), "{heard}");
}

#[tokio::test]
async fn the_login_is_made_and_never_told() {
    let server = Server::start(Mood::Fine, "AUTH PLAIN").await;
    let login =
        |server: &Server| Smtp { username: Some("bot".into()), password: Some("hush-password".into()), ..server.smtp(Security::None) };
    send(login(&server), short()).await.unwrap();
    assert!(server.heard().contains("AUTH PLAIN AGJvdABodXNoLXBhc3N3b3Jk"), "{}", server.heard());
    let echoing = Server::start(Mood::Echoing, "AUTH PLAIN").await;
    let error = send(login(&echoing), short()).await.unwrap_err();
    assert!(error.starts_with("the mail server refused the login: ") && error.contains("[secret]"), "{error}");
    assert!(
        !error.contains("aHVzaC1wYXNzd29yZA") && !error.contains("HVzaC1wYXNzd29yZ") && !error.contains("odXNoLXBhc3N3b3Jk"),
        "{error}"
    );
    assert!(!format!("{:?}", login(&server)).contains("hush"));
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_where_tls_is_asked_for() {
    let server = Server::start(Mood::Fine, "").await;
    let error = send(server.smtp(Security::StartTls), short()).await.unwrap_err();
    assert!(error.starts_with("the mail server did not agree on TLS: ") && error.contains("STARTTLS is not supported"), "{error}");
    let offering = Server::start(Mood::Fine, "STARTTLS").await;
    let error = send(offering.smtp(Security::StartTls), short()).await.unwrap_err();
    assert!(error.starts_with("the mail server did not agree on TLS: "), "{error}");
    let error = send(server.smtp(Security::Implicit), short()).await.unwrap_err();
    assert!(error.starts_with("the mail server did not agree on TLS: "), "{error}");
    for heard in [server.heard(), offering.heard()] {
        assert!(!heard.contains("MAIL FROM") && !heard.contains("ann@example.org"), "{heard}");
    }
}

#[tokio::test]
async fn a_refusal_is_told() {
    let server = Server::start(Mood::Refusing, "").await;
    let error = send(server.smtp(Security::None), short()).await.unwrap_err();
    assert_eq!(error, "the mail server did not take the mail: permanent error (550): nobody here");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = send(Smtp { port, ..server.smtp(Security::None) }, short()).await.unwrap_err();
    assert!(error.starts_with("the mail server can not be reached: Connection refused"), "{error}");
    let closed = Settings { egress: Egress::new(Policy::default()).unwrap(), ..with(server.smtp(Security::None)) };
    let error = result(closed, &invocation(Action::Email, Value::Null, Body::Tree(tree(short())))).await.unwrap_err();
    assert!(error.ends_with("its address is loopback, and egress.allow does not list it"), "{error}");
}

#[tokio::test]
async fn a_server_that_babbles_or_is_silent_is_given_up() {
    let server = Server::start(Mood::Babbling, "").await;
    let error = send(server.smtp(Security::None), short()).await.unwrap_err();
    assert!(error.contains("it said over 131072 bytes"), "{error}");
    let server = Server::start(Mood::Silent, "").await;
    tokio::time::pause();
    let error = send(server.smtp(Security::None), short()).await.unwrap_err();
    assert_eq!(error, "the mail server did not take the mail within 60s: it may have it");
}
