//! Tokens over time: asked for when demanded, kept, refreshed, replaced, shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use egress::Egress;
use egress::policy::Policy;
use mcp::error::Error;
use mcp::oauth::consent::Unattended;
use mcp::oauth::{Client, Grant, OAuth};
use mcp::pool::{Config, Pool};
use mcp::server::Auth;
use serde_json::json;
use tokio::task::JoinSet;

use crate::fake::{Asked, DEADLINE, Fake, Reply, call, pool};

/// A server and its authorization server in one. It takes the token that it gave last.
#[derive(Debug, Default)]
struct Guarded {
    issued: AtomicUsize,
    /// How long a token lives, in seconds.
    lives_s: AtomicUsize,
}

impl Guarded {
    fn answer(&self, asked: &Asked) -> Option<Reply> {
        let origin = format!("http://{}", asked.header("host"));
        let token = format!("token-{:04}", self.issued.load(Ordering::SeqCst));
        match asked.path.as_str() {
            "/mcp" if asked.header("authorization") == format!("Bearer {token}") => None,
            "/mcp" => Some(Reply::Status(
                401,
                vec![("www-authenticate", format!("Bearer resource_metadata=\"{origin}/meta\", scope=\"use\""))],
                String::new(),
            )),
            "/meta" => Some(Reply::Json(json!({ "resource": format!("{origin}/mcp"), "authorization_servers": [origin] }))),
            "/.well-known/oauth-authorization-server" => Some(Reply::Json(json!({
                "issuer": origin, "authorization_endpoint": format!("{origin}/authorize"), "token_endpoint": format!("{origin}/token"),
                "registration_endpoint": format!("{origin}/register"), "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }))),
            "/register" => Some(Reply::Json(json!({ "client_id": "made", "redirect_uris": [asked.body["redirect_uris"][0]] }))),
            "/token" => {
                let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
                let mut told = json!({ "access_token": format!("token-{number:04}"), "token_type": "Bearer", "expires_in": self.lives_s.load(Ordering::SeqCst) });
                if asked.form("grant_type") != "client_credentials" {
                    told["refresh_token"] = format!("refresh-{number:04}").into();
                }
                Some(Reply::Json(told))
            }
            _ => Some(Reply::Status(404, vec![], String::new())),
        }
    }
}

fn guarded(lives_s: usize) -> (Fake, Arc<Guarded>) {
    let state = Arc::new(Guarded { issued: AtomicUsize::new(0), lives_s: AtomicUsize::new(lives_s) });
    let script = Arc::clone(&state);
    (Fake::start(move |asked| script.answer(asked)), state)
}

fn itself() -> Auth {
    let client = Client::Registered { id: "me".into(), secret: Some("client-secret-123".into()) };
    Auth::Token(Box::new(OAuth { client, grant: Grant::Credentials, scopes: vec![] }))
}

fn grants(fake: &Fake) -> Vec<String> {
    fake.asked().iter().filter(|asked| asked.path == "/token").map(|asked| asked.form("grant_type")).collect()
}

#[tokio::test]
async fn a_token_is_got_when_it_is_demanded_and_kept() {
    let (fake, state) = guarded(3600);
    let pool = pool(Config::default(), &[fake.address]);
    let server = fake.server_with(&[], itself());
    pool.tools(&server).await.unwrap();
    for _ in 0..3 {
        pool.call(&server, call(DEADLINE)).await.unwrap();
    }
    assert_eq!(grants(&fake), ["client_credentials"]);
    let asked = fake.asked().into_iter().find(|asked| asked.path == "/token").unwrap();
    assert_eq!(
        (asked.form("client_id"), asked.form("client_secret"), asked.form("scope")),
        ("me".into(), "client-secret-123".into(), "use".into())
    );
    assert_eq!(asked.form("resource"), fake.url().as_str());
    // Taken back by the server: another one is got.
    state.issued.fetch_add(1, Ordering::SeqCst);
    pool.call(&server, call(DEADLINE)).await.unwrap();
    assert_eq!(grants(&fake).len(), 2);
}

#[tokio::test]
async fn all_who_find_the_token_refused_get_one_together() {
    let (fake, state) = guarded(3600);
    let pool = pool(Config::default(), &[fake.address]);
    let server = fake.server_with(&[], itself());
    pool.tools(&server).await.unwrap();
    state.issued.fetch_add(1, Ordering::SeqCst);
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let (pool, server) = (pool.clone(), server.clone());
        asking.spawn(async move { pool.call(&server, call(DEADLINE)).await });
    }
    for ended in asking.join_all().await {
        ended.unwrap();
    }
    assert_eq!(grants(&fake).len(), 2);
}

#[tokio::test]
async fn a_token_that_runs_out_is_refreshed() {
    let egress = Egress::new(Policy { allow: vec!["127.0.0.1".parse().unwrap()] }).unwrap();
    let authorizing = Guarded::default();
    let fake = Fake::start(move |asked| {
        if asked.path == "/authorize" {
            let back = format!("http://localhost:8090/callback?code=c-1&state={}", query(asked, "state"));
            return Some(Reply::Status(302, vec![("location", back)], String::new()));
        }
        authorizing.answer(asked)
    });
    let redirect = "http://localhost:8090/callback".parse().unwrap();
    let auth = Auth::Token(Box::new(OAuth { client: Client::Dynamic, grant: Grant::Code { redirect }, scopes: vec![] }));
    let pool = Pool::new(Config { consent: Some(Arc::new(Unattended::new(egress.clone()))), ..Config::default() }, egress);
    let server = fake.server_with(&[], auth);
    // Each token is old when it comes: every request refreshes.
    pool.tools(&server).await.unwrap();
    pool.call(&server, call(DEADLINE)).await.unwrap();
    let grants = grants(&fake);
    assert_eq!(grants[0], "authorization_code");
    assert!(grants.len() > 2 && grants[1..].iter().all(|grant| grant == "refresh_token"), "{grants:?}");
    assert_eq!(fake.asked().iter().filter(|asked| asked.path == "/authorize").count(), 1);
    let refreshed: Vec<String> =
        fake.asked().iter().filter(|asked| asked.path == "/token").skip(1).map(|asked| asked.form("refresh_token")).collect();
    assert_eq!(refreshed[..2], ["refresh-0001", "refresh-0002"]);
}

fn query(asked: &Asked, name: &str) -> String {
    url::form_urlencoded::parse(asked.query.as_bytes()).find(|(field, _)| field == name).unwrap().1.into_owned()
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_and_never_in_the_words_of_the_server() {
    let fake = Fake::start(|asked| {
        let origin = format!("http://{}", asked.header("host"));
        Some(match asked.path.as_str() {
            "/token" => {
                let told = json!({ "error": "invalid_client", "error_description": format!("{} is wrong", asked.form("client_secret")) });
                Reply::Status(401, vec![("content-type", "application/json".into())], told.to_string())
            }
            _ => return Guarded::default().answer(asked).or_else(|| Some(Reply::Status(404, vec![], origin))),
        })
    });
    let pool = pool(Config::default(), &[fake.address]);
    let error = pool.tools(&fake.server_with(&[], itself())).await.unwrap_err();
    let expected = format!("cannot get a token for the client itself: http://{} answers with status 401 (invalid_client)", fake.address);
    assert_eq!(error.to_string(), expected);
    assert!(!format!("{error:?}").contains("client-secret"), "{error:?}");
    // Not asked over and over.
    let error = pool.tools(&fake.server_with(&[], itself())).await.unwrap_err();
    assert!(matches!(error, Error::BackingOff { .. }), "{error:?}");
    assert_eq!(grants(&fake).len(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_every_token_is_given_up_on() {
    let state = Guarded::default();
    let fake = Fake::start(move |asked| {
        let mut unheard = asked.clone();
        unheard.headers.remove("authorization");
        state.answer(&unheard)
    });
    let pool = pool(Config::default(), &[fake.address]);
    let error = pool.tools(&fake.server_with(&[], itself())).await.unwrap_err();
    assert_eq!(error.to_string(), "the server still demands more after 2 authorizations");
    assert_eq!(grants(&fake).len(), 2);
}

#[tokio::test]
async fn a_server_that_wants_a_token_and_has_none_configured_says_so() {
    let (fake, _) = guarded(3600);
    let pool = pool(Config::default(), &[fake.address]);
    for auth in [Auth::None, Auth::Bearer("wrong-token-123".into())] {
        let error = pool.tools(&fake.server_with(&[], auth)).await.unwrap_err();
        assert!(matches!(error, Error::Unauthorized), "{error:?}");
    }
}
