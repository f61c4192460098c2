//! What a deployment tells, as receivers see it that nobody here wrote: `make proof-telemetry`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cuepoint::server::free_port;
use serde_json::Value;
use tests::eventually::eventually;
use tests::peer::phoenix::{Phoenix, Span};
use tests::peer::prometheus::Prometheus;
use tests::resource::{results_on, trigger};
use tests::sink::Sink;

use crate::SOON;
use crate::telemetry::{oracle, shop};

/// Where the configuration, rules and dashboards are that are shipped.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/observability");
/// What has no series before it has happened.
const RARE: [&str; 1] = ["cuepoint_accepts_shed_total"];

/// A story as lines: each span below the one that it belongs to.
fn tree(spans: &[Span], parent: Option<&str>, depth: usize, lines: &mut Vec<String>) {
    for span in spans.iter().filter(|span| span.parent_id.as_deref() == parent) {
        lines.push(format!("{}{} [{}]", "  ".repeat(depth), span.name, span.kind));
        tree(spans, Some(&span.context.span_id), depth + 1, lines);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_with_a_model_and_an_ability_is_one_story_in_phoenix() {
    let (oracle, sink, phoenix) = (oracle().await, Sink::start().await, Phoenix::start().await);
    let flags = ["--otlp", phoenix.url(), "--otlp-metrics", "none", "--otlp-logs", "none"].map(str::to_owned);
    let system = shop(&oracle, &sink, [&flags, &flags]).await;
    let told = system.call("orders").said("s", "Where is 42?").query("wait=20").send().await.ok();
    assert_eq!(told.str("/text"), "It is on its way, Trillian.");
    let session = crate::session("orders", "s").to_string();
    system.finish().await;

    let names = |spans: &[Span]| spans.iter().map(|span| span.name.clone()).collect::<BTreeSet<_>>();
    let whole = async || {
        let spans = phoenix.spans().await?;
        let names = names(&spans);
        (names.contains("process event.{trigger}.{session}") && names.contains("publish event.{trigger}.{session}")).then_some(spans)
    };
    let spans = eventually("Phoenix has both ends of the story", SOON * 6, whole).await;
    let mut lines = Vec::new();
    tree(&spans, None, 0, &mut lines);
    println!("{}", lines.join("\n"));

    assert!(!lines.iter().any(|line| line.contains("/readyz")), "who asks whether it is well makes no story");
    // No span hangs in the air.
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.context.span_id.as_str()).collect();
    let loose: Vec<&Span> = spans.iter().filter(|span| span.parent_id.as_deref().is_some_and(|parent| !ids.contains(parent))).collect();
    assert!(loose.is_empty(), "{loose:?}");
    // What Phoenix takes them for, by the conventions of GenAI.
    let kinds: BTreeMap<&str, &str> = spans.iter().map(|span| (span.name.as_str(), span.kind.as_str())).collect();
    assert_eq!((kinds["invoke_agent clerk"], kinds["chat scripted"], kinds["execute_tool look_up"]), ("AGENT", "LLM", "TOOL"));
    let chat = spans.iter().find(|span| span.name == "chat scripted").unwrap();
    assert_eq!(chat.attributes["llm.model_name"], "scripted");
    assert_eq!(chat.attributes["llm.token_count.prompt"], 100);
    // The call and the turn are two traces, and one session.
    let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap().context.trace_id.clone();
    let two = BTreeSet::from([of("publish event.{trigger}.{session}"), of("process event.{trigger}.{session}")]);
    assert_eq!(two.len(), 2, "a turn is a trace of its own");
    let told = async || Some(BTreeSet::from_iter(phoenix.sessions().await?.remove(&session)?)).filter(|traces| *traces == two);
    let together = eventually("Phoenix has them in one session", SOON, told).await;
    println!("session {session}: {} traces, {} spans", together.len(), spans.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_scrapes_both_services_and_every_rule_and_panel_finds_its_series() {
    let (oracle, sink) = (oracle().await, Sink::start().await);
    let ports = [free_port().unwrap(), free_port().unwrap()];
    let flags = ports.map(|port| ["--ops".to_owned(), format!("127.0.0.1:{port}")]);
    let system = shop(&oracle, &sink, [&flags[0], &flags[1]]).await;
    let _heard = system.view().client().subscribe("results.orders").await.unwrap();
    system.put(&trigger("orders").bot("clerk").results([results_on("bus", "results.orders")]).into()).await;

    let mut configuration = std::fs::read_to_string(format!("{SHIPPED}/prometheus.yml")).unwrap().replace(" 15s", " 1s");
    for (service, port) in ["gateway", "worker"].into_iter().zip(ports) {
        let named = format!("dns_sd_configs: [{{ names: [{service}], type: A, port: 9464, refresh_interval: 5s }}]");
        assert!(configuration.contains(&named), "{configuration}");
        configuration = configuration.replace(&named, &format!("static_configs: [{{ targets: ['127.0.0.1:{port}'] }}]"));
    }
    let beside = system.scratch.path().join("prometheus");
    std::fs::create_dir(&beside).unwrap();
    std::fs::copy(format!("{SHIPPED}/alerts.yaml"), beside.join("alerts.yaml")).unwrap();
    let prometheus = Prometheus::start(&configuration, &beside).await;
    for round in 0..3 {
        let said = system.call("orders").said("s", &format!("Where is 42? {round}")).query("wait=20").send().await.ok();
        assert_eq!(said.str("/status"), "completed");
    }
    let up = async || (prometheus.series("up == 1").await? == 2).then_some(());
    eventually("both are scraped", SOON * 3, up).await;
    let rules = prometheus.ask("rules", &[]).await.unwrap();
    let rules: Vec<&Value> = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let evaluated = async || {
        let rules = prometheus.ask("rules", &[]).await?;
        let all = rules["groups"].as_array()?.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
        all.into_iter().all(|rule| rule["health"] == "ok").then_some(())
    };
    eventually("every rule is evaluated without a fault", SOON * 3, evaluated).await;

    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(Path::new(SHIPPED).join("dashboards/cuepoint.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let panels: Vec<String> = panels.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m")).collect();
    let expressions: Vec<String> = rules.iter().map(|rule| rule["query"].as_str().unwrap().to_owned()).chain(panels.clone()).collect();
    let names = metrics(&expressions);
    for expression in &expressions {
        assert!(prometheus.series(expression).await.is_some(), "not understood: {expression}");
    }
    for name in &names {
        let there = async || (prometheus.series(name).await? > 0).then_some(());
        if !RARE.contains(&name.as_str()) {
            eventually(&format!("{name} has a series"), SOON * 2, there).await;
        }
    }
    let delivered =
        async || (prometheus.series(r#"cuepoint_results_delivered_total{cuepoint_outcome="delivered"} >= 3"#).await? == 1).then_some(());
    eventually("ends of turns are told and counted", SOON, delivered).await;
    let firing = prometheus.ask("alerts", &[]).await.unwrap()["alerts"].as_array().unwrap().clone();
    assert!(firing.iter().all(|alert| alert["state"] != "firing"), "{firing:?}");
    println!("{} rules and {} panels use {} metrics; none fires", rules.len(), panels.len(), names.len());
    system.finish().await;
}

/// The names of metrics in expressions: each begins as ours do.
fn metrics(expressions: &[String]) -> BTreeSet<String> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expressions.iter().flat_map(|expression| expression.split(|c: char| !is_of_a_name(c)));
    let ours = ["cuepoint_", "gen_ai_client_", "http_server_"];
    words.filter(|word| ours.iter().any(|own| word.starts_with(own)) && *word != "cuepoint_outcome").map(str::to_owned).collect()
}
