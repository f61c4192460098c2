//! The ways of `search`: the host of the search engine.

use std::collections::BTreeMap;

use action::Settings;
use action::search::Search;
use egress::Egress;
use skillset::invocation::Action;

use crate::canary::{Canary, Outside};
use crate::table::{HOSTS, OTHER_HOSTS};
use crate::{Guard, run, settings};

async fn ask(egress: &Egress, url: String) -> Result<(), String> {
    let settings = Settings { search: Some(Search::new(url)), ..settings(egress.clone()) };
    run(settings, Action::Search, BTreeMap::new(), "who").await.map(drop)
}

#[tokio::test]
async fn a_search_reaches_the_canary_only_where_nothing_guards_it() {
    let (canary, outside) = (Canary::web().await, Outside::start().await);
    let (off, on) = (Guard::Off.egress().0, Guard::On.egress().0);
    let url = |host: &str| format!("http://{host}:{}/?q={{query}}", canary.port);
    let redirecting = format!("http://127.0.0.9:{}/302?http://127.0.0.1:{}/{{query}}", outside.port, canary.port);
    let leading: Vec<String> = HOSTS.iter().map(|host| url(host)).chain([redirecting]).collect();
    for url in &leading {
        ask(&off, url.clone()).await.unwrap_err();
        assert_eq!(canary.hits(), 1, "{url}");
    }
    let mut hits = 0;
    for url in leading.iter().cloned().chain(OTHER_HOSTS.iter().map(|host| url(host))) {
        ask(&on, url).await.unwrap_err();
        hits += canary.hits();
    }
    println!(
        "search: {} ways reach the canary with the guard off; with it on {hits} of {}",
        leading.len(),
        leading.len() + OTHER_HOSTS.len()
    );
    assert_eq!(hits, 0);
}
