//! What a call came to, for a model to read: text bounded, pictures and files described.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::limit::{ERROR_TEXT_BYTES_MAX, LABEL_BYTES_MAX, PARTS_MAX, STRUCTURED_BYTES_MAX, TEXT_BYTES_MAX};
use crate::mask::Mask;
use crate::text;

/// The result as `{content, structuredContent}`, or the tool's own error.
///
/// `content` has `{type: "text", text}`, and of everything else what it is and how large.
/// `structuredContent` stands only where the server gave it; a text that repeats it is dropped.
pub(crate) fn read(result: Value, mask: &Mask) -> Result<Value, Error> {
    let Value::Object(mut result) = result else { return Err(malformed("a result is an object")) };
    if result.get("resultType").and_then(Value::as_str) == Some("input_required") {
        return Err(Error::Tool { text: "the tool asks a person for input, and nobody is here".to_owned() });
    }
    let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
    let structured = result.remove("structuredContent").map(|value| mask.apply_to(value));
    let parts = match result.remove("content") {
        Some(Value::Array(parts)) => parts,
        None | Some(Value::Null) if structured.is_some() || is_error => Vec::new(),
        _ => return Err(malformed("a result has content")),
    };
    let mut content = Content { mask, left: TEXT_BYTES_MAX, parts: Vec::new() };
    let count = parts.len();
    for part in parts.into_iter().take(PARTS_MAX) {
        content.take(part, structured.as_ref());
    }
    if count > PARTS_MAX {
        content.parts.push(json!({ "type": "omitted", "parts": count - PARTS_MAX }));
    }
    if is_error {
        return Err(Error::Tool { text: told(&content.parts) });
    }
    let mut outcome = Map::new();
    outcome.insert("content".into(), content.parts.into());
    if let Some(structured) = structured {
        outcome.insert("structuredContent".into(), bounded(structured));
    }
    Ok(Value::Object(outcome))
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { reason: reason.to_owned() }
}

/// The texts of a tool's error.
fn told(parts: &[Value]) -> String {
    let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
    let said = texts.join("\n");
    let said = text::cut(said.trim(), ERROR_TEXT_BYTES_MAX);
    if said.is_empty() { "the tool failed and did not say why".to_owned() } else { said.to_owned() }
}

fn bounded(structured: Value) -> Value {
    match serde_json::to_vec(&structured).map(|bytes| bytes.len()) {
        Ok(bytes) if bytes > STRUCTURED_BYTES_MAX => json!({ "omitted": { "bytes": bytes, "bytesMax": STRUCTURED_BYTES_MAX } }),
        _ => structured,
    }
}

struct Content<'a> {
    mask: &'a Mask,
    left: usize,
    parts: Vec<Value>,
}

impl Content<'_> {
    fn take(&mut self, part: Value, structured: Option<&Value>) {
        let Value::Object(mut part) = part else { return };
        let kind = text::line(part.get("type").and_then(Value::as_str).unwrap_or_default(), LABEL_BYTES_MAX);
        match kind.as_str() {
            "text" => {
                let Some(Value::String(told)) = part.remove("text") else { return };
                let repeats = structured.is_some_and(|value| serde_json::from_str::<Value>(&told).is_ok_and(|parsed| parsed == *value));
                if !repeats {
                    self.text(json!({ "type": "text" }), &told);
                }
            }
            "image" | "audio" => {
                let described = json!({ "type": kind, "mimeType": self.label(&part, "mimeType"), "bytes": decoded_bytes(&part, "data") });
                self.parts.push(described);
            }
            "resource" => {
                let Some(Value::Object(mut resource)) = part.remove("resource") else { return };
                let described = json!({ "type": kind, "uri": self.label(&resource, "uri"), "mimeType": self.label(&resource, "mimeType") });
                match resource.remove("text") {
                    Some(Value::String(told)) => self.text(described, &told),
                    _ => self.parts.push(with(described, "bytes", decoded_bytes(&resource, "blob").into())),
                }
            }
            "resource_link" => {
                let fields = ["uri", "name", "mimeType"].map(|name| (name, self.label(&part, name)));
                self.parts.push(fields.into_iter().fold(json!({ "type": kind }), |described, (name, value)| with(described, name, value)));
            }
            _ => self.parts.push(json!({ "type": "unknown", "kind": kind })),
        }
    }

    /// Takes as much of a text as there is room for, and says how much was cut off.
    fn text(&mut self, described: Value, told: &str) {
        let told = text::clean(&self.mask.apply(told));
        let kept = text::cut(&told, self.left);
        self.left -= kept.len();
        let described = with(described, "text", kept.into());
        let cut = told.len() - kept.len();
        self.parts.push(if cut == 0 { described } else { with(described, "bytesCut", cut.into()) });
    }

    fn label(&self, fields: &Map<String, Value>, name: &str) -> Value {
        let told = fields.get(name).and_then(Value::as_str);
        told.map_or(Value::Null, |told| text::line(&self.mask.apply(told), LABEL_BYTES_MAX).into())
    }
}

