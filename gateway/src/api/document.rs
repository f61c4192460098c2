//! The OpenAPI document, made from the table.
//!
//! What the table says is said here in the words of OpenAPI 3.1: each operation with its
//! parameters, its body, what it answers in every form, and every way in which it may refuse, all
//! with examples. `docs/openapi.json` is this document; a test keeps the two alike.

use std::collections::{BTreeMap, BTreeSet};

use proto::code::Code;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Access, Answer, Form, Method, Operation, Parameter, Run};
use crate::auth;

/// What stands at a place of a path.
const PLACES: [(&str, &str); 7] = [
    ("destination", "The destination, by its id in the trigger."),
    ("id", "The id of what the path is about; behind `@`, its alias where it can have one."),
    ("ability", "The id of an ability of the skillset, or its alias behind `@`."),
    ("receipt", "The receipt that the event was answered with."),
    ("secret", "The id of a secret, or its alias behind `@`."),
    ("message", "The id of a message of the conversation."),
    ("seq", "The sequence of the letter."),
];
/// What each chapter is about.
const TAGS: [(&str, &str); 19] = [
    ("Events", "Events are sent to triggers; their turns can be followed, answered and called off."),
    ("Triggers", "Where events come in."),
    ("Results", "Where the ends of turns are told, and how that went."),
    ("Bots", "Who answers them."),
    ("Skillsets", "What bots may do, in sets."),
    ("Abilities", "What bots may do, one by one."),
    ("Secrets", "Values that abilities use and nobody reads back."),
    ("Contacts", "Whom conversations are held with."),
    ("Conversations", "What was said, session by session."),
    ("Messages", "The entries of conversations."),
    ("Channels", "What comes of calls that were sent into the background."),
    ("Approvals", "Calls of abilities that wait for somebody."),
    ("Event log", "What happened."),
    ("Usage", "What was taken."),
    ("Dead letters", "Events that were given up on or refused."),
    ("Platform", "What this build brings."),
    ("System", "How the deployment is."),
    ("Tokens", "Whoever may call the API."),
    ("Audit", "Who did what, and when."),
];

/// The document.
pub(crate) fn document(table: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in table {
        let verb = if operation.method == Method::Get { "get" } else { "post" };
        let item = json!({ verb: told(operation, &mut generator) });
        paths.insert(operation.path.to_owned(), item);
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Error".to_owned(), error_schema());
    let used: BTreeSet<&str> = table.iter().map(|operation| operation.tag).collect();
    let about = |tag: &str| TAGS.iter().find(|(known, _)| *known == tag).map_or("", |(_, about)| about);
    let tags: Vec<Value> = used.iter().map(|tag| json!({ "name": tag, "description": about(tag) })).collect();
    sorted(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cuepoint",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The API of a Cuepoint deployment. It takes what ChatBotKit's clients send, and adds what a durable system has to tell. Whatever is answered with an id is stored.",
            "contact": { "name": "Cuepoint", "url": "https://github.com/cuepoint/cuepoint" },
            "license": { "name": "MIT or Apache 2.0", "identifier": "MIT OR Apache-2.0" }
        },
        "servers": [{ "url": "/v1", "description": "As ChatBotKit's hosted API has it." }, { "url": "/api/v1", "description": "As its clients ask of every other host." }],
        "tags": tags,
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "examples": refusals(table),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API token (`sk-...`), or, for one trigger's events and conversations, that trigger's secret." }
            }
        }
    }))
}

/// The same with its names in order: whether objects keep that of their making depends on what else is built.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.into_iter().collect::<Map<_, _>>().into()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn told(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut told = Map::new();
    let mut say = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
    say("operationId", operation.id.into());
    say("tags", json!([operation.tag]));
    say("summary", operation.summary.into());
    let description = [operation.description, &who(operation.access)].join("\n\n");
    say("description", description.trim().into());
    say("x-cuepoint-access", access(operation.access).into());
    match operation.access {
        Access::Open => say("security", json!([])),
        Access::Event => say("security", json!([{ "bearer": [] }, {}])),
        Access::Scope(_) | Access::Trigger(_) => {}
    }
    let places = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = places.map(place).chain(operation.parameters.iter().map(parameter)).collect();
    if !parameters.is_empty() {
        say("parameters", parameters.into());
    }
    if let Some(form) = &operation.body {
        let schema = (form.schema)(generator);
        // What a handler reads by itself may be left out where nothing must be said.
        let is_required = !matches!(operation.run, Run::Raw(_)) || schema.get("required").is_some();
        let body = json!({ "required": is_required, "content": { "application/json": { "schema": schema, "example": form.example } } });
        say("requestBody", body);
    }
    let mut responses = errors(operation);
    responses.insert("200".to_owned(), answer(&operation.answer, generator));
    say("responses", responses.into());
    Value::Object(told)
}

/// Who may call an operation, in one word.
pub(crate) fn access(access: Access) -> String {
    match access {
        Access::Scope(scope) => auth::word(scope),
        Access::Trigger(scope) => format!("trigger or {}", auth::word(scope)),
        Access::Event => "event".to_owned(),
        Access::Open => "open".to_owned(),
    }
}

fn who(of: Access) -> String {
    match of {
        Access::Scope(_) => format!("Needs a token with the scope `{}`.", access(of)),
        Access::Trigger(_) => {
            format!("Needs the trigger's secret, or a token with the scope `{}`.", access(of).trim_start_matches("trigger or "))
        }
        Access::Event => "Needs the trigger's secret, unless the trigger is open.".to_owned(),
        Access::Open => "Needs nothing.".to_owned(),
    }
}

