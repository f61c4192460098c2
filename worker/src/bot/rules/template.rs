//! Templates: text with expressions in it.
//!
//! They are minijinja's, less all statements but `if`: without loops and macros, and with filters that
//! are held to a bound ([`work`]), a template's cost is bounded. Undefined names are errors, found at
//! parse time where the name says enough. Nothing is escaped and nothing is loaded.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior};

use super::scope::Scope;
use crate::bot::node::Node;
use crate::bot::{DefinitionError, Error};

mod work;

/// Longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// Largest text or value that one template may yield, in bytes.
pub(super) const RENDERED_BYTES_MAX: usize = 64 * 1024;
/// Largest arguments of one call, in bytes of JSON.
const ARGUMENTS_BYTES_MAX: usize = 256 * 1024;
/// The statements of the language.
const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// Opens the name of a template that yields a value.
const VALUE_MARK: char = '=';

/// The compiled templates of a definition.
#[derive(Debug)]
pub(super) struct Engine {
    environment: Environment<'static>,
    /// Whether any template reads what was said before.
    pub(super) wants_history: bool,
}

/// The names that a template may use, beside the fixed ones.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// Of captures.
    pub(super) captures: BTreeSet<&'a str>,
    /// Of calls that come before.
    pub(super) calls: BTreeSet<&'a str>,
}

/// A template that yields text.
#[derive(Debug)]
pub(super) struct Template {
    path: String,
    name: String,
    variables: BTreeSet<String>,
}

/// JSON whose strings are templates.
#[derive(Debug)]
pub(super) enum Tree {
    /// As it stands.
    Plain(serde_json::Value),
    /// A string with expressions in it.
    Text(Template),
    /// A string that is one expression, and yields its value.
    Expression(Template),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

impl Engine {
    /// An engine without templates.
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_formatter(write_value);
        environment.remove_global("debug");
        work::hold(&mut environment);
        environment.add_filter("urlencode", |text: String| urlencode(&text));
        Self { environment, wants_history: false }
    }

    /// Compiles the template that stands at a node.
    pub(super) fn text(&mut self, node: &Node<'_>, names: &Names<'_>) -> Result<Template, DefinitionError> {
        let source = node.text(TEMPLATE_BYTES_MAX)?;
        self.compile(node, node.path.clone(), source, names)
    }

    /// Compiles all templates in the JSON that stands at a node.
    pub(super) fn tree(&mut self, node: &Node<'_>, names: &Names<'_>) -> Result<Tree, DefinitionError> {
        match node.value {
            serde_json::Value::String(_) => self.string(node, names),
            serde_json::Value::Array(items) => {
                let items = items.iter().enumerate();
                let nodes = items.map(|(index, value)| Node { path: format!("{}[{index}]", node.path), value });
                nodes.map(|node| self.tree(&node, names)).collect::<Result<_, _>>().map(Tree::List)
            }
            serde_json::Value::Object(map) => {
                let fields = map.iter().map(|(name, value)| Ok((name.clone(), self.tree(&node.field(name, value), names)?)));
                fields.collect::<Result<_, _>>().map(Tree::Object)
            }
            plain => Ok(Tree::Plain(plain.clone())),
        }
    }

    fn string(&mut self, node: &Node<'_>, names: &Names<'_>) -> Result<Tree, DefinitionError> {
        let source = node.text(TEMPLATE_BYTES_MAX)?;
        if !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)) {
            return Ok(Tree::Plain(source.into()));
        }
        let inner = source.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        let inner = inner.map(|inner| inner.strip_prefix(['-', '+']).unwrap_or(inner));
        let inner = inner.map(|inner| inner.strip_suffix(['-', '+']).unwrap_or(inner));
        if inner.is_some_and(|inner| self.environment.compile_expression(inner).is_ok()) {
            return self.compile(node, format!("{VALUE_MARK}{}", node.path), source.trim(), names).map(Tree::Expression);
        }
        self.compile(node, node.path.clone(), source, names).map(Tree::Text)
    }

    fn compile(&mut self, node: &Node<'_>, name: String, source: &str, names: &Names<'_>) -> Result<Template, DefinitionError> {
        if let Some(statement) = source.split("{%").skip(1).map(keyword).find(|keyword| !STATEMENTS.contains(keyword)) {
            return Err(node.fault(format!("has the statement {statement:?}: templates have {} only", STATEMENTS.join(", "))));
        }
        let fault = |error: minijinja::Error| node.fault(format!("is no template: {}", describe(&error)));
        self.environment.add_template_owned(name.clone(), source.to_owned()).map_err(fault)?;
        let template = self.environment.get_template(&name).map_err(fault)?;
        for path in template.undeclared_variables(true) {
            names.check(&path, &self.environment).map_err(|reason| node.fault(reason))?;
        }
        let variables: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
        self.wants_history |= variables.contains("history");
        Ok(Template { path: node.path.clone(), name, variables })
    }
}

