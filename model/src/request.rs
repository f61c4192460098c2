//! A question in the form that genai sends.

use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ContentPart, JsonSpec, MessageContent, ReasoningEffort, Tool, ToolCall, ToolResponse,
};
use serde_json::{Value, json};

use crate::mark::Marks;
use crate::name::Names;
use crate::prompt::{Assistant, Call, Function, Message, Output, Prompt};
use crate::provider::Kind;
use crate::target::Target;

/// What stands where somebody said nothing: providers refuse empty messages.
const NOTHING: &str = "(empty)";

/// A question that is ready to be sent.
pub(crate) struct Request {
    pub chat: ChatRequest,
    pub options: ChatOptions,
    pub names: Names,
}

impl Request {
    pub(crate) fn new(prompt: &Prompt, target: &Target) -> Self {
        let kind = target.kind();
        let names = Names::of(&prompt.functions, kind);
        let mut system = prompt.system.clone();
        let mut options = options(prompt, target);
        if let Some(output) = &prompt.output {
            if is_held_by_provider(prompt, output, target) {
                options = options.with_response_format(JsonSpec::new(spec_name(&output.name), output.schema.clone()));
            } else {
                system = told(&system, output);
            }
        }
        let mut chat = ChatRequest::new(messages(&prompt.messages, &names, target));
        if !system.trim().is_empty() {
            chat = chat.with_system(system);
        }
        if !prompt.functions.is_empty() {
            chat = chat.with_tools(prompt.functions.iter().map(|function| tool(function, &names)).collect::<Vec<_>>());
        }
        Self { chat, options, names }
    }
}

fn options(prompt: &Prompt, target: &Target) -> ChatOptions {
    let (kind, parameters) = (target.kind(), &target.parameters);
    let effort = parameters.reasoning_effort.filter(|_| !(kind == Kind::Anthropic && lacks_thoughts(prompt, target)));
    let mut options = ChatOptions {
        temperature: parameters.temperature,
        max_tokens: parameters.max_tokens,
        top_p: parameters.top_p,
        seed: parameters.seed,
        reasoning_effort: effort.map(crate::choice::Effort::for_genai),
        ..ChatOptions::default()
    };
    // genai reads `-high` and the like at the end of a name as an effort, and cuts it off: mistral-medium would
    // become mistral. An effort in tokens keeps it from that, and is not sent.
    let has_suffix = ReasoningEffort::from_model_name(&target.model).0.is_some();
    if options.reasoning_effort.is_none() && kind.is_chat_completions() && kind != Kind::DeepSeek && has_suffix {
        options.reasoning_effort = Some(ReasoningEffort::Budget(0));
    }
    // Google refuses a model that cannot think when it is asked to show its thoughts.
    let shows_thoughts = kind != Kind::Gemini || effort.is_some();
    options.with_capture_usage(true).with_capture_tool_calls(!kind.is_chat_completions()).with_capture_reasoning_content(shows_thoughts)
}

/// Whether the calls of this turn were made by a model that kept no thoughts: Anthropic refuses to think on after them.
fn lacks_thoughts(prompt: &Prompt, target: &Target) -> bool {
    let turn = prompt.messages.iter().rev().take_while(|message| !matches!(message, Message::User(_)));
    turn.filter_map(|message| match message {
        Message::Assistant(assistant) if !assistant.calls.is_empty() => Some(assistant),
        _ => None,
    })
    .any(|assistant| Marks::read(&assistant.signatures, &target.name).leading.is_empty())
}

/// Whether the provider holds the answer to the schema; if not, the model is told to.
fn is_held_by_provider(prompt: &Prompt, output: &Output, target: &Target) -> bool {
    let is_object = output.schema.get("type").and_then(Value::as_str) == Some("object");
    let fits = match target.kind() {
        // Google takes functions or a schema, not both.
        Kind::Gemini => prompt.functions.is_empty(),
        Kind::Anthropic | Kind::Ollama => true,
        Kind::OpenAi | Kind::Groq | Kind::DeepSeek | Kind::Compatible => is_object,
    };
    fits && target.takes_schemas()
}

fn told(system: &str, output: &Output) -> String {
    let told = format!(
        "When you give your final answer, give one JSON value and nothing else: no other words and no fence around it. \
         It must be valid against this JSON Schema, called {}:\n{}",
        output.name, output.schema
    );
    if system.trim().is_empty() { told } else { format!("{system}\n\n{told}") }
}

/// Letters, digits, `_` and `-` are what is taken.
fn spec_name(name: &str) -> String {
    Names::default().out(name)
}

fn tool(function: &Function, names: &Names) -> Tool {
    let is_object = function.parameters.get("type").and_then(Value::as_str) == Some("object");
    let parameters = if is_object { function.parameters.clone() } else { json!({"type": "object", "properties": {}}) };
    Tool::new(names.out(&function.name)).with_description(function.description.clone()).with_schema(parameters)
}

fn messages(messages: &[Message], names: &Names, target: &Target) -> Vec<ChatMessage> {
    let mut out: Vec<ChatMessage> = Vec::with_capacity(messages.len());
    let mut outcomes: Vec<ToolResponse> = Vec::new();
    for message in messages {
        if let Message::Outcome { id, name, content } = message {
            let content = if content.trim().is_empty() { NOTHING.to_owned() } else { content.clone() };
            outcomes.push(ToolResponse::new(id.clone(), content).with_fn_name(names.out(name)));
            continue;
        }
        flush(&mut outcomes, &mut out, target);
        match message {
            Message::User(text) if text.trim().is_empty() => out.push(ChatMessage::user(NOTHING)),
            Message::User(text) => out.push(ChatMessage::user(text.as_str())),
            Message::Assistant(assistant) => out.extend(said(assistant, names, target)),
            Message::Outcome { .. } => {}
        }
    }
    flush(&mut outcomes, &mut out, target);
    out
}

/// The outcomes of one step go as one message, but to Ollama, where genai keeps only the last of them.
fn flush(outcomes: &mut Vec<ToolResponse>, out: &mut Vec<ChatMessage>, target: &Target) {
    let outcomes = std::mem::take(outcomes);
    if target.kind() == Kind::Ollama {
        out.extend(outcomes.into_iter().map(ChatMessage::from));
    } else if !outcomes.is_empty() {
        out.push(ChatMessage::from(outcomes));
    }
}

fn said(assistant: &Assistant, names: &Names, target: &Target) -> Option<ChatMessage> {
    let marks = Marks::read(&assistant.signatures, &target.name);
    let calls: Vec<ContentPart> =
        assistant.calls.iter().enumerate().map(|(place, call)| wanted(call, marks.of_call(place), names)).collect();
    let mut parts = marks.leading;
    if !assistant.text.trim().is_empty() {
        parts.push(ContentPart::from_text(assistant.text.clone()));
    } else if calls.is_empty() {
        return None;
    }
    parts.extend(calls);
    Some(ChatMessage::assistant(MessageContent::from_parts(parts)))
}

fn wanted(call: &Call, thought_signatures: Option<Vec<String>>, names: &Names) -> ContentPart {
    // Providers take nothing but an object back, whatever their model said.
    let fn_arguments = match &call.arguments {
        Value::Object(_) => call.arguments.clone(),
        Value::Null => json!({}),
        other => json!({"invalid": other}),
    };
    ContentPart::ToolCall(ToolCall { call_id: call.id.clone(), fn_name: names.out(&call.name), fn_arguments, thought_signatures })
}
