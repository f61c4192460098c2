//! Mail, to a server that nobody here wrote.

use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::peer::smtp::{Mail, Smtp};
use tests::setup::Setup;

use super::{block, clerk, data, outcomes, said, served};
use crate::{SOON, records, shape};

/// The settings' section for a mail server.
fn section(smtp: &Smtp) -> String {
    format!("smtp: {{ host: 127.0.0.1, port: {}, tls: none, from: 'Shop <shop@example.com>' }}", smtp.address().port())
}

/// An ability that lets a model write all of a mail.
fn ability(doubt: &str) -> Value {
    let body = "to: $[to!]\nreplyTo: support@example.com\nsubject: Your order $[order!]\ncontent: |\n  **Good news**: $[details!]";
    json!([{ "name": "mail", "doubt": doubt, "instruction": block("email", body) }])
}

fn arguments(to: &str, order: &str, details: &str) -> Value {
    json!({ "to": to, "order": order, "details": details })
}

/// The headers of a mail that say who wrote it to whom about what.
fn head(mail: &Mail) -> [&str; 5] {
    ["From", "To", "Reply-To", "Subject", "Auto-Submitted"].map(|name| mail.header(name).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_arrives_as_it_was_meant() {
    let smtp = Smtp::start().await;
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("mail".into(), arguments("Ann <ann@example.org>, bob@example.org", "42", "it is on its way.\n.\nSee you"))]),
        _ => Say::Text("written".into()),
    })
    .await;
    let system = served(&oracle, ability("fail"), &section(&smtp)).await;
    assert_eq!(said(&system, "Tell them").await.str("/text"), "written");
    let mails = smtp.received();
    let [mail] = mails.as_slice() else { panic!("one mail was sent: {mails:?}") };
    assert_eq!((mail.from.as_str(), mail.to.join(" ")), ("shop@example.com", "ann@example.org bob@example.org".to_owned()));
    let [from, to, reply_to, subject, automatic] = head(mail);
    assert!(from.contains("shop@example.com") && from.contains("Shop"), "{from}");
    assert!(to.contains("ann@example.org") && to.contains("bob@example.org"), "{to}");
    assert_eq!((reply_to, subject, automatic), ("support@example.com", "Your order 42", "auto-generated"));
    assert!(mail.body.contains("**Good news**: it is on its way.\n.\nSee you"), "{}", mail.body);
    assert!(mail.body.contains("<strong>Good news</strong>"), "{}", mail.body);
    let last = oracle.asked().last().cloned().unwrap();
    let outcome = data(outcomes(&last)[0]);
    assert_eq!(outcome["messageId"].as_str(), mail.header("Message-ID"), "{outcome}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_sent_again_after_a_crash_has_the_same_id() {
    let smtp = Smtp::start().await;
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("mail".into(), arguments("ann@example.org", "42", "it is on its way."))]),
        _ => Say::Text("written".into()),
    })
    .await;
    let mut system = clerk(ability("retry")).start().await;
    let setup = Setup::child().settings(oracle.settings(&section(&smtp)));
    let first = system.start_worker(setup.clone().fatal("run.mail#1.after")).await;
    let receipt = system.call("orders").said("s", "Tell her").send().await.receipt();
    eventually("the worker kills itself", SOON, async || system.worker(first).has_died().then_some(())).await;
    assert_eq!(smtp.received().len(), 1, "the mail went out, and no record says so");
    system.start_worker(setup).await;
    assert_eq!(shape(&records(&system.settled(SOON * 2).await)), "iroC");
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/text"), "written");
    let mails = smtp.received();
    assert_eq!(mails.len(), 2);
    let ids: Vec<Option<&str>> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert!(ids[0].is_some() && ids[0] == ids[1], "{ids:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_argument_becomes_a_header_or_a_mail_of_its_own() {
    let smtp = Smtp::start().await;
    let smuggled = "x\r\n.\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nSubject: mine\r\n\r\nhi\r\n.\r\n";
    let attempts = [
        arguments("ann@example.org\r\nBcc: eve@example.org", "42", "x"),
        arguments("ann@example.org>\r\nRCPT TO:<eve@example.org", "42", "x"),
        arguments("ann@example.org", "42\r\nBcc: eve@example.org", "x"),
        arguments("ann@example.org", "42\nBcc: eve@example.org\n\nhi", "x"),
        arguments("ann@example.org", "42\u{2028}\u{85}Bcc: eve@example.org", "x"),
        arguments("ann@example.org", "42", "x\r\nBcc: eve@example.org\r\nsubject: other"),
        arguments("ann@example.org", "42", smuggled),
        arguments("ann@example.org", "42", "x\n.\nMAIL FROM:<eve@example.org>\n"),
        arguments("\"ann\\\" <eve@example.org>, \\\"\" <ann@example.org>", "42", "x"),
    ];
    let count = attempts.len();
    let calls: Vec<(String, Value)> = attempts.into_iter().map(|arguments| ("mail".into(), arguments)).collect();
    let oracle = Oracle::start(move |steps, _| if steps == 0 { Say::Calls(calls.clone()) } else { Say::Text("done".into()) }).await;
    let system = served(&oracle, ability("fail"), &section(&smtp)).await;
    assert_eq!(said(&system, "go").await.str("/text"), "done");
    let last = oracle.asked().last().cloned().unwrap();
    let outcomes = outcomes(&last);
    assert_eq!(outcomes.len(), count);
    let refused = outcomes.iter().filter(|outcome| !outcome.contains("messageId")).count();
    assert!(outcomes[..4].iter().all(|outcome| !outcome.contains("messageId")), "{outcomes:?}");
    let mails = smtp.received();
    assert_eq!(mails.len(), count - refused, "each call that was taken is one mail: {mails:?}");
    let known = ["date", "from", "to", "reply-to", "subject", "message-id", "auto-submitted", "mime-version", "content-type"];
    for mail in &mails {
        assert_eq!((mail.from.as_str(), mail.to.join(" ")), ("shop@example.com", "ann@example.org".to_owned()));
        for (name, _) in &mail.headers {
            assert!(known.contains(&name.to_ascii_lowercase().as_str()), "{name} in {mail:?}");
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_is_away_is_told_to_the_model() {
    let smtp = Smtp::start().await;
    let section = section(&smtp);
    drop(smtp);
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("mail".into(), arguments("ann@example.org", "42", "x"))]),
        _ => Say::Text("sorry".into()),
    })
    .await;
    let system = served(&oracle, ability("fail"), &section).await;
    assert_eq!(said(&system, "go").await.str("/text"), "sorry");
    let last = oracle.asked().last().cloned().unwrap();
    assert!(outcomes(&last)[0].contains("the mail server can not be reached"), "{last}");
    system.finish().await;
}