impl Names<'_> {
    /// Whether a template may read `path`, such as `results.order.id`.
    fn check(&self, path: &str, environment: &Environment<'_>) -> Result<(), String> {
        let mut parts = path.split('.');
        let root = parts.next().unwrap_or_default();
        let known = match root {
            "captures" => &self.captures,
            "results" | "errors" => &self.calls,
            _ if Scope::NAMES.contains(&root) || environment.globals().any(|(name, _)| name == root) => return Ok(()),
            _ => return Err(format!("knows no variable {root:?}: {} are there", Scope::NAMES.join(", "))),
        };
        match parts.next() {
            Some(name) if !known.contains(name) => {
                let known: Vec<&str> = known.iter().copied().collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(format!("reads {root}.{name}, which is never there; of {root} there are here: {known}"))
            }
            _ => Ok(()),
        }
    }
}

impl Template {
    /// The text.
    pub(super) fn render(&self, engine: &Engine, scope: &Scope<'_>) -> Result<String, Error> {
        let fault = |reason: Cow<'_, str>| Error::new(format!("{}: {reason}", self.path));
        let template = engine.environment.get_template(&self.name).map_err(|error| fault(describe(&error).into()))?;
        let mut output = Capped(Vec::new());
        match template.render_captured_to(scope.context(&self.variables), &mut output) {
            Ok(_) => String::from_utf8(output.0).map_err(|_| fault("did not yield text".into())),
            Err(error) if error.kind() == ErrorKind::WriteFailure => {
                Err(fault(format!("yields more than {RENDERED_BYTES_MAX} bytes").into()))
            }
            Err(error) => Err(fault(describe(&error).into())),
        }
    }

    /// The text, taken from what is left of the call's bytes.
    fn charged(&self, engine: &Engine, scope: &Scope<'_>, left: &mut usize) -> Result<String, Error> {
        let text = self.render(engine, scope)?;
        let over = || Error::new(format!("{}: the arguments of the call are over {ARGUMENTS_BYTES_MAX} bytes", self.path));
        *left = left.checked_sub(text.len()).ok_or_else(over)?;
        Ok(text)
    }
}

impl Tree {
    /// The arguments of a call.
    pub(super) fn arguments(&self, engine: &Engine, scope: &Scope<'_>) -> Result<serde_json::Value, Error> {
        let mut left = ARGUMENTS_BYTES_MAX;
        self.render(engine, scope, &mut left)
    }

    fn render(&self, engine: &Engine, scope: &Scope<'_>, left: &mut usize) -> Result<serde_json::Value, Error> {
        match self {
            Self::Plain(value) => Ok(value.clone()),
            Self::Text(template) => template.charged(engine, scope, left).map(Into::into),
            Self::Expression(template) => {
                let json = template.charged(engine, scope, left)?;
                serde_json::from_str(&json).map_err(|error| Error::new(format!("{}: yields no JSON: {error}", template.path)))
            }
            Self::List(items) => items.iter().map(|item| item.render(engine, scope, left)).collect(),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, tree)| Ok((name.clone(), tree.render(engine, scope, left)?)));
                fields.collect::<Result<_, Error>>().map(serde_json::Value::Object)
            }
        }
    }
}

/// Output that ends at [`RENDERED_BYTES_MAX`].
struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn keyword(rest: &str) -> &str {
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).trim_start();
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn describe(error: &minijinja::Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if line > 1 => format!("{detail} (line {line})"),
        _ => detail,
    }
}

/// All but RFC 3986's unreserved characters as `%XX`: what comes of it stays within one part of a URL.
fn urlencode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Writes strings as they are, nothing for none, and all else as JSON; in a value, all as JSON.
fn write_value(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let is_text = !state.name().starts_with(VALUE_MARK);
    match value.as_str() {
        Some(text) if is_text => output.write_str(text)?,
        None if is_text && value.is_none() => {}
        _ => {
            // A part of what is written takes at least a byte: more than fits is never built.
            let mut left = RENDERED_BYTES_MAX;
            output.write_str(&to_json(value, &mut left)?.to_string())?;
        }
    }
    Ok(())
}