fn with(mut described: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = described.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    described
}

/// How many bytes base64 stands for, without decoding it.
fn decoded_bytes(fields: &Map<String, Value>, name: &str) -> usize {
    let digits = fields.get(name).and_then(Value::as_str).unwrap_or_default().trim_end_matches('=').len();
    digits * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::read;
    use crate::error::Error;
    use crate::limit::{PARTS_MAX, STRUCTURED_BYTES_MAX, TEXT_BYTES_MAX};
    use crate::mask::Mask;

    fn outcome(result: Value) -> Value {
        read(result, &Mask::default()).unwrap()
    }

    #[test]
    fn text_stays_and_the_rest_is_described() {
        let result = json!({ "content": [
            { "type": "text", "text": "a\u{7}b" },
            { "type": "image", "data": "aGVsbG8=", "mimeType": "image/png" },
            { "type": "audio", "data": "", "mimeType": "audio/wav" },
            { "type": "resource", "resource": { "uri": "file:///a", "mimeType": "text/plain", "text": "inside" } },
            { "type": "resource", "resource": { "uri": "file:///b", "blob": "aGVsbG8=" } },
            { "type": "resource_link", "uri": "file:///c", "name": "c", "description": "d" },
            { "type": "hologram" }, 1,
        ] });
        assert_eq!(
            outcome(result)["content"],
            json!([
                { "type": "text", "text": "ab" },
                { "type": "image", "mimeType": "image/png", "bytes": 5 },
                { "type": "audio", "mimeType": "audio/wav", "bytes": 0 },
                { "type": "resource", "uri": "file:///a", "mimeType": "text/plain", "text": "inside" },
                { "type": "resource", "uri": "file:///b", "mimeType": null, "bytes": 5 },
                { "type": "resource_link", "uri": "file:///c", "name": "c", "mimeType": null },
                { "type": "unknown", "kind": "hologram" },
            ])
        );
    }

    #[test]
    fn structured_content_is_kept_and_not_said_twice() {
        let value = json!({ "temperature": 22.5, "list": [1, null] });
        let result = json!({ "content": [{ "type": "text", "text": value.to_string() }, { "type": "text", "text": "warm" }], "structuredContent": value });
        assert_eq!(outcome(result), json!({ "content": [{ "type": "text", "text": "warm" }], "structuredContent": value }));
        let huge = json!({ "content": [], "structuredContent": "x".repeat(STRUCTURED_BYTES_MAX) });
        assert_eq!(outcome(huge)["structuredContent"]["omitted"]["bytes"], STRUCTURED_BYTES_MAX + 2);
    }

    #[test]
    fn text_is_bounded_over_all_parts() {
        let half = "ä".repeat(TEXT_BYTES_MAX / 4 + 10);
        let part = json!({ "type": "text", "text": half });
        let kept = outcome(json!({ "content": [part, part, part] }));
        let lengths: Vec<usize> = kept["content"].as_array().unwrap().iter().map(|part| part["text"].as_str().unwrap().len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), TEXT_BYTES_MAX);
        assert_eq!(kept["content"][2]["bytesCut"], half.len());
        let many = outcome(json!({ "content": vec![json!({ "type": "image" }); PARTS_MAX + 3] }));
        assert_eq!(many["content"][PARTS_MAX], json!({ "type": "omitted", "parts": 3 }));
    }

    #[test]
    fn an_error_of_the_tool_is_an_error_in_its_words() {
        let error =
            read(json!({ "isError": true, "content": [{ "type": "text", "text": "no such\u{1b} file" }] }), &Mask::default()).unwrap_err();
        assert!(matches!(&error, Error::Tool { text } if text == "no such file"), "{error:?}");
        let error = read(json!({ "isError": true, "content": [] }), &Mask::default()).unwrap_err();
        assert_eq!(error.to_string(), "the tool failed and did not say why");
    }

    #[test]
    fn secrets_that_come_back_are_masked_everywhere() {
        let mask = Mask::default();
        mask.add("hunter2hunter2");
        let result = json!({ "content": [
            { "type": "text", "text": "hunter2hunter2" }, { "type": "resource_link", "uri": "x:hunter2hunter2" },
        ], "structuredContent": { "a": ["hunter2hunter2"] } });
        assert!(!read(result, &mask).unwrap().to_string().contains("hunter2"));
        let error = read(json!({ "isError": true, "content": [{ "type": "text", "text": "bad key hunter2hunter2" }] }), &mask).unwrap_err();
        assert_eq!(error.to_string(), "bad key [secret]");
    }

    #[test]
    fn what_is_no_result_is_malformed() {
        for result in [json!(null), json!([]), json!({}), json!({ "content": "text" })] {
            assert!(matches!(read(result.clone(), &Mask::default()), Err(Error::Malformed { .. })), "{result}");
        }
    }
}
