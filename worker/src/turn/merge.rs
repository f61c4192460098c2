//! Events that become one turn together: pure.

use proto::header;
use proto::wire::Input;
use serde_json::Value;

/// What stands between the texts of two events.
const BETWEEN: &str = "\n\n";

/// The input of a turn that takes several events in, oldest first: texts one after the other, payloads as a list.
///
/// Session and contact are the last event's. One event alone stays as it is.
pub fn combine(mut inputs: Vec<Input>) -> Option<Input> {
    let last = inputs.pop()?;
    if inputs.is_empty() {
        return Some(last);
    }
    inputs.push(last.clone());
    let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_str()).filter(|text| !text.is_empty()).collect();
    let payloads: Vec<Value> = inputs.iter().filter(|input| !input.payload.is_empty()).map(payload).collect();
    let (payload, content_type) = if payloads.is_empty() {
        (bytes::Bytes::new(), String::new())
    } else {
        (Value::from(payloads).to_string().into(), header::JSON.to_owned())
    };
    Some(Input { text: texts.join(BETWEEN), payload, content_type, ..last })
}

fn payload(input: &Input) -> Value {
    serde_json::from_slice(&input.payload).unwrap_or_else(|_| String::from_utf8_lossy(&input.payload).into())
}

#[cfg(test)]
mod tests {
    use proto::wire::Input;

    use super::combine;

    fn input(text: &str, payload: &'static str) -> Input {
        Input { text: text.into(), payload: payload.into(), content_type: "text/plain".into(), ..Input::default() }
    }

    #[test]
    fn several_events_become_one_input() {
        let one = combine(vec![input("a", "1"), input("", "x"), input("c", "")]).unwrap();
        assert_eq!((one.text.as_str(), one.payload.as_ref()), ("a\n\nc", b"[1,\"x\"]".as_slice()));
        assert_eq!(one.content_type, "application/json");
        assert_eq!(combine(vec![input("a", "x")]), Some(input("a", "x")));
        assert_eq!(combine(vec![]), None);
    }
}
