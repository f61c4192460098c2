//! What an ability asks the model for, and the JSON Schema that says so.

use serde_json::{Map, Number, Value, json};

/// One value that the model gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name among the arguments.
    pub name: String,
    /// What it must be.
    pub shape: Shape,
    /// Whether the model is not told of it: its default is all that it can be.
    pub is_hidden: bool,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Its type with its bounds.
    pub kind: Kind,
    /// What the model is told of it.
    pub description: Option<String>,
    /// Whether it must be given.
    pub is_required: bool,
    /// What it is where it is not given.
    pub default: Option<Value>,
}

/// A type with its bounds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A string.
    Text(Text),
    /// A number.
    Number {
        /// The values it may have; any if empty.
        choices: Vec<Number>,
        /// The least.
        min: Option<Number>,
        /// The largest.
        max: Option<Number>,
    },
    /// True or false.
    Boolean,
    /// A list; without a shape its items may be anything.
    List(Option<Box<Shape>>),
    /// An object; without properties it may have any.
    Record(Vec<(String, Shape)>),
}

/// The bounds of a string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The values it may have; any if empty.
    pub choices: Vec<String>,
    /// The fewest characters.
    pub chars_min: Option<u64>,
    /// The most characters.
    pub chars_max: Option<u64>,
    /// Whether a list or an object is as good: it is put in as JSON.
    pub takes_json: bool,
}

impl Shape {
    /// A shape without anything said of it.
    pub(crate) fn of(kind: Kind) -> Self {
        Self { kind, description: None, is_required: false, default: None }
    }

    /// The shape as JSON Schema.
    pub fn schema(&self) -> Value {
        let mut schema = Map::new();
        let mut put = |name: &str, value: Value| {
            schema.insert(name.to_owned(), value);
        };
        put("type", self.kind.name().into());
        if let Some(description) = &self.description {
            put("description", description.as_str().into());
        }
        if let Some(default) = &self.default {
            put("default", default.clone());
        }
        match &self.kind {
            Kind::Text(text) => {
                if !text.choices.is_empty() {
                    put("enum", text.choices.clone().into());
                }
                for (name, length) in [("minLength", text.chars_min), ("maxLength", text.chars_max)] {
                    if let Some(length) = length {
                        put(name, length.into());
                    }
                }
            }
            Kind::Number { choices, min, max } => {
                if !choices.is_empty() {
                    put("enum", choices.iter().cloned().map(Value::Number).collect());
                }
                for (name, bound) in [("minimum", min), ("maximum", max)] {
                    if let Some(bound) = bound {
                        put(name, bound.clone().into());
                    }
                }
            }
            Kind::Boolean => {}
            Kind::List(items) => put("items", items.as_ref().map_or_else(|| json!({}), |items| items.schema())),
            Kind::Record(properties) if properties.is_empty() => {}
            Kind::Record(properties) => {
                let shapes = || properties.iter().map(|(name, shape)| (name.as_str(), shape));
                put("properties", shapes().map(|(name, shape)| (name.to_owned(), shape.schema())).collect::<Map<_, _>>().into());
                put("required", required(shapes()));
                put("additionalProperties", false.into());
            }
        }
        Value::Object(schema)
    }
}

impl Kind {
    /// The name of the type in JSON Schema.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Number { .. } => "number",
            Self::Boolean => "boolean",
            Self::List(_) => "array",
            Self::Record(_) => "object",
        }
    }
}

/// The schema of the arguments for all fields that the model is told of.
pub(crate) fn schema(fields: &[Field]) -> Value {
    let shown = || fields.iter().filter(|field| !field.is_hidden).map(|field| (field.name.as_str(), &field.shape));
    json!({
        "type": "object",
        "title": "Action request",
        "properties": shown().map(|(name, shape)| (name.to_owned(), shape.schema())).collect::<Map<_, _>>(),
        "required": required(shown()),
        "additionalProperties": false,
    })
}

fn required<'a>(shapes: impl Iterator<Item = (&'a str, &'a Shape)>) -> Value {
    shapes.filter(|(_, shape)| shape.is_required).map(|(name, _)| Value::from(name)).collect()
}
