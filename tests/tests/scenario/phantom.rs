//! A core subscriber also hears appends that the fence refuses; no reader of ours believes them.

use async_nats::HeaderMap;
use backbone::publish;
use futures_util::StreamExt as _;
use proto::header;
use proto::limit::PUBLISH_DEADLINE;
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
use proto::wire::Completed;
use serde_json::json;
use tests::resource::{scripted, trigger};

use crate::{SOON, session, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_append_is_heard_and_never_shown() {
    let slow = scripted("slow", json!({ "latency": "600ms", "reply": "real" }));
    let system = small().with(slow).with(trigger("orders").bot("slow")).start().await;
    let (session, epoch) = (session("orders", "s"), system.view().epoch().await);
    let client = system.view().client();
    let mut heard = client.subscribe("log.>").await.unwrap();
    client.flush().await.unwrap();

    let forged = |seq: u64| {
        let event = proto::id::EventSeq { epoch, seq };
        Record {
            id: RecordId([9; 16]),
            event,
            cursor: seq,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: Conversation { opening: event, opened_at_ms: 1, base: 0, turn: 1, settings: 0 },
            worker: "forger".into(),
            traceparent: String::new(),
            received_at_ms: 1,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(Step::Completed(Completed { input: None, reply: "phantom".into(), ..Completed::default() })),
        }
    };
    let waiting = system.call("orders").said("s", "hi").query("wait=10").send();
    let forging = async {
        // The first event of the stream has sequence 1; its caller waits meanwhile.
        let queued = async || system.view().try_waiting().await.filter(|waiting| *waiting == 1);
        tests::eventually::eventually("the event is stored", SOON, queued).await;
        for _ in 0..10 {
            let mut headers = HeaderMap::new();
            headers.insert(header::EXPECTED_LAST, "999999");
            let subject = proto::subject::log(&session);
            let refused = publish::confirmed(client, subject, Some(headers), forged(1).encode(), PUBLISH_DEADLINE).await;
            assert_eq!(refused, Err(publish::Error::Fenced));
            let record = Record::decode(heard.next().await.unwrap().payload).unwrap();
            assert_eq!(record.worker, "forger", "a core subscriber does hear it");
        }
        let receipt = proto::id::Receipt { session: session.clone(), event: forged(1).event };
        let fetched = system.fetch(&receipt).send().await.ok();
        assert!(["queued", "running"].contains(&fetched.str("/status")), "{}", fetched.body);
        assert!(!fetched.body.to_string().contains("phantom"), "{}", fetched.body);
    };
    let (answer, ()) = tokio::join!(waiting, forging);
    let answer = answer.ok();
    assert_eq!(answer.receipt().event.seq, 1);
    assert_eq!((answer.str("/status"), answer.str("/text")), ("completed", "real"));
    assert_eq!(system.list(&answer.conversation()).send().await.ok().told(), ["bot:real", "user:hi"]);
    system.finish().await;
}
