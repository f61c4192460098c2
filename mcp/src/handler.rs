//! What a server may tell and ask while it is connected.
//!
//! It may say that its tools have changed and that a call makes progress. It may ask for input of a
//! person: there is none here, so it is declined, or answered with the defaults that the server
//! itself proposes where the configuration says so. It is lent no model and shown no directory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ErrorData,
    FormElicitationCapability, Implementation, ProgressNotificationParam, ProgressToken, ProtocolVersion,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use serde_json::{Map, Value};
use tokio::sync::Notify;

/// What is said to a server that asks a person for input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Elicitation {
    /// Nobody is there: declined.
    #[default]
    Decline,
    /// The defaults of the server's own form.
    Defaults,
}

/// What a connection hears.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Counts how often the tools have changed.
    changes: AtomicU64,
    waiting: Mutex<HashMap<ProgressToken, Arc<Notify>>>,
}

/// Listens for the progress of one call, until dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    news: Arc<News>,
    token: ProgressToken,
    heard: Arc<Notify>,
}

impl News {
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn listen(self: &Arc<Self>, token: ProgressToken) -> Progress {
        let heard = Arc::new(Notify::new());
        self.waiting().insert(token.clone(), Arc::clone(&heard));
        Progress { news: Arc::clone(self), token, heard }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<ProgressToken, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Ends when the server reports progress.
    pub(crate) async fn heard(&self) {
        self.heard.notified().await;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.news.waiting().remove(&self.token);
    }
}

/// Our side of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    pub(crate) news: Arc<News>,
    pub(crate) elicitation: Elicitation,
}

impl rmcp::ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.elicitation == Elicitation::Defaults {
            capabilities.elicitation = Some(ElicitationCapability::new().with_form(FormElicitationCapability::default()));
        }
        let this = Implementation::new("cuepoint", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, this).with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.news.changes.fetch_add(1, Ordering::AcqRel);
    }

    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if let Some(heard) = self.news.waiting().get(&progress.progress_token) {
            heard.notify_one();
        }
    }

    async fn create_elicitation(&self, asked: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        Ok(match (self.elicitation, asked) {
            (Elicitation::Defaults, ElicitRequestParams::FormElicitationParams { requested_schema, .. }) => {
                let schema = serde_json::to_value(requested_schema).unwrap_or_default();
                ElicitResult::new(ElicitationAction::Accept).with_content(defaults(&schema))
            }
            _ => ElicitResult::new(ElicitationAction::Decline),
        })
    }
}

/// The default of every field that has one.
fn defaults(schema: &Value) -> Value {
    let fields = schema.get("properties").and_then(Value::as_object);
    let defaults = fields.into_iter().flatten().filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone())));
    Value::Object(defaults.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::defaults;

    #[test]
    fn a_form_is_filled_with_what_it_proposes() {
        let schema =
            json!({ "properties": { "a": { "type": "string", "default": "x" }, "b": { "type": "integer", "default": 0 }, "c": {} } });
        assert_eq!(defaults(&schema), json!({ "a": "x", "b": 0 }));
        assert_eq!(defaults(&json!({})), json!({}));
    }
}