fn place(name: &str) -> Value {
    let about = PLACES.iter().find(|(known, _)| *known == name).map_or("The id.", |(_, about)| about);
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": { "type": "string", "minLength": 1 } })
}

fn parameter(parameter: &Parameter) -> Value {
    let Parameter { name, place, description, schema } = parameter;
    let mut told = json!({ "name": name, "in": place, "description": description, "schema": schema });
    if let (true, Some(told)) = (schema.get("type").is_some_and(|kind| kind == "object"), told.as_object_mut()) {
        told.insert("style".to_owned(), "deepObject".into());
        told.insert("explode".to_owned(), true.into());
    }
    told
}

fn answer(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    let text = json!({ "schema": { "type": "string" } });
    let json_of = |schema: Value, example: &Value| json!({ "application/json": { "schema": schema, "example": example } });
    let (description, content) = match answer {
        Answer::Object(Form { schema, example }) => ("It is done.", json_of(schema(generator).into(), example)),
        Answer::List(form) => ("What was found.", list(form, generator, None)),
        Answer::Export(form) => ("What was found.", list(form, generator, Some(&text))),
        Answer::Stream { object, line } => {
            let mut content = json_of((object.schema)(generator).into(), &object.example);
            put(&mut content, lines(line, generator));
            ("It is done.", content)
        }
        Answer::Lines(line) => ("What is told, as it comes.", lines(line, generator)),
        Answer::Other(kind) => ("The document.", json!({ *kind: text })),
    };
    json!({ "description": description, "content": content })
}

fn put(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

fn list(form: &Form, generator: &mut SchemaGenerator, table: Option<&Value>) -> Value {
    let item = Value::from((form.schema)(generator));
    let cursor = form.example.get("id").cloned().unwrap_or_default();
    let schema = json!({
        "type": "object",
        "properties": {
            "items": { "type": "array", "items": item },
            "cursor": { "type": "string", "description": "The id of the last item; absent where there is none." }
        },
        "required": ["items"]
    });
    let example = json!({ "items": [form.example], "cursor": cursor });
    let line = json!({ "type": "object", "properties": { "type": { "const": "item" }, "data": item }, "required": ["type", "data"] });
    let mut content = json!({
        "application/json": { "schema": schema, "example": example },
        "application/jsonl": { "schema": line, "example": { "type": "item", "data": form.example } },
        "text/event-stream": { "schema": { "type": "string" } }
    });
    if let Some(table) = table {
        put(&mut content, json!({ "text/csv": table }));
    }
    content
}

fn lines(line: &Form, generator: &mut SchemaGenerator) -> Value {
    let schema = Value::from((line.schema)(generator));
    json!({ "application/jsonl": { "schema": schema, "example": line.example }, "text/event-stream": { "schema": { "type": "string" } } })
}

/// What the common checks refuse.
fn common(operation: &Operation) -> Vec<Code> {
    let mut codes = vec![Code::Unavailable];
    if operation.access != Access::Open {
        codes.push(Code::NotAuthenticated);
    }
    if operation.access == Access::Event {
        codes.extend([Code::TriggerForeign, Code::SignatureRequired, Code::SignatureInvalid]);
    }
    if operation.access != Access::Open {
        codes.push(Code::ScopeMissing);
        codes.push(Code::RateLimited);
    }
    if operation.method == Method::Post && matches!(operation.run, Run::Call(_)) {
        codes.extend([Code::BodyMalformed, Code::BodyTooLarge, Code::MediaTypeUnknown, Code::FieldUnknown, Code::Unrecorded]);
    }
    codes
}

fn errors(operation: &Operation) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    for code in common(operation).into_iter().chain(operation.errors.iter().copied()) {
        by_status.entry(code.status()).or_default().insert(code.as_str());
    }
    let told = by_status.into_iter().map(|(status, codes)| {
        let example = |code: &&str| ((*code).to_owned(), json!({ "$ref": format!("#/components/examples/{code}") }));
        let examples: Map<String, Value> = codes.iter().map(example).collect();
        let description = codes.iter().copied().collect::<Vec<_>>().join(", ");
        let schema = json!({ "$ref": "#/components/schemas/Error" });
        let response = json!({ "description": description, "content": { "application/json": { "schema": schema, "examples": examples } } });
        (status.to_string(), response)
    });
    told.collect()
}

/// A refusal with each code that some operation may refuse with.
fn refusals(table: &[Operation]) -> Map<String, Value> {
    let codes = table.iter().flat_map(|operation| common(operation).into_iter().chain(operation.errors.iter().copied()));
    let told = codes.map(|code| {
        let doc = format!("docs/errors/{}.md", code.as_str());
        let value = json!({ "message": "what is wrong, and what to do", "code": code.class(), "error": code.as_str(), "doc": doc });
        (code.as_str().to_owned(), json!({ "value": value }))
    });
    told.collect()
}

fn error_schema() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({
        "type": "object",
        "description": "Why a call was refused.",
        "properties": {
            "message": text("What is wrong, and what to do."),
            "code": text("The name that ChatBotKit's API gives to this class of error."),
            "error": { "type": "string", "pattern": "^CUE[0-9]{4}$", "description": "The stable code; each has a page." },
            "field": text("The field or parameter at fault, by its path."),
            "limit": { "type": "integer", "description": "The bound that was passed." },
            "doc": text("The code's page."),
            "traceId": text("The trace that the call would have started.")
        },
        "required": ["message", "code", "error", "doc"]
    })
}

#[cfg(test)]
mod tests;
