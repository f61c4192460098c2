#![allow(warnings, clippy::all, clippy::pedantic, clippy::disallowed_methods)]
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use axum::{Router, routing::post, extract::State, body::Bytes};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use proto::{subject, wire};
use proto::record::*;
use proto::id::*;

static MODE: AtomicU64 = AtomicU64::new(0); static CTX: std::sync::OnceLock<async_nats::jetstream::Context> = std::sync::OnceLock::new();
const NATS: &str = "nats://127.0.0.1:41222";

async fn client() -> async_nats::Client {
    backbone::nats::connect(&backbone::config::Nats { url: NATS.into(), creds: None }, "x").await.unwrap()
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args[1].as_str() {
        "setup" => {
            let c = client().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let ctx = backbone::topology::context(&c);
            let mut sizes = backbone::topology::Sizes::default();
            sizes.events_bytes = 4 << 30; sizes.log_bytes = 4 << 30; sizes.dead_bytes = 1 << 30; sizes.session_backlog = args.get(2).and_then(|s| s.parse().ok()).unwrap_or(1000);
            let e = backbone::topology::ensure(&ctx, &sizes, 1_790_000_000).await.unwrap();
            let kv = ctx.get_key_value("resources").await.unwrap();
            for (id, open, text) in [("t", false, None), ("o", true, None), ("d", true, Some("default")), ("u", false, None)] {
                let t = proto::resource::Trigger { id: id.parse().unwrap(), name: "T".into(), description: String::new(), bot: "b".parse().unwrap(), text: text.map(str::to_owned), open,
                    secret: Some(proto::resource::SecretDigest::of(&format!("secret-{id}"))), session_duration: Duration::from_secs(3600) };
                let r = proto::resource::Resource::Trigger(t);
                kv.put(r.key(), r.encode("x")).await.unwrap();
            }
            println!("{e}");
        }
        "worker" => {
            let delay: u64 = args.get(2).and_then(|s| s.parse().ok()).unwrap_or(0);
            let c = client().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let ctx = backbone::topology::context(&c);
            let e = backbone::topology::current_epoch(&ctx).await.unwrap();
            let st = ctx.get_stream(subject::events_stream(e)).await.unwrap();
            let cons: async_nats::jetstream::consumer::PullConsumer = st.get_consumer("workers").await.unwrap();
            let mut ms = cons.messages().await.unwrap();
            while let Some(Ok(m)) = ms.next().await {
                if delay > 0 { tokio::time::sleep(Duration::from_millis(delay)).await; }
                let s = subject::session_of_event(&m.subject).unwrap();
                let d = backbone::delivery::parse(m.reply.as_ref().unwrap()).unwrap();
                let ev = proto::event::Event::decode(&s.trigger, None, &m.payload).unwrap();
                let last = backbone::journal::last(&c, &s).await.unwrap();
                let base = last.as_ref().map_or(0, |l| l.seq);
                let conv = last.map(|l| Conversation { turn: l.record.conversation.turn + 1, ..l.record.conversation }).unwrap_or(Conversation { opening: d.event, opened_at_ms: d.at_ms, base, turn: 1 });
                let input = wire::Input { text: ev.text.clone().unwrap_or_default(), payload: ev.payload.clone(), content_type: ev.content_type.clone().unwrap_or_default(), session: ev.session.clone().unwrap_or_default(), contact: None, digest: Bytes::copy_from_slice(&ev.digest()) };
                let rec = Record { id: RecordId(backbone::chance::bytes()), event: d.event, cursor: d.event.seq, answers: 0, attempt: 0, base, conversation: conv, worker: "w".into(), traceparent: String::new(), received_at_ms: d.at_ms,
                    step: Some(Step::Completed(wire::Completed { input: Some(input), reply: format!("you said {:?}", ev.text) })) };
                backbone::publish::confirmed(&c, subject::log(&s), None, rec.encode(), Duration::from_secs(2)).await.unwrap();
                m.ack().await.unwrap();
            }
        }
        "bare" => {
            let c = client().await;
            MODE.store(args[2].parse().unwrap(), Ordering::Relaxed); CTX.set(backbone::topology::context(&c)).ok();
            let app = Router::new().route("/event", post(|State(c): State<async_nats::Client>, body: Bytes| async move {
                static N: AtomicU64 = AtomicU64::new(0);
                let n = N.fetch_add(1, Ordering::Relaxed);
                let mode = MODE.load(Ordering::Relaxed);
                let mut h = async_nats::HeaderMap::new();
                if mode & 1 > 0 { h.insert("Nats-Msg-Id", format!("{:032x}", u128::from_be_bytes(backbone::chance::bytes())).as_str()); }
                if mode & 2 > 0 { h.insert("Content-Type", "application/x-protobuf"); h.insert("traceparent", "00-00000000000000000000000000000001-0000000000000001-00"); }
                if mode & 32 > 0 { h.insert("traceparent", "00-00000000000000000000000000000001-0000000000000001-00"); }
                if mode & 64 > 0 { h.insert("t", "00"); }
                let body = if mode & 8 > 0 { let ev = gateway::call::Call { query: None, content_type: Some("application/json"), body, default_text: None }.read().unwrap(); ev.encode() } else { body };
                if mode & 4 > 0 {
                    let ctx = CTX.get().unwrap();
                    let a = ctx.publish_with_headers(format!("event.bare.s{n}"), h, body).await.unwrap().await.unwrap();
                    return format!("{}", a.sequence);
                }
                let subject = if mode & 16 > 0 { format!("event.bare.{}", proto::session::fresh_token(backbone::chance::bytes())) } else { format!("event.bare.s{n}") };
                let s = backbone::publish::confirmed(&c, subject, if h.is_empty() { None } else { Some(h) }, body, Duration::from_secs(2)).await.unwrap();
                format!("{}", s.seq)
            })).with_state(c);
            use axum::serve::ListenerExt;
            let l = tokio::net::TcpListener::bind("127.0.0.1:41788").await.unwrap().tap_io(|s| { s.set_nodelay(true).unwrap(); });
            axum::serve(l, app).await.unwrap();
        }
        "load" => {
            let addr = args[2].clone(); let path = args[3].clone();
            let conns: usize = args[4].parse().unwrap(); let secs: u64 = args[5].parse().unwrap();
            let extra = args.get(6).cloned().unwrap_or_default();
            let body = r#"{"text":"hello there, please look at order 42","contact":{"name":"Ada Lovelace"},"order":{"id":42,"items":[1,2,3]}}"#;
            let req = Arc::new(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer secret-t\r\n{extra}Content-Length: {}\r\n\r\n{body}", body.len()));
            let until = Instant::now() + Duration::from_secs(secs);
            let mut set = tokio::task::JoinSet::new();
            for id in 0..conns {
                let (addr, req) = (addr.clone(), req.clone());
                set.spawn(async move {
                    let mut s = tokio::net::TcpStream::connect(addr).await.unwrap(); s.set_nodelay(true).unwrap();
                    let mut lat = vec![]; let mut buf = vec![0u8; 4096];
                    let mut bad = 0;
                    while Instant::now() < until {
                        let t = Instant::now();
                        s.write_all(req.as_bytes()).await.unwrap();
                        let n = s.read(&mut buf).await.unwrap();
                        if !buf[..n].starts_with(b"HTTP/1.1 200") { bad += 1; if bad == 1 && id == 0 { println!("{}", String::from_utf8_lossy(&buf[..n])); } if n == 0 || bad > 3 { break } }
                        lat.push(t.elapsed().as_micros() as u32);
                    }
                    (lat, bad)
                });
            }
            let mut all = vec![]; let mut bad = 0;
            while let Some(Ok((l, b))) = set.join_next().await { all.extend(l); bad += b; }
            all.sort(); if all.is_empty() { println!("none"); return }
            println!("{} req/s p50 {} us p99 {} us bad {bad}", all.len() as u64 / secs, all[all.len()/2], all[all.len()*99/100]);
        }
        _ => {}
    }
}
