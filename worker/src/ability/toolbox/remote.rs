//! Functions that are tools of MCP servers.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use action::Context;
use action::filled::Filled;
use mcp::pool::Call;
use mcp::server::{Auth, Http, Server};
use mcp::tool::Tool;
use model::prompt::Function;
use proto::limit::REQUEST_TIMEOUT;
use serde_json::{Map, Value};
use skillset::ability::Ability;
use skillset::mcp::{Install, Source};

use super::Toolbox;
use crate::ability::Facts;

/// How many functions of servers are remembered, before all are listed anew.
const REMEMBERED_MAX: usize = 4_096;

/// A tool of a server.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    /// The ability that names the server.
    pub(super) ability: usize,
    /// Whether calling it again does no harm, as the server says.
    pub(super) is_repeatable: bool,
    tool: String,
    timeout: Duration,
}

/// Whether the server that an ability names may have a function of this name.
pub(super) fn may_have(ability: &Ability, function: &str) -> bool {
    let install = ability.fill(&Value::Object(Map::new())).ok().and_then(|invocation| Install::read(&invocation).ok());
    let prefix = install.as_ref().and_then(|install| install.prefix.as_deref()).unwrap_or(&ability.name);
    mcp::name::may_be(prefix, function)
}

impl Toolbox {
    /// The functions of the server that an ability names, which are remembered for their calls.
    pub(super) async fn remote_functions(
        &self,
        index: usize,
        ability: &Ability,
        facts: &Facts,
        taken: &BTreeSet<String>,
    ) -> Result<Vec<Function>, String> {
        let (install, server) = self.server(ability, facts)?;
        let tools = self.workshop.pool.tools(&server).await.map_err(|error| error.to_string())?;
        let is_wanted = |tool: &&Tool| install.tools.as_ref().is_none_or(|wanted| wanted.contains(&tool.name));
        let tools: Vec<&Tool> = tools.iter().filter(is_wanted).collect();
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        let prefix = install.prefix.as_deref().unwrap_or(&ability.name);
        let names = mcp::name::functions(prefix, &names, taken);
        let mut known = self.remote.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        let function = |(tool, name): (&&Tool, String)| {
            let is_repeatable = tool.is_read_only || tool.is_idempotent;
            let timeout = install.timeout.unwrap_or(REQUEST_TIMEOUT);
            known.insert(name.clone(), Remote { ability: index, is_repeatable, tool: tool.name.clone(), timeout });
            Function { name, description: tool.description.clone(), parameters: Value::Object(tool.input_schema.clone()) }
        };
        Ok(tools.iter().zip(names).map(function).collect())
    }

    /// Calls a tool.
    pub(super) async fn call_remote(&self, remote: &Remote, arguments: Value, key: &str, facts: &Facts) -> Result<Value, String> {
        let ability = self.skillset.abilities.get(remote.ability).ok_or("the ability is gone")?;
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            Value::Null => Map::new(),
            _ => return Err("the arguments must be an object".to_owned()),
        };
        let (_, server) = self.server(ability, facts)?;
        let call = Call { tool: &remote.tool, arguments, idempotency_key: Some(key), timeout: remote.timeout };
        self.workshop.pool.call(&server, call).await.map_err(|error| error.to_string())
    }

    /// The server that an ability names, with its secrets put in.
    fn server(&self, ability: &Ability, facts: &Facts) -> Result<(Install, Server), String> {
        let invocation = ability.fill(&Value::Object(Map::new())).map_err(|violation| violation.to_string())?;
        let install = Install::read(&invocation).map_err(|error| error.to_string())?;
        let secrets = self.workshop.vault.of_ability(ability.secret.as_deref());
        let context = Context { idempotency_key: "", secrets: &secrets, facts: &facts.named, allow: &[] };
        let filled = Filled::new(&context);
        let text = |error: action::Error| error.to_string();
        let server = match &install.source {
            Source::Server(program) => Server::Stdio { program: program.clone() },
            Source::Remote { url, headers } => {
                let url = filled.words(url, "url").map_err(text)?.parse().map_err(|_| "url is no URL".to_owned())?;
                let header = |(name, words): &(String, _)| Ok((name.clone(), filled.header(name, words).map_err(text)?));
                let headers = headers.iter().map(header).collect::<Result<_, String>>()?;
                Server::Http(Http { url, headers, auth: Auth::None })
            }
        };
        Ok((install, server))
    }
}
