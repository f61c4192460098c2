//! What the definition of an agent says.

use std::fmt::Write as _;

use model::choice::Choice;
use model::prompt::Output;
use proto::resource::Limits;
use serde_json::Value;

use super::super::DefinitionError;
use super::super::extension::Extension;
use super::super::limits;
use super::super::node::{Fields, Node};
use super::super::rules::parse_json;

/// Longest backstory, in bytes.
const BACKSTORY_BYTES_MAX: usize = 64 * 1024;
/// Longest model string, in bytes.
const MODEL_BYTES_MAX: usize = 512;
/// How many models may stand in.
const FALLBACKS_MAX: usize = 4;
/// How many tokens a prompt has unless the bot says otherwise.
const CONTEXT_TOKENS: usize = 16_000;
/// The most tokens that a bot may ask for.
const CONTEXT_TOKENS_MAX: usize = 2_000_000;
/// Longest name of an output shape, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The parameters of the model, by their field, as they stand in a model string.
const PARAMETERS: [&str; 5] = ["temperature", "maxTokens", "topP", "reasoningEffort", "seed"];

/// A definition that was found to be right.
#[derive(Debug, Clone)]
pub(in crate::bot) struct Definition {
    pub(super) choice: Choice,
    pub(super) backstory: String,
    /// Whether calls need leave unless their ability says otherwise.
    pub(in crate::bot) asks_leave: bool,
    pub(super) limits: Limits,
    pub(super) output: Option<Output>,
    pub(super) context_tokens: usize,
    /// The skillset it names.
    pub(in crate::bot) skillset: Option<String>,
}

impl Definition {
    /// Takes in what one turn has besides.
    pub(in crate::bot) fn extend(&mut self, extension: &Extension) {
        self.backstory = extension.backstory(&self.backstory);
    }

    pub(super) fn parse(definition: &str) -> Result<Self, DefinitionError> {
        let value = parse_json(definition)?;
        let root = Node::root(&value);
        let fields = root.fields(&[
            "model",
            "fallbacks",
            "temperature",
            "maxTokens",
            "topP",
            "reasoningEffort",
            "seed",
            "backstory",
            "skillset",
            "approval",
            "limits",
            "output",
            "contextTokens",
        ])?;
        let backstory = fields.get("backstory").map(|node| node.text(BACKSTORY_BYTES_MAX)).transpose()?.unwrap_or_default();
        Ok(Self {
            choice: choice(&fields)?,
            backstory: backstory.to_owned(),
            asks_leave: fields.get("approval").map(|node| node.flag()).transpose()?.unwrap_or_default(),
            limits: fields.get("limits").map(|node| limits::read(&node)).transpose()?.unwrap_or_default(),
            output: fields.get("output").map(|node| output(&node)).transpose()?,
            context_tokens: fields.get("contextTokens").map(|node| tokens(&node)).transpose()?.unwrap_or(CONTEXT_TOKENS),
            skillset: fields.get("skillset").map(|node| node.word(NAME_BYTES_MAX)).transpose()?.map(str::to_owned),
        })
    }
}

/// The model string with the parameters that stand in fields of their own.
fn choice(fields: &Fields<'_>) -> Result<Choice, DefinitionError> {
    let node = fields.need("model")?;
    let mut model = node.word(MODEL_BYTES_MAX)?.to_owned();
    for name in PARAMETERS {
        if let Some(node) = fields.get(name) {
            let value = match node.value {
                Value::Number(number) => number.to_string(),
                Value::String(text) => text.clone(),
                _ => return Err(node.fault("must be a number or text")),
            };
            write!(model, "/{name}={value}").map_err(|error| node.fault(error))?;
        }
    }
    let fallbacks = fields.get("fallbacks").map(|node| node.items(FALLBACKS_MAX)).transpose()?.unwrap_or_default();
    let fallbacks = fallbacks.iter().map(|node| node.word(MODEL_BYTES_MAX)).collect::<Result<Vec<_>, _>>()?;
    Choice::parse(&model, &fallbacks).map_err(|error| node.fault(error))
}

fn output(node: &Node<'_>) -> Result<Output, DefinitionError> {
    let fields = node.fields(&["name", "schema"])?;
    let schema = fields.need("schema")?;
    if !schema.value.is_object() {
        return Err(schema.fault("must be a JSON Schema"));
    }
    let name = fields.get("name").map(|node| node.word(NAME_BYTES_MAX)).transpose()?.unwrap_or("answer");
    Ok(Output { name: name.to_owned(), schema: schema.value.clone() })
}

fn tokens(node: &Node<'_>) -> Result<usize, DefinitionError> {
    let tokens = node.value.as_u64().and_then(|tokens| usize::try_from(tokens).ok());
    let tokens = tokens.filter(|tokens| (1..=CONTEXT_TOKENS_MAX).contains(tokens));
    tokens.ok_or_else(|| node.fault(format!("must be a number of tokens from 1 to {CONTEXT_TOKENS_MAX}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Definition;

    #[test]
    fn what_is_right_is_read() {
        let text = json!({
            "model": "openai/gpt-5.4", "temperature": 0.2, "maxTokens": 500, "fallbacks": ["anthropic/claude-5"], "backstory": "You are Ada.",
            "skillset": "shop", "approval": true, "limits": { "turn": { "tokens": 9 } }, "output": { "schema": { "type": "object" } },
        });
        let definition = Definition::parse(&text.to_string()).unwrap();
        assert_eq!(definition.choice.wanted().len(), 2);
        assert_eq!(definition.choice.wanted()[0].parameters.max_tokens, Some(500));
        assert!(definition.asks_leave && definition.output.is_some());
        assert_eq!(definition.limits.turn.unwrap().tokens, 9);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (value, expected) in [
            (json!({}), "model: is missing"),
            (json!({ "model": "" }), "model: must not be empty"),
            (json!({ "model": "a/b", "temperature": 9 }), "model: "),
            (json!({ "model": "a/b", "temperature": [] }), "temperature: must be a number"),
            (json!({ "model": "a/b", "limits": { "turn": { "tokens": 0 } } }), "limits.turn.tokens: must be a whole number"),
            (json!({ "model": "a/b", "output": {} }), "output.schema: is missing"),
            (json!({ "model": "a/b", "contextTokens": 0 }), "contextTokens: must be a number of tokens"),
            (json!({ "model": "a/b", "backstry": "" }), ": unknown field \"backstry\""),
        ] {
            let error = Definition::parse(&value.to_string()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
