//! The ways of `email`: the host of the mail server.

use std::collections::BTreeMap;

use action::Settings;
use action::email::{Security, Smtp};
use egress::Egress;
use serde_json::json;
use skillset::invocation::Action;

use crate::canary::Canary;
use crate::table::{HOSTS, OTHER_HOSTS};
use crate::{Guard, run, settings};

async fn send(egress: &Egress, host: &str, port: u16) -> Result<(), String> {
    let from = "bot@example.com".parse().unwrap();
    let smtp = Smtp { host: host.to_owned(), port, tls: Security::None, username: None, password: None, from };
    let settings = Settings { smtp: Some(smtp), ..settings(egress.clone()) };
    let parameters = BTreeMap::from([("to".to_owned(), json!("ann@example.org"))]);
    run(settings, Action::Email, parameters, "hello").await.map(drop)
}

#[tokio::test]
async fn mail_reaches_the_canary_only_where_nothing_guards_it() {
    let canary = Canary::mail().await;
    let (off, on) = (Guard::Off.egress().0, Guard::On.egress().0);
    for host in HOSTS {
        send(&off, host, canary.port).await.unwrap_err();
        assert_eq!(canary.hits(), 1, "{host}");
    }
    let mut hits = 0;
    for host in HOSTS.iter().chain(OTHER_HOSTS) {
        let error = send(&on, host, canary.port).await.unwrap_err();
        assert!(error.starts_with("the mail server can not be reached: "), "{host}: {error}");
        hits += canary.hits();
    }
    println!("mail: {} hosts reach the canary with the guard off; with it on {hits} of {}", HOSTS.len(), HOSTS.len() + OTHER_HOSTS.len());
    assert_eq!(hits, 0);
}
