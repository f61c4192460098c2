//! No secret leaves the process that was given it.

use futures_util::StreamExt as _;
use tests::resource::{SECRET, trigger};
use tests::system::{API_TOKEN, DEPLOYMENT_KEY};

use crate::{SOON, session, small};

/// What nobody may read anywhere, whatever was asked.
fn tells(text: &[u8]) -> Option<&'static str> {
    let secrets = [SECRET, API_TOKEN, DEPLOYMENT_KEY];
    secrets.into_iter().find(|secret| text.windows(secret.len()).any(|window| window == secret.as_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_on_the_broker_in_redis_or_in_an_answer_tells_a_secret() {
    let mut system = small().start().await;
    let client = system.view().client().clone();
    // All that anyone publishes from here on: the configuration, events, records, letters, reads.
    let mut wire = client.subscribe(">").await.unwrap();
    client.flush().await.unwrap();
    system.put(&trigger("orders").into()).await;

    let mut answers = Vec::new();
    let known = async || system.call("orders").said("s", "hi").header("idempotency-key", "k").query("wait=10").send().await;
    let first =
        tests::eventually::eventually("the trigger is known", SOON, async || Some(known().await).filter(|answer| answer.status == 200))
            .await;
    answers.push(known().await);
    answers.push(system.call("orders").secret("wrong").said("s", "hi").send().await);
    answers.push(system.call("orders").header("content-type", "application/json").body("{").send().await);
    answers.push(system.list(&first.conversation()).send().await);
    answers.push(system.readiness(0).await);
    system.publish(&session("orders", "s"), None, "no envelope").await;
    system.settled(SOON).await;
    for answer in answers.iter().chain([&first]) {
        assert_eq!(tells(answer.body.to_string().as_bytes()), None, "{}", answer.body);
    }

    // All that was published before this has been heard once this is; something is always published.
    client.publish("test.end", "".into()).await.unwrap();
    let mut heard = 0;
    while let Some(message) = wire.next().await.filter(|message| message.subject.as_str() != "test.end") {
        heard += 1;
        let headers = format!("{:?}", message.headers);
        let found = tells(&message.payload).or_else(|| tells(headers.as_bytes())).or_else(|| tells(message.subject.as_bytes()));
        assert_eq!(found, None, "on {}: {:?}", message.subject, message.payload);
    }
    assert!(heard > 20, "only {heard} messages were heard");

    let keys: Vec<String> = system.view().redis(&["KEYS", "*"]).await.unwrap();
    assert!(keys.iter().any(|key| key.starts_with("cue:idem:")), "{keys:?}");
    for key in keys {
        let dump: redis::RedisResult<Vec<u8>> = system.view().redis(&["DUMP", &key]).await;
        assert_eq!(tells(key.as_bytes()).or_else(|| tells(&dump.unwrap_or_default())), None, "{key}");
    }
    assert_eq!(system.take_dead().await.len(), 1);
    system.finish().await;
}
