//! A client that costs little: HTTP/1.1 over kept connections, one request after another on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// One kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    target: Target,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// Where events go.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) trigger: &'static str,
    pub(crate) secret: &'static str,
    /// How many sessions the events are spread over.
    pub(crate) sessions: u64,
    /// The number of the first of them.
    pub(crate) first: u64,
    /// How far the sessions of one event and the next lie apart.
    pub(crate) stride: u64,
}

impl Target {
    /// The session of the event of this number.
    fn session(&self, number: u64) -> u64 {
        self.first + number * self.stride % self.sessions
    }
}

/// One event, when its answer came.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The number of its session.
    pub(crate) session: u64,
    /// When it was to be sent.
    pub(crate) due: Instant,
    /// When its receipt was there.
    pub(crate) at: Instant,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, target: target.clone(), request: Vec::new(), answer: vec![0; 4096] })
    }

    /// Posts one event of the session and waits for the answer.
    pub(crate) async fn post(&mut self, session: u64) -> anyhow::Result<()> {
        let body = format!(r#"{{"text":"order 42 has been paid, what now?","session":"s{session}"}}"#);
        self.request.clear();
        self.request.extend_from_slice(
            format!(
                "POST /v1/integration/trigger/{}/event HTTP/1.1\r\nHost: cuepoint\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nX-Session: s{session}\r\nContent-Length: {}\r\n\r\n{body}",
                self.target.trigger,
                self.target.secret,
                body.len()
            )
            .as_bytes(),
        );
        self.stream.write_all(&self.request).await?;
        self.read_answer().await
    }

    async fn read_answer(&mut self) -> anyhow::Result<()> {
        let mut filled = 0;
        loop {
            let space = self.answer.get_mut(filled..).context("a small answer")?;
            let read = self.stream.read(space).await?;
            anyhow::ensure!(read > 0, "the connection was closed");
            filled += read;
            let text = std::str::from_utf8(self.answer.get(..filled).context("what was read")?)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|text| text.trim().parse::<usize>()));
            if body.len() >= length.context("an answer with a length")?? {
                anyhow::ensure!(head.starts_with("HTTP/1.1 200"), "{text}");
                return Ok(());
            }
        }
    }
}

/// What a load measured.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) rate: f64,
    /// How long each answer took, in ms.
    pub(crate) latencies_ms: Vec<f64>,
}

/// As fast as `connections` go, each one request at a time, until `total` events are posted or the time is up.
pub(crate) async fn closed(target: &Target, connections: u64, time: Duration, total: u64) -> anyhow::Result<Load> {
    let counter = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let deadline = began + time;
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (target, counter) = (target.clone(), Arc::clone(&counter));
        tasks.spawn(async move {
            let mut connection = Connection::open(&target).await?;
            let mut latencies_ms = Vec::new();
            while Instant::now() < deadline {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    break;
                }
                let sent_at = Instant::now();
                connection.post(target.session(number)).await?;
                latencies_ms.push(sent_at.elapsed().as_secs_f64() * 1_000.0);
            }
            anyhow::Ok(latencies_ms)
        });
    }
    gather(tasks, began).await
}

/// At a fixed rate, whatever the answers do: each latency counts from when the request was due.
pub(crate) async fn open(target: &Target, rate: f64, time: Duration) -> anyhow::Result<Load> {
    let began = Instant::now();
    let answers = paced(target, rate, time).await?;
    let latencies_ms: Vec<f64> = answers.iter().map(|answer| (answer.at - answer.due).as_secs_f64() * 1_000.0).collect();
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let rate = latencies_ms.len() as f64 / began.elapsed().as_secs_f64();
    Ok(Load { rate, latencies_ms })
}

/// The same, event by event.
pub(crate) async fn paced(target: &Target, rate: f64, time: Duration) -> anyhow::Result<Vec<Answered>> {
    const CONNECTIONS: u64 = 64;
    let began = Instant::now() + Duration::from_millis(20);
    let mut tasks = JoinSet::new();
    for lane in 0..CONNECTIONS {
        let target = target.clone();
        tasks.spawn(async move {
            let mut connection = Connection::open(&target).await?;
            let mut answers = Vec::new();
            for number in (lane..).step_by(usize::try_from(CONNECTIONS)?) {
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let due = Duration::from_secs_f64(number as f64 / rate);
                if due > time {
                    break;
                }
                tokio::time::sleep_until(began + due).await;
                let session = target.session(number);
                connection.post(session).await?;
                answers.push(Answered { session, due: began + due, at: Instant::now() });
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        answers.extend(ended??);
    }
    Ok(answers)
}

async fn gather(mut tasks: JoinSet<anyhow::Result<Vec<f64>>>, began: Instant) -> anyhow::Result<Load> {
    let mut load = Load::default();
    while let Some(ended) = tasks.join_next().await {
        load.latencies_ms.extend(ended??);
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let count = load.latencies_ms.len() as f64;
    load.rate = count / began.elapsed().as_secs_f64();
    Ok(load)
}
