//! `mcp` blocks: the tools of another program.

use std::time::Duration;

use crate::address::{self, Origin};
use crate::fault::{Fault, Report};
use crate::fetch;
use crate::invocation::{Action, Invocation, Text};
use crate::limit::TOOLS_MAX;
use crate::placeholder::Reference;
use crate::reading::{Error, Fields, invalid};
use crate::secrecy::{self, Room};
use crate::template::{Content, Entry, Node, Phrase, Piece};

/// Longest wait for one call, in milliseconds.
pub const TIMEOUT_MS_MAX: u64 = 300_000;
/// What a block says.
pub(crate) const KEYS: [&str; 6] = ["url", "server", "headers", "tools", "prefix", "timeout"];

/// Tools to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Where they are.
    pub source: Source,
    /// Which of them are had; all where it does not say.
    pub tools: Option<Vec<String>>,
    /// What stands before their names, and `_`.
    pub prefix: Option<String>,
    /// How long one call may take; the server's own default where it does not say.
    pub timeout: Option<Duration>,
}

/// Where tools are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Behind a URL.
    Remote {
        /// The URL.
        url: Text,
        /// Headers of every request.
        headers: Vec<(String, Text)>,
    },
    /// In a program that the operator lists under this name.
    Server(String),
}

impl Install {
    /// Reads what an `mcp` block was filled in to.
    pub fn read(invocation: &Invocation) -> Result<Self, Error> {
        if invocation.action != Action::Mcp {
            return Err(Error::Form("mcp"));
        }
        let fields = Fields::new(invocation);
        let headers = fields.pairs("headers")?;
        let source = match (fields.text("url")?.filter(|url| !url.0.is_empty()), fields.words("server")?) {
            (Some(url), None) => Source::Remote { url, headers },
            (None, Some(_)) if !headers.is_empty() => return Err(invalid("headers", "belong to a url, not to a server")),
            (None, Some(name)) if is_word(&name) => Source::Server(name),
            (None, Some(_)) => return Err(invalid("server", "must be a name of letters, digits, `_`, `-` and `.`")),
            (Some(_), Some(_)) => return Err(invalid("server", "stands beside url: one of them says where the tools are")),
            (None, None) => return Err(Error::Missing { field: "url or server".to_owned() }),
        };
        let prefix = fields.words("prefix")?.filter(|prefix| !prefix.is_empty());
        if prefix.as_ref().is_some_and(|prefix| !is_word(prefix)) {
            return Err(invalid("prefix", "must be letters, digits, `_`, `-` and `.`"));
        }
        let timeout = fields.duration("timeout", Duration::from_millis(TIMEOUT_MS_MAX))?;
        Ok(Self { source, tools: fields.list("tools", TOOLS_MAX)?, prefix, timeout })
    }
}

/// What values and references may be in an `mcp` block.
pub(crate) fn settle(tree: &mut Node, report: &mut Report<'_>) {
    let Content::Map(entries) = &mut tree.content else { return };
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).filter(|key| key == "url" || key == "server").collect();
    if keys.len() != 1 {
        let fault = Fault::new(tree.span.clone(), "an mcp block has either `url` or `server`");
        report.add(fault.help("`url` is where the tools are; `server` is the name of a program that the operator lists"));
    }
    let mut origin = Origin::Fixed;
    for entry in entries.iter_mut().filter(|entry| entry.key == "url") {
        if let Some((phrase, span)) = fetch::text(&mut entry.node, "url", report) {
            origin = address::assign(phrase, &span, report);
            secrecy::check(phrase, Room::Url, report);
        }
    }
    for entry in entries {
        match entry.key.as_str() {
            "url" => {}
            "headers" => fetch::headers(&mut entry.node, origin, report),
            _ => entry.node.each_leaf(&mut |leaf, _| {
                let Content::Phrase(phrase) = leaf else { return };
                for reference in phrase.references() {
                    let fault = Fault::new(reference.span.clone(), format!("`{}` takes no references", entry.key));
                    report.add(fault.help("references stand in the URL and in headers"));
                }
            }),
        }
    }
}

/// Adds the linked secret as a header, where tools are behind a URL of the instruction and no authorization is said.
pub(crate) fn authorize(tree: &mut Node) {
    let Content::Map(entries) = &mut tree.content else { return };
    let url = entries.iter().find(|entry| entry.key == "url").map(|entry| entry.node.content.clone());
    let Some(Content::Phrase(mut url)) = url else { return };
    if address::assign(&mut url, &tree.span, &mut Report::new("")) == Origin::Open {
        return;
    }
    if !entries.iter().any(|entry| entry.key == "headers") {
        let node = Node { span: tree.span.clone(), content: Content::Map(Vec::new()) };
        entries.push(Entry { key: "headers".to_owned(), span: tree.span.clone(), node });
    }
    for entry in entries.iter_mut().filter(|entry| entry.key == "headers") {
        let Content::Map(headers) = &mut entry.node.content else { continue };
        if !headers.iter().any(|header| header.key.eq_ignore_ascii_case("authorization")) {
            let secret = Reference { name: "SECRET_DEFAULT".to_owned(), span: tree.span.clone(), steps: Vec::new() };
            let node = Node { span: tree.span.clone(), content: Content::Phrase(Phrase(vec![Piece::Reference(secret)])) };
            headers.push(Entry { key: "Authorization".to_owned(), span: tree.span.clone(), node });
        }
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Install, Source};
    use crate::instruction::tests::fill;

    fn read(body: &str) -> Result<Install, String> {
        Install::read(&fill(&format!("```mcp\n{body}\n```"), json!({ "v": "7", "t": "soon" }))).map_err(|error| error.to_string())
    }

    #[test]
    fn a_block_is_read() {
        let install = read("url: https://mcp.example.com/$[v]\nheaders: {A: $[v num], B: x}\ntools: a, b\nprefix: p\ntimeout: 2s # $[t]");
        let headers = vec![("A".to_owned(), "7".into()), ("B".to_owned(), "x".into())];
        let source = Source::Remote { url: "https://mcp.example.com/7".into(), headers };
        let tools = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(install.unwrap(), Install { source, tools, prefix: Some("p".to_owned()), timeout: Some(Duration::from_secs(2)) });
        let install = read("server: files\ntools: [a]\nprefix:");
        assert_eq!(
            install.unwrap(),
            Install { source: Source::Server("files".to_owned()), tools: Some(vec!["a".to_owned()]), prefix: None, timeout: None }
        );
    }

    #[test]
    fn an_error_names_its_field() {
        for (body, expected) in [
            ("server: files\ntimeout: $[t]", "timeout must be milliseconds or text such as `30s` or `1h 30m`, not \"soon\""),
            ("server: files\ntimeout: $[v]h", "timeout must be at most 5m, not 7h"),
            ("server: files\nprefix: $[v] x", "prefix must be letters, digits, `_`, `-` and `.`"),
            ("server: files\ntools: $[t]$[v] ,", "ok"),
            ("server: a/$[v]", "server must be a name of letters, digits, `_`, `-` and `.`"),
        ] {
            assert_eq!(read(body).map_or_else(|error| error, |_| "ok".to_owned()), expected, "{body}");
        }
    }
}
