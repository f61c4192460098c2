//! An instruction: the text of an ability that says what is done.
//!
//! Two forms are taken: one fenced block and nothing else, or YAML with a tag for the action. The
//! forms of `ChatBotKit` that need a model or a catalogue are told apart, and refused with what to
//! write instead.

use serde_json::Value;

use crate::block::{self, Block, Parts};
use crate::fault::{Fault, Faults, Report};
use crate::field::{self, Field};
use crate::fill;
use crate::gather::Gather;
use crate::http;
use crate::invocation::{Action, Invocation};
use crate::limit::INSTRUCTION_BYTES_MAX;
use crate::placeholder::Dialect;
use crate::rehearsal::rehearse;
use crate::secrecy;
use crate::settle;
use crate::skeleton::Skeleton;
use crate::structured;
use crate::template::{Body, Content};
use crate::verb::{self, Parameter};
use crate::violation::Violation;
use crate::weave::Weaver;
use crate::yaml;

/// An instruction that can be filled in.
#[derive(Debug, Clone)]
pub struct Instruction {
    action: Action,
    fields: Vec<Field>,
    parameters: Vec<Parameter>,
    body: Body,
}

impl Instruction {
    /// Reads an instruction.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        let mut report = Report::new(text);
        let instruction = read(text, &mut report);
        if let (Some(instruction), true) = (&instruction, report.is_empty()) {
            rehearse(instruction, text.len() - text.trim_start().len()..text.trim_end().len(), &mut report);
        }
        report.finish()?;
        instruction.ok_or_else(|| Faults::one(text, Fault::new(0..text.len(), "this is no instruction")))
    }

    /// What it does.
    pub fn action(&self) -> Action {
        self.action
    }

    /// What it asks the model for, in the order of the text.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The arguments that the model is told of, as JSON Schema.
    pub fn schema(&self) -> Value {
        field::schema(&self.fields)
    }

    /// The names of the references in it, each once, such as `SECRET_DEFAULT`.
    pub fn references(&self) -> Vec<String> {
        let mut names = fill::references(&self.body);
        names.sort();
        names.dedup();
        names
    }

    /// Fills the values of the model in.
    pub fn fill(&self, arguments: &Value) -> Result<Invocation, Violation> {
        fill::fill(self, arguments)
    }

    /// The same, with the linked secret as its authorization where it says of no secret: tools behind a URL.
    pub(crate) fn authorized(mut self) -> Self {
        let has_secret = self.references().iter().any(|name| secrecy::is_secret(name));
        if let (Action::Mcp, Body::Tree(tree), false) = (self.action, &mut self.body, has_secret) {
            crate::mcp::authorize(tree);
        }
        self
    }

    /// The parameters of the first line.
    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The body.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }
}

fn read(text: &str, report: &mut Report<'_>) -> Option<Instruction> {
    if text.len() > INSTRUCTION_BYTES_MAX {
        let message = format!("the instruction has {} bytes, at most {INSTRUCTION_BYTES_MAX} are taken", text.len());
        report.add(Fault::new(0..0, message));
        return None;
    }
    let trimmed = text.trim();
    if trimmed.starts_with('@') && !trimmed.contains('\n') {
        report.add(catalogue(text));
        return None;
    }
    let Parts { blocks, prose } = block::split(text);
    if blocks.is_empty() || trimmed.starts_with('!') {
        return structured(text, report);
    }
    if let Some(second) = blocks.get(1) {
        let fault = Fault::new(second.info.clone(), "there is more than one block: it would take a model to make one action of them");
        report.add(fault.help("make an ability of each block; the bot's backstory says in what order they are used"));
    }
    if let Some(first) = prose.first() {
        let fault = Fault::new(first.clone(), "there is text beside the block: it would take a model to make an action of it");
        report.add(fault.help("move it into the ability's description, or behind a `|` in a placeholder, and leave the block alone"));
    }
    if !report.is_empty() {
        return None;
    }
    simple(text, blocks.first()?, report)
}