/// A template's value as JSON, of no more parts and bytes of text than are left.
fn to_json(value: &Value, left: &mut usize) -> Result<serde_json::Value, minijinja::Error> {
    write_off(left, 1)?;
    match value.kind() {
        ValueKind::None => Ok(serde_json::Value::Null),
        ValueKind::Bool => Ok(value.is_true().into()),
        ValueKind::Number => Ok(number(value)),
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.map(|item| to_json(&item, left)).collect(),
        ValueKind::Map => {
            let fields = value.try_iter()?.map(|key| Ok((key.to_string(), to_json(&value.get_item(&key)?, left)?)));
            fields.collect::<Result<_, _>>().map(serde_json::Value::Object)
        }
        ValueKind::Undefined => Err(minijinja::Error::new(ErrorKind::UndefinedError, "a part of the value is undefined")),
        _ => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write_off(left, text.len())?;
            Ok(text.into())
        }
    }
}

fn write_off(left: &mut usize, bytes: usize) -> Result<(), minijinja::Error> {
    *left = left.checked_sub(bytes).ok_or_else(|| minijinja::Error::new(ErrorKind::WriteFailure, "the value is too large"))?;
    Ok(())
}

fn number(value: &Value) -> serde_json::Value {
    if value.is_integer() {
        let small = i64::try_from(value.clone()).map(Into::into);
        if let Ok(number) = small.or_else(|_| u64::try_from(value.clone()).map(Into::into)) {
            return number;
        }
    }
    f64::try_from(value.clone()).map_or(serde_json::Value::Null, Into::into)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::{Engine, Names, RENDERED_BYTES_MAX};
    use crate::bot::node::Node;
    use crate::bot::rules::scope::{Event, Scope};
    use crate::bot::rules::tests::turn;

    const PAYLOAD: &str =
        r#"{"n":3,"big":18446744073709551615,"half":0.5,"list":[{"a":"x"},{"a":"y"}],"html":"<b>&'","yes":true,"nil":null}"#;

    fn render(source: &Value) -> Result<Value, String> {
        let mut engine = Engine::new();
        let names = Names { captures: ["id"].into(), calls: ["order", "0"].into() };
        let tree = engine.tree(&Node { path: "with".to_owned(), value: source }, &names).map_err(|error| error.to_string())?;
        let mut input = proto::wire::Input { text: "hello".into(), payload: Bytes::from(PAYLOAD), ..Default::default() };
        input.contact = Some(proto::wire::Contact { name: "Ada".into(), ..Default::default() });
        let turn = turn(&input);
        let event = Event::new(&turn);
        let mut scope = Scope::new(&event);
        scope.captures.insert("id".into(), Some("17".into()));
        scope.ends.push(("order", Ok(json!({ "order": 17 }))));
        scope.ends.push(("0", Err("it broke".into())));
        tree.arguments(&engine, &scope).map_err(|error| error.to_string())
    }

    #[test]
    fn one_expression_yields_its_value_and_anything_else_text() {
        for (source, expected) in [
            (json!("plain }} text"), json!("plain }} text")),
            (json!("{{ payload.n }}"), json!(3)),
            (json!("n={{ payload.n }}"), json!("n=3")),
            (json!("{{ payload.n }}{{ payload.n }}"), json!("33")),
            (json!("{{- -payload.n -}}"), json!(-3)),
            (json!("{{ payload.big }}"), json!(u64::MAX)),
            (json!("{{ payload.half }}"), json!(0.5)),
            (json!("{{ payload.list }}"), json!([{ "a": "x" }, { "a": "y" }])),
            (json!("{{ payload.list }} "), json!([{ "a": "x" }, { "a": "y" }])),
            (json!("list: {{ payload.list }}"), json!(r#"list: [{"a":"x"},{"a":"y"}]"#)),
            (json!("{{ payload.html }}!"), json!("<b>&'!")),
            (json!("{{ payload.html }}"), json!("<b>&'")),
            (json!("{{ payload.yes }}, {{ payload.nil }}."), json!("true, .")),
            (json!("{{ payload.nil }}"), json!(null)),
            (json!("{{ payload.list[0] | tojson }}"), json!(r#"{"a": "x"}"#)),
            (json!("{{ {'a': captures.id} }}"), json!({ "a": "17" })),
            (json!("{{ captures.id | int + 1 }}"), json!(18)),
            (json!("{{ '}}' }}"), json!("}}")),
            (json!("{{ text }} {{ contact.name }}{{ contact.email }} {{ turn }}"), json!("hello Ada 4")),
            (json!("{% if errors.order %}bad{% else %}good{% endif %}"), json!("good")),
            (json!("{{ results.order.order }}/{{ errors['0'] }}"), json!("17/it broke")),
            (json!("{{ 'ä /?b-_.~' | urlencode }}{{ payload.n | urlencode }}"), json!("%C3%A4%20%2F%3Fb-_.~3")),
            (json!("{{ payload.list | map(attribute='a') | join('+') }}"), json!("x+y")),
            (json!("{{ 'a\nb' | indent(2) }}|{{ 'a' | indent(width=2, first=true) }}"), json!("a\n  b|  a")),
            (json!("{{ [1,2,3] | batch(2, 0) | list }}"), json!([[1, 2], [3, 0]])),
            (json!("{{ '%05d 100%%' | format(payload.n) }} {{ 'aXa' | replace('X', text) }}"), json!("00003 100% ahelloa")),
            (json!("{{ range(100000) | map('string') | map('length') | sum }}"), json!(488_890)),
            (json!({ "a": ["{{ payload.n }}", 1], "b": { "{{ text }}": null } }), json!({ "a": [3, 1], "b": { "{{ text }}": null } })),
        ] {
            assert_eq!(render(&source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn every_fault_names_its_place() {
        for (source, expected) in [
            ("{{ text", "with: is no template: "),
            ("{% for x in payload %}{% endfor %}", "with: has the statement \"for\""),
            ("{%- include 'x' %}", "with: has the statement \"include\""),
            ("{%+macro x() %}", "with: has the statement \"macro\""),
            ("{{ txt }}", "with: knows no variable \"txt\""),
            ("{{ debug() }}!", "with: knows no variable \"debug\""),
            ("{{ captures.nr }}", "with: reads captures.nr, which is never there; of captures there are here: id"),
            ("{{ results.ordr.id }}", "with: reads results.ordr"),
            ("{{ payload.absent }}", "with: "),
            ("{{ payload.absent.deep }}!", "with: "),
            ("{{ [payload.absent] }}", "with: a part of the value is undefined"),
            ("{{ payload.n / 0 }}", "with: "),
            ("{{ text | nope }}", "with: "),
            ("{{ payload.absent | urlencode }}", "with: "),
            ("{{ 'x' * 65537 }}", "with: yields more than 65536 bytes"),
            ("{{ [0] * 100000000 }}", "with: yields more than 65536 bytes"),
            ("{{ ['x' * 65537] }}!", "with: yields more than 65536 bytes"),
            ("{{ 'x' | indent(99999999999) }}", "with: how wide or how many is a number from 0 to 1000"),
            ("{{ 'x' | indent(width=18446744073709551615, first=true) }}", "with: how wide"),
            ("{{ [1] | batch(99999999999, 'x') | list }}", "with: how wide"),
            ("{{ [1] | slice(99999999999) | list }}", "with: how wide"),
            ("{{ [1] | tojson(99999999999) }}", "with: how wide"),
            ("{{ '%099999999999d' | format(1) }}", "with: a width or precision"),
            ("{{ '%*d' | format(99999999999, 1) }}", "with: a width or precision"),
            ("{{ ('x' * 60000) | replace('x', 'y' * 60000) | length }}", "with: works on more than 33554432 bytes"),
            ("{{ 'xxxxxx' | replace('', 'y' * 10000000) | length }}", "with: works on more than"),
            ("{{ range(100000) | join('y' * 60000) | length }}", "with: works on more than"),
            ("{{ range(100000) | map('replace', '', 'y' * 60000) | list | length }}", "with: works on more than"),
            ("{{ ([0] * 100000000) | list | length }}", "with: works on more than"),
            ("{{ ([[text] * 10000] * 10000) | tojson | length }}", "with: works on more than"),
        ] {
            let error = render(&json!(source)).unwrap_err();
            assert!(error.starts_with(expected), "{source} gave {error}");
        }
        let many = json!(vec!["{{ 'x' * 65000 }}"; 5]);
        assert_eq!(render(&many).unwrap_err(), "with[4]: the arguments of the call are over 262144 bytes");
    }

    #[test]
    fn the_largest_text_fits() {
        let text = render(&json!(format!("{{{{ 'x' * {RENDERED_BYTES_MAX} }}}}{{{{ '' }}}}"))).unwrap();
        assert_eq!(text.as_str().map(str::len), Some(RENDERED_BYTES_MAX));
    }
}
