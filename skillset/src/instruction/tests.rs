use serde_json::{Map, Value, json};

use super::Instruction;
use crate::invocation::{Body, Invocation, Part, Text, Tree};

const VALID: &str = include_str!("../../tests/table/valid.txt");
const INVALID: &str = include_str!("../../tests/table/invalid.txt");

/// The cases of a table: name, instruction, what is expected.
pub(crate) fn cases(table: &'static str) -> Vec<(&'static str, &'static str, &'static str)> {
    let case = |case: &'static str| {
        let (name, rest) = case.split_once('\n').unwrap();
        let (instruction, expected) = rest.split_once("\n-->\n").unwrap();
        (name, instruction, expected.trim())
    };
    table.split("\n## ").skip(1).map(case).collect()
}

/// An instruction with those of the values filled in that it asks for.
pub(crate) fn fill(text: &str, mut values: Value) -> Invocation {
    let instruction = Instruction::parse(text).unwrap_or_else(|faults| panic!("{faults}"));
    let is_asked = |name: &str| instruction.fields().iter().any(|field| field.name == name && !field.is_hidden);
    values.as_object_mut().unwrap().retain(|name, _| is_asked(name));
    instruction.fill(&values).unwrap()
}

/// An invocation as JSON, in which a reference shows as `${NAME}`.
pub(crate) fn show(invocation: &Invocation) -> Value {
    let body = match &invocation.body {
        Body::Http(http) => {
            let mut shown = Map::from_iter([("url".to_owned(), text(&http.url))]);
            let headers: Vec<_> = http.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
            shown.extend(Some(&http.method).filter(|method| !method.0.is_empty()).map(|method| ("method".to_owned(), text(method))));
            shown.extend(Some(headers).filter(|headers| !headers.is_empty()).map(|headers| ("headers".to_owned(), headers.into())));
            shown.extend(http.body.as_ref().map(|body| ("body".to_owned(), text(body))));
            json!({ "http": shown })
        }
        Body::Tree(shown) => json!({ "tree": tree(shown) }),
        Body::Text(shown) => json!({ "text": text(shown) }),
    };
    let mut shown = body;
    if let (false, Value::Object(map)) = (invocation.parameters.is_empty(), &mut shown) {
        map.insert("parameters".to_owned(), json!(invocation.parameters));
    }
    shown
}

fn text(text: &Text) -> Value {
    let part = |part: &Part| match part {
        Part::Literal(words) => words.clone(),
        Part::Reference(name) => format!("${{{name}}}"),
    };
    text.0.iter().map(part).collect::<String>().into()
}

fn tree(shown: &Tree) -> Value {
    match shown {
        Tree::Value(value) => value.clone(),
        Tree::Text(words) => text(words),
        Tree::List(items) => items.iter().map(tree).collect(),
        Tree::Map(entries) => entries.iter().map(|(key, shown)| (key.clone(), tree(shown))).collect::<Map<_, _>>().into(),
    }
}

#[test]
fn every_valid_instruction_of_the_table_has_its_schema_and_fills_in() {
    let mut wrong = Vec::new();
    let cases = cases(VALID);
    assert!(cases.len() >= 40, "{} cases", cases.len());
    for (name, text, expected) in cases {
        let expected: Value = serde_json::from_str(expected).unwrap_or_else(|error| panic!("{name}: {error}\n{expected}"));
        let instruction = match Instruction::parse(text) {
            Ok(instruction) => instruction,
            Err(faults) => {
                wrong.push(format!("## {name}\n{faults}"));
                continue;
            }
        };
        let schema = instruction.schema();
        let mut given =
            json!({ "action": format!("{:?}", instruction.action()), "properties": schema["properties"], "required": schema["required"] });
        if expected.get("references").is_some() {
            given["references"] = instruction.references().into();
        }
        if let Some(calls) = expected.get("calls").and_then(Value::as_array) {
            let call = |call: &Value| match instruction.fill(&call["with"]) {
                Ok(invocation) => json!({ "with": call["with"], "gives": show(&invocation) }),
                Err(violation) => json!({ "with": call["with"], "problems": violation.problems }),
            };
            given["calls"] = calls.iter().map(call).collect();
        }
        if given != expected {
            wrong.push(format!("## {name}\n{}", serde_json::to_string(&given).unwrap()));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

#[test]
fn every_invalid_instruction_of_the_table_has_its_faults_in_their_places() {
    let mut wrong = Vec::new();
    let cases = cases(INVALID);
    assert!(cases.len() >= 50, "{} cases", cases.len());
    for (name, text, expected) in cases {
        let faults = match Instruction::parse(text) {
            Ok(instruction) => {
                wrong.push(format!("## {name}\nis taken: {instruction:?}"));
                continue;
            }
            Err(faults) => faults,
        };
        let given: Vec<_> = faults.iter().map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.message)).collect();
        if given.join("\n") != expected {
            wrong.push(format!("## {name}\n{}", given.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}

const DOCS: &str = include_str!("../../../docs/skillsets.md");

#[test]
fn every_instruction_of_the_documentation_is_taken() {
    let fenced = DOCS.split("\n````\n").skip(1).step_by(2);
    let structured = DOCS.split("\n```yaml\n").skip(1).map(|rest| rest.split("\n```\n").next().unwrap());
    let instructions: Vec<_> = fenced.chain(structured).collect();
    assert_eq!(instructions.len(), 6, "{instructions:#?}");
    for text in instructions {
        if let Err(faults) = Instruction::parse(text) {
            panic!("{text}\n{faults}");
        }
    }
}

#[test]
fn the_fault_of_the_documentation_looks_so() {
    let faults = Instruction::parse("```fetch\nGET https://example.com/orders/$[id eux]\n```").unwrap_err().to_string();
    let shown = DOCS.split("\n```\nline ").nth(1).unwrap().split("...\n```").next().unwrap();
    assert!(faults.starts_with(&format!("line {shown}")), "{faults}");
}