/// One fenced block.
fn simple(text: &str, block: &Block, report: &mut Report<'_>) -> Option<Instruction> {
    let mut gather = Gather::default();
    let dialect = Dialect::Block;
    let info = Skeleton::new(text, block.info.clone(), dialect, report);
    let (action, parameters) = verb::read(&mut Weaver { skeleton: &info, dialect, gather: &mut gather, report });
    let skeleton = Skeleton::new(text, block.body.clone(), dialect, report);
    let body = action
        .and_then(|action| settle::body(&mut Weaver { skeleton: &skeleton, dialect, gather: &mut gather, report }, action, &parameters));
    let is_merged = action.is_some_and(|action| settle::form(action).takes_parameters);
    for parameter in parameters.iter().filter(|_| !is_merged) {
        check_parameter(parameter, report);
    }
    Some(Instruction { action: action?, fields: gather.finish(report), parameters, body: body? })
}

/// A parameter of the first line takes no reference, unless it stands for a key of the body.
fn check_parameter(parameter: &Parameter, report: &mut Report<'_>) {
    let Content::Phrase(phrase) = &parameter.node.content else { return };
    for reference in phrase.references() {
        let fault = Fault::new(reference.span.clone(), "a reference does not stand in the first line");
        report.add(fault.help("references stand in the body of the block"));
    }
}

/// YAML with tags, or something that is no instruction.
fn structured(text: &str, report: &mut Report<'_>) -> Option<Instruction> {
    let dialect = Dialect::Structured;
    let mut scratch = Report::new(text);
    let skeleton = Skeleton::new(text, 0..text.len(), dialect, &mut scratch);
    let node = yaml::read(&skeleton, &mut scratch);
    let is_meant = text.trim_start().starts_with('!') || text.lines().any(|line| line.starts_with("action:"));
    if !node.as_ref().map_or(is_meant, structured::looks_so) {
        report.add(neither(text, node.as_ref()));
        return None;
    }
    let skeleton = Skeleton::new(text, 0..text.len(), dialect, report);
    let node = yaml::read(&skeleton, report)?;
    let mut gather = Gather::default();
    let (action, body) = structured::read(&mut Weaver { skeleton: &skeleton, dialect, gather: &mut gather, report }, &node);
    Some(Instruction { action: action?, fields: gather.finish(report), parameters: Vec::new(), body: body? })
}

fn catalogue(text: &str) -> Fault {
    let fault = Fault::new(0..text.len(), "this is an entry of ChatBotKit's catalogue, which is not there");
    fault.help("write the block that the entry stands for, such as ```fetch and below it `GET https://...` and the headers")
}

/// What a text without a block and without a tag is, and what to write.
fn neither(text: &str, node: Option<&yaml::Node>) -> Fault {
    let keys = match node.map(|node| &node.content) {
        Some(yaml::Content::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    };
    if keys.contains(&"template") {
        return catalogue(text);
    }
    let start = text.len() - text.trim_start().len();
    let line = text.trim_start().lines().next().unwrap_or_default();
    let span = start..start + line.len();
    if text.trim().is_empty() {
        return Fault::new(0..0, "the instruction is empty")
            .help("write a block: ```fetch, on the next line `GET https://...`, and ``` at the end");
    }
    if keys.contains(&"url") || keys.contains(&"method") {
        return Fault::new(span, "no action is named").help("put `!fetch` on the first line, or the whole between ```fetch and ```");
    }
    let first = line.split_whitespace().next().unwrap_or_default();
    if http::METHODS.contains(&first) || line.starts_with("http") && line.contains("://") {
        return Fault::new(span, "a request stands here without its block").help("put it between ```fetch and ```");
    }
    let fault = Fault::new(span, "there is no block: it would take a model to make an action of this text");
    fault.help("write what is done as a block, such as ```fetch and below it `GET https://example.com/?q=$[query! euc|what to look for]`; the text belongs into the ability's description")
}

#[cfg(test)]
pub(crate) mod tests;
