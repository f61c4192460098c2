//! Mail over TLS: to the server of the name, and to no other.
//!
//! The authorities that are trusted are the system's. A process that trusts the test's own as well
//! is made by the variable that the look-up for them obeys, so the test runs itself again in one.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use action::email::{Security, Smtp};
use action::secret::NoSecrets;
use action::{Actions, Context, Outcome, Settings};
use async_trait::async_trait;
use egress::Egress;
use egress::lookup::Resolve;
use egress::policy::Policy;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use skillset::invocation::{Action, Body, Invocation, Part, Text};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The name in the server's certificate.
const NAME: &str = "mail.example";
/// Where the process that runs again finds its authority.
const AGAIN: &str = "CUEPOINT_TEST_AUTHORITY";

/// Every name lies on the loopback address.
#[derive(Debug)]
struct Here;

#[async_trait]
impl Resolve for Here {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

#[test]
fn mail_goes_over_tls_to_the_server_of_the_name_only() {
    if let Some(folder) = std::env::var_os(AGAIN) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(trusting(&PathBuf::from(folder)));
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("authority-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("authority.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("certificate.der"), certificate.der()).unwrap();
    std::fs::write(folder.join("key.der"), key.serialize_der()).unwrap();
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mail_goes_over_tls_to_the_server_of_the_name_only"])
        .env(AGAIN, &folder)
        .env("SSL_CERT_FILE", folder.join("authority.pem"))
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let told = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&again.stderr));
}

async fn trusting(folder: &std::path::Path) {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![read("certificate.der").into()], PrivatePkcs8KeyDer::from(read("key.der")).into())
        .unwrap();
    for tls in [Security::StartTls, Security::Implicit] {
        let (heard, mut tasks) = (Arc::new(Mutex::new(Vec::new())), JoinSet::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tasks.spawn(accept(listener, tls, TlsAcceptor::from(Arc::new(config.clone())), Arc::clone(&heard)));
        assert_eq!(send(NAME, port, tls).await, Ok(()), "{tls:?}");
        let lines = std::mem::take(&mut *heard.lock().unwrap());
        assert!(lines.iter().any(|line| line == "secure RCPT TO:<ann@example.org>"), "{tls:?}: {lines:?}");
        assert!(lines.iter().any(|line| line == "secure hello"), "{tls:?}: {lines:?}");
        assert!(
            lines.iter().filter(|line| !line.starts_with("secure ")).all(|line| line.starts_with("EHLO ") || line == "STARTTLS"),
            "{lines:?}"
        );
        // The certificate is right, and for another name.
        for host in ["other.example", "127.0.0.1"] {
            let error = send(host, port, tls).await.unwrap_err();
            assert!(error.starts_with("the mail server did not agree on TLS: ") && error.contains("certificate"), "{tls:?}: {error}");
        }
        assert!(heard.lock().unwrap().iter().all(|line| !line.contains("MAIL") && !line.contains("RCPT")), "{tls:?}");
    }
}

async fn send(host: &str, port: u16, tls: Security) -> Result<(), String> {
    let policy = Policy { allow: vec!["127.0.0.1".parse().unwrap()] };
    let egress = Egress::over(policy, Arc::new(Here)).unwrap();
    let from = "bot@example.com".parse().unwrap();
    let smtp = Smtp { host: host.to_owned(), port, tls, username: None, password: None, from };
    let settings = Settings { egress, smtp: Some(smtp), search: None, timeout_min: Duration::from_secs(1) };
    let parameters = BTreeMap::from([("to".to_owned(), json!("ann@example.org"))]);
    let body = Body::Text(Text(vec![Part::Literal("hello".to_owned())]));
    let (invocation, facts) = (Invocation { action: Action::Email, parameters, body }, BTreeMap::new());
    let context = Context { idempotency_key: "key", secrets: &NoSecrets, facts: &facts, allow: &[] };
    let outcome = Actions::new(settings).run(&invocation, context).await.map_err(|error| error.to_string())?;
    assert!(matches!(outcome, Outcome::Result(_)));
    Ok(())
}

async fn accept(listener: TcpListener, tls: Security, acceptor: TlsAcceptor, heard: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(serve(stream, tls, &acceptor, &heard).await);
    }
}

/// One connection, one after another: in the clear up to `STARTTLS`, or secure from the first byte.
async fn serve(mut stream: TcpStream, tls: Security, acceptor: &TlsAcceptor, heard: &Mutex<Vec<String>>) -> io::Result<()> {
    if tls == Security::StartTls {
        stream.write_all(b"220 here\r\n").await?;
        talk(&mut stream, "", heard).await?;
    }
    let mut secure = acceptor.accept(stream).await?;
    if tls == Security::Implicit {
        secure.write_all(b"220 here\r\n").await?;
    }
    talk(&mut secure, "secure ", heard).await
}

/// Answers until `STARTTLS` or the end.
async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), prefix: &str, heard: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut is_data = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        heard.lock().unwrap().push(format!("{prefix}{line}"));
        let reply = match line.split(' ').next().unwrap_or_default() {
            "." => {
                is_data = false;
                "250 taken"
            }
            _ if is_data => continue,
            "EHLO" => "250-here\r\n250 STARTTLS",
            "DATA" => {
                is_data = true;
                "354 go on"
            }
            _ => "250 fine",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        if line == "STARTTLS" {
            return Ok(());
        }
    }
}
