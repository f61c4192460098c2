//! The ways of `fetch`, of an instruction and of a rule.

use std::collections::BTreeMap;

use egress::Egress;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use skillset::invocation::Action;

use crate::canary::{Canary, Outside};
use crate::table::{CHAINS, LEADING, LOCATIONS, OTHERS};
use crate::{Guard, run, settings};

/// How many ways must lead to the canary where nothing guards it.
const LEADING_MIN: usize = 40;

/// What a way came to, by either door.
struct Told {
    url: String,
    /// Of the instruction's `fetch` and of the rule's.
    outcomes: [Result<String, String>; 2],
    hits: [usize; 2],
}

fn escaped(url: &str) -> String {
    utf8_percent_encode(url, NON_ALPHANUMERIC).to_string()
}

/// All ways that lead to the canary: plain, by a redirect of every status, by chains.
fn leading(canary: &Canary, outside: &Outside) -> Vec<String> {
    let ports = |text: &str| text.replace("{p}", &canary.port.to_string()).replace("{o}", &outside.port.to_string());
    let mut urls: Vec<String> = LEADING.iter().map(|url| ports(url)).collect();
    for location in LOCATIONS {
        for status in [301, 302, 303, 307, 308] {
            urls.push(ports(&format!("http://127.0.0.9:{{o}}/{status}?{}", escaped(&ports(location)))));
        }
    }
    for chain in CHAINS {
        let folded = chain.iter().rev().map(|step| ports(step)).reduce(|to, from| format!("{from}?{}", escaped(&to)));
        urls.push(folded.unwrap());
    }
    urls
}

async fn walk(guard: Guard, urls: Vec<String>, canary: &Canary) -> Vec<Told> {
    let (mut told, shared) = (Vec::new(), guard.egress().0);
    for url in urls {
        // A name that changes its address does so once.
        let egress = || if url.contains("rebinding") { guard.egress().0 } else { shared.clone() };
        let by_instruction = instruction(egress(), &url).await;
        let hit = canary.hits();
        let by_rule = rule(&egress(), &url).await;
        told.push(Told { url, outcomes: [by_instruction, by_rule], hits: [hit, canary.hits()] });
    }
    told
}

async fn instruction(egress: Egress, url: &str) -> Result<String, String> {
    let parameters = BTreeMap::from([("timeout".to_owned(), json!(5000))]);
    run(settings(egress), Action::Fetch, parameters, url).await.map(|value| value.to_string())
}

async fn rule(egress: &Egress, url: &str) -> Result<String, String> {
    action::arguments::fetch(egress, json!({ "url": url, "timeout": 5000 }), "key").await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_ways_lead_to_the_canary_where_nothing_guards_it() {
    let (canary, outside) = (Canary::web().await, Outside::start().await);
    let told = walk(Guard::Off, leading(&canary, &outside), &canary).await;
    let missed: Vec<String> =
        told.iter().filter(|way| way.hits != [1, 1]).map(|way| format!("{} {:?} {:?}", way.url, way.hits, way.outcomes)).collect();
    let reached = told.len() - missed.len();
    println!("guard off: {reached} of {} ways reach the canary", told.len());
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(reached >= LEADING_MIN);
}

#[tokio::test]
async fn no_way_leads_to_the_canary_past_the_guard() {
    let (canary, outside) = (Canary::web().await, Outside::start().await);
    let port = |url: &&str| url.replace("{p}", &canary.port.to_string());
    let leading = leading(&canary, &outside);
    let count = leading.len() + OTHERS.len();
    let told = walk(Guard::On, leading, &canary).await;
    let others = walk(Guard::On, OTHERS.iter().map(port).collect(), &canary).await;
    for way in &told {
        for outcome in &way.outcomes {
            let error = outcome.as_ref().unwrap_err();
            // Of mixed answers what is left is the address outside, where nothing listens.
            let expected = if way.url.contains("mixed") { "the call broke" } else { "may not be called: its address is " };
            assert!(error.contains(expected), "{}: {error}", way.url);
        }
    }
    let failed = told.iter().chain(&others).filter(|way| way.outcomes.iter().all(Result::is_err)).count();
    let hits: usize = told.iter().chain(&others).flat_map(|way| way.hits).sum();
    println!("guard on: {hits} of {count} ways reach the canary, {failed} fail");
    assert_eq!((hits, failed), (0, count));
}

#[tokio::test]
async fn the_guard_lets_through_what_may_be_called() {
    let outside = Outside::start().await;
    let url = format!("http://127.0.0.9:{}/200?", outside.port);
    assert_eq!(instruction(Guard::On.egress().0, &url).await, Ok(r#"{"status":200,"body":""}"#.into()));
    rule(&Guard::On.egress().0, &url).await.unwrap();
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_each_connection() {
    let (canary, outside) = (Canary::web().await, Outside::start().await);
    let (egress, names) = Guard::Off.egress();
    let url = format!("http://rebinding.example:{}/", canary.port);
    // The first answer is connected to, though nothing listens there and the second would be served.
    assert!(instruction(egress, &url).await.unwrap_err().contains("the call broke"));
    assert_eq!((names.asked("rebinding.example"), canary.hits()), (1, 0));
    let (egress, names) = Guard::On.egress();
    let url = format!("http://rebinding.example:{}/200?", outside.port);
    instruction(egress, &url).await.unwrap();
    assert_eq!(names.asked("rebinding.example"), 1);
}
