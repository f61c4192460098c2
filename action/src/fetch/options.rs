//! What of a response is wanted.

use crate::fields::{self, Fields};

/// Longest expression or selector, in bytes.
const EXPRESSION_BYTES_MAX: usize = 1024;
/// The names of all options, for messages.
pub(super) const KNOWN: &str = "timeout, format, selectors, jsonpath, jmespath, errorJsonpath, errorJmespath";
/// The options that may stand under `options`.
const NAMES: [&str; 9] = ["timeout", "format", "selectors", "jsonpath", "jmespath", "errorJsonpath", "errorJmespath", "text", "debug"];

/// How a body is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// As it came: JSON as JSON, all else as text.
    Plain,
    /// A page as its text.
    Text,
    /// A page as Markdown.
    Markdown,
    /// JSON, or an error.
    Json,
}

/// What of a response is wanted.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) format: Format,
    /// CSS.
    pub(super) selectors: Option<String>,
    pub(super) jsonpath: Option<String>,
    pub(super) jmespath: Option<String>,
    pub(super) error_jsonpath: Option<String>,
    pub(super) error_jmespath: Option<String>,
}

impl Options {
    /// Takes the options from the fields of a block.
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, String> {
        let format = match fields.text("format")?.as_deref() {
            None => None,
            Some("text") => Some(Format::Text),
            Some("markdown") => Some(Format::Markdown),
            Some("json") => Some(Format::Json),
            Some(other) => return Err(format!("format {other:?} is not one of text, markdown, json")),
        };
        let is_text = fields.text("text")?.as_deref() == Some("true");
        // It changes nothing here; instructions from elsewhere may have it.
        fields.text("debug")?;
        let mut expression = |name: &str| match fields.text(name)? {
            Some(text) if text.len() > EXPRESSION_BYTES_MAX => Err(format!("{name} is over {EXPRESSION_BYTES_MAX} bytes")),
            text => Ok(text.filter(|text| !text.trim().is_empty())),
        };
        Ok(Self {
            format: format.unwrap_or(if is_text { Format::Text } else { Format::Plain }),
            selectors: expression("selectors")?,
            jsonpath: expression("jsonpath")?,
            jmespath: expression("jmespath")?,
            error_jsonpath: expression("errorJsonpath")?,
            error_jmespath: expression("errorJmespath")?,
        })
    }
}

/// Puts what stands under `options` beside the other fields.
pub(super) fn unfold(fields: &mut Fields<'_>) -> Result<(), String> {
    let Some(tree) = fields.tree("options") else { return Ok(()) };
    for (name, tree) in fields::entries(tree, "options")? {
        if !NAMES.contains(&fields::bare(&name)) {
            return Err(format!("options.{name} is not known here: {KNOWN} are"));
        }
        fields.put(&name, tree);
    }
    Ok(())
}
