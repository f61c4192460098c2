//! A live connection: requests over it, and the list of tools as it last was.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientRequest, JsonObject, ListToolsRequest,
    PaginatedRequestParams, RequestId, RequestMetaObject,
};
use rmcp::service::{Peer, PeerRequestOptions, RoleClient, RunningService, ServiceError};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::failure::{Failure, Teller};
use crate::handler::{Handler, News};
use crate::limit::{CALL_TOTAL_MAX, CURSOR_BYTES_MAX, GOODBYE_TIMEOUT, LIST_AGE_MAX, LIST_TIMEOUT, PAGES_MAX, TOOLS_MAX};
use crate::tool::{self, Tool};

/// Where the idempotency key travels.
const KEY_META: &str = "cuepoint/idempotencyKey";

/// A connection; dropped, it ends: a session is given back, a program stopped.
#[derive(Debug)]
pub(crate) struct Connection {
    running: RunningService<RoleClient, Handler>,
    news: Arc<News>,
    teller: Teller,
    tasks: TaskTracker,
    runtime: Handle,
    tools: Mutex<Option<Listed>>,
}

#[derive(Debug)]
struct Listed {
    tools: Arc<[Tool]>,
    at_change: u64,
    at: Instant,
}

/// Tells the server that nobody waits for a request any more, unless it was answered.
struct Pending<'a> {
    peer: &'a Peer<RoleClient>,
    tasks: &'a TaskTracker,
    runtime: &'a Handle,
    id: Option<RequestId>,
    reason: &'static str,
}

impl Connection {
    pub(crate) fn new(running: RunningService<RoleClient, Handler>, teller: Teller, tasks: TaskTracker) -> Self {
        let news = Arc::clone(&running.service().news);
        Self { running, news, teller, tasks, runtime: Handle::current(), tools: Mutex::new(None) }
    }

    /// Whether the other side has gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.running.is_closed() || self.running.is_transport_closed()
    }

    /// Ends it, and waits until it has ended.
    pub(crate) async fn close(mut self) {
        drop(self.running.close_with_timeout(GOODBYE_TIMEOUT).await);
    }

    /// The tools: as last listed, if nothing says that they have changed.
    pub(crate) async fn tools(&self) -> Result<Arc<[Tool]>, Failure> {
        if self.running.peer_info().is_some_and(|info| info.capabilities.tools.is_none()) {
            return Ok(Arc::new([]));
        }
        let mut listed = self.tools.lock().await;
        let at_change = self.news.changes();
        if let Some(listed) = &*listed
            && listed.at_change == at_change
            && listed.at.elapsed() < LIST_AGE_MAX
        {
            return Ok(Arc::clone(&listed.tools));
        }
        let late = |_| Failure::Request(Error::Late { waited: LIST_TIMEOUT });
        let tools: Arc<[Tool]> = timeout(LIST_TIMEOUT, self.list()).await.map_err(late)??.into();
        // What changed while the list came is asked for next time.
        *listed = Some(Listed { tools: Arc::clone(&tools), at_change, at: Instant::now() });
        Ok(tools)
    }

    async fn list(&self) -> Result<Vec<Tool>, Failure> {
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let params = PaginatedRequestParams::default().with_cursor(cursor.take());
            let request = ClientRequest::ListToolsRequest(ListToolsRequest { params: Some(params), ..ListToolsRequest::default() });
            let page = self.request(request, PeerRequestOptions::no_options(), LIST_TIMEOUT).await?;
            let (more, next) = tool::page(page, &self.teller.mask).map_err(Failure::Request)?;
            tools.extend(more);
            if tools.len() > TOOLS_MAX {
                return Err(Failure::Request(Error::TooLarge { what: "tools", max: TOOLS_MAX }));
            }
            match next {
                None => return Ok(tool::distinct(tools)),
                Some(next) if next.len() > CURSOR_BYTES_MAX => {
                    return Err(Failure::Request(Error::TooLarge { what: "bytes in a cursor", max: CURSOR_BYTES_MAX }));
                }
                next => cursor = next,
            }
        }
        Err(Failure::Request(Error::TooLarge { what: "pages", max: PAGES_MAX }))
    }

    /// Calls a tool; `silence` is how long it may go without an answer or a sign of progress.
    pub(crate) async fn call(&self, tool: String, arguments: JsonObject, key: Option<&str>, silence: Duration) -> Result<Value, Failure> {
        let params = CallToolRequestParams::new(tool).with_arguments(arguments);
        let mut options = PeerRequestOptions::no_options();
        if let Some(key) = key {
            let mut meta = RequestMetaObject::new();
            meta.insert(KEY_META.to_owned(), key.into());
            options = options.with_meta(meta);
        }
        let result = self.request(ClientRequest::CallToolRequest(CallToolRequest::new(params)), options, silence).await?;
        crate::outcome::read(result, &self.teller.mask).map_err(Failure::Request)
    }

    /// Sends a request and waits for its answer, as JSON: what is read out of it is read here.
    async fn request(&self, request: ClientRequest, options: PeerRequestOptions, silence: Duration) -> Result<Value, Failure> {
        let begun = Instant::now();
        let end = begun + CALL_TOTAL_MAX;
        let late = |waited| Failure::Request(Error::Late { waited });
        let sending = self.running.peer().send_request_with_option(request, options);
        let mut handle = match timeout(silence, sending).await {
            Ok(sent) => sent.map_err(|error| self.teller.request(error, begun.elapsed()))?,
            Err(_) => return Err(late(silence)),
        };
        let mut pending = Pending {
            peer: self.running.peer(),
            tasks: &self.tasks,
            runtime: &self.runtime,
            id: Some(handle.id.clone()),
            reason: "nobody waits any more",
        };
        let progress = self.news.listen(handle.progress_token.clone());
        let mut deadline = (begun + silence).min(end);
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut handle.rx => break answer,
                () = progress.heard() => deadline = (Instant::now() + silence).min(end),
                () = sleep_until(deadline) => {
                    pending.reason = "too late";
                    return Err(late(begun.elapsed()));
                }
            }
        };
        pending.id = None;
        let result = answer.unwrap_or(Err(ServiceError::TransportClosed)).map_err(|error| self.teller.request(error, begun.elapsed()))?;
        serde_json::to_value(result).map_err(|_| Failure::Request(Error::Malformed { reason: "it cannot be written as JSON".into() }))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (peer, reason) = (self.peer.clone(), self.reason.to_owned());
        // A courtesy: whether the server hears it makes no difference here.
        let telling = async move {
            let told = peer.notify_cancelled(CancelledNotificationParam::new(Some(id), Some(reason)));
            drop(timeout(GOODBYE_TIMEOUT, told).await);
        };
        // Whoever drops this need not be in the runtime, nor need that still be there.
        drop(self.tasks.spawn_on(telling, self.runtime));
    }
}
