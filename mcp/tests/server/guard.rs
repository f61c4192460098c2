//! No request goes where the policy does not let it, whoever names the address.

use egress::Egress;
use egress::policy::Policy;
use mcp::error::Error;
use mcp::oauth::consent::{Consent as _, Unattended};
use mcp::oauth::{Client, Grant, OAuth};
use mcp::pool::{Config, Pool};
use mcp::server::{Auth, Http, Server};
use serde_json::json;

use crate::fake::{DEADLINE, Fake, Reply, call, pool};

#[tokio::test]
async fn loopback_is_refused_unless_it_is_allowed() {
    let fake = Fake::start(|_| None);
    let guarded = Pool::new(Config::default(), Egress::new(Policy::default()).unwrap());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"] {
        let url = format!("http://{host}:{}/mcp", fake.address.port()).parse().unwrap();
        let error = guarded.tools(&Server::Http(Http { url, headers: vec![], auth: Auth::None })).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)) && !error.may_have_happened(), "{host}: {error:?}");
    }
    assert!(fake.asked().is_empty());
    pool(Config::default(), &[fake.address]).tools(&fake.server()).await.unwrap();
}

fn redirect(status: u16, to: String) -> Reply {
    Reply::Status(status, vec![("location", to)], String::new())
}

#[tokio::test]
async fn a_redirect_elsewhere_is_refused_even_where_elsewhere_is_allowed() {
    let other = Fake::start(|_| None);
    for (target, status) in [(other.url().to_string(), 307), (other.url().to_string(), 308), ("http://169.254.169.254/latest".into(), 307)]
    {
        let to = target.clone();
        let fake = Fake::start(move |_| Some(redirect(status, to.clone())));
        let pool = pool(Config::default(), &[fake.address, other.address]);
        let error = pool.tools(&fake.server_with(&[("x-key", "hunter2-hunter2")], Auth::None)).await.unwrap_err();
        assert!(matches!(&error, Error::Redirected { target: told, .. } if target.starts_with(told)), "{error:?}");
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_on_the_same_origin_is_followed_if_it_keeps_the_request() {
    let fake = Fake::start(|asked| (asked.path == "/mcp").then(|| redirect(307, "/mcp/".into())));
    let pool = pool(Config::default(), &[fake.address]);
    pool.call(&fake.server_with(&[("x-key", "1")], Auth::None), call(DEADLINE)).await.unwrap();
    assert!(fake.asked().iter().all(|asked| asked.header("x-key") == "1"));
    let seen = Fake::start(|asked| (asked.path == "/mcp").then(|| redirect(303, "/other".into())));
    let error = crate::fake::pool(Config::default(), &[seen.address]).tools(&seen.server()).await.unwrap_err();
    assert!(matches!(error, Error::Redirected { status: 303, .. }), "{error:?}");
    let endless = Fake::start(|_| Some(redirect(308, "/mcp".into())));
    let error = crate::fake::pool(Config::default(), &[endless.address]).tools(&endless.server()).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answered with status 508: more than 5 redirects");
    assert_eq!(endless.asked().len(), 6);
}

fn challenged(metadata: &str) -> Reply {
    Reply::Status(401, vec![("www-authenticate", format!("Bearer resource_metadata=\"{metadata}\""))], String::new())
}

fn oauth() -> Auth {
    let client = Client::Registered { id: "me".into(), secret: Some("client-secret-123".into()) };
    Auth::Token(Box::new(OAuth { client, grant: Grant::Credentials, scopes: vec![] }))
}

#[tokio::test]
async fn an_authorization_goes_nowhere_that_the_policy_refuses() {
    // The victim is on another port, which the policy does not list.
    let victim = Fake::start(|_| Some(Reply::Json(json!({ "resource": "x" }))));
    let evil = victim.url().to_string();

    // Named by the challenge.
    let metadata = evil.clone();
    let by_challenge = Fake::start(move |_| Some(challenged(&metadata)));
    // Named as the authorization server, or as its token endpoint.
    let server = evil.clone();
    let by_resource = Fake::start(move |asked| {
        let origin = format!("http://{}", asked.header("host"));
        Some(match asked.path.as_str() {
            "/mcp" => challenged(&format!("{origin}/meta")),
            "/meta" => Reply::Json(json!({ "resource": format!("{origin}/mcp"), "authorization_servers": [server] })),
            _ => Reply::Status(404, vec![], String::new()),
        })
    });
    let token = evil.clone();
    let by_endpoint = Fake::start(move |asked| {
        let origin = format!("http://{}", asked.header("host"));
        Some(match asked.path.as_str() {
            "/mcp" => challenged(&format!("{origin}/meta")),
            "/meta" => Reply::Json(json!({ "resource": format!("{origin}/mcp"), "authorization_servers": [origin] })),
            "/.well-known/oauth-authorization-server" => Reply::Json(json!({
                "issuer": origin, "authorization_endpoint": token, "token_endpoint": token, "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            })),
            _ => Reply::Status(404, vec![], String::new()),
        })
    });
    for fake in [by_challenge, by_resource, by_endpoint] {
        let pool = pool(Config::default(), &[fake.address]);
        let error = tokio::time::timeout(DEADLINE, pool.tools(&fake.server_with(&[], oauth()))).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::OAuth(_)), "{error:?}");
        assert!(!error.to_string().contains("client-secret"), "{error}");
    }
    assert!(victim.asked().is_empty(), "{:?}", victim.asked());
}

#[tokio::test]
async fn a_page_of_consent_is_guarded_too() {
    let victim = Fake::start(|_| Some(redirect(302, "http://localhost:8090/callback?code=c".into())));
    let back = "http://localhost:8090/callback".parse().unwrap();
    let guarded = Unattended::new(Egress::new(Policy::default()).unwrap());
    guarded.obtain(&victim.url(), &back).await.unwrap_err();
    assert!(victim.asked().is_empty());
    let allowed = Policy { allow: vec![victim.address.to_string().parse().unwrap()] };
    let open = Unattended::new(Egress::new(allowed).unwrap());
    assert_eq!(open.obtain(&victim.url(), &back).await.unwrap().query(), Some("code=c"));
    // A page that leads anywhere else has not been consented to.
    open.obtain(&victim.url(), &"http://localhost:8090/other".parse().unwrap()).await.unwrap_err();
}

#[tokio::test]
async fn without_anybody_to_consent_no_authorization_begins() {
    let fake = Fake::start(|asked| {
        let origin = format!("http://{}", asked.header("host"));
        (asked.path == "/mcp").then(|| challenged(&format!("{origin}/meta"))).or(Some(Reply::Status(404, vec![], String::new())))
    });
    let redirect = "http://localhost:8090/callback".parse().unwrap();
    let auth = Auth::Token(Box::new(OAuth { client: Client::Dynamic, grant: Grant::Code { redirect }, scopes: vec![] }));
    let pool = pool(Config::default(), &[fake.address]);
    let error = pool.tools(&fake.server_with(&[], auth)).await.unwrap_err();
    assert_eq!(error.to_string(), "the authorization server wants somebody to consent: nobody can be asked here");
    assert!(fake.asked().iter().all(|asked| asked.path != "/register"));
}
