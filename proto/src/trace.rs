//! The W3C trace context that travels with an event (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

/// A `traceparent` value of version 00.
#[derive(Clone, PartialEq, Eq)]
pub struct Traceparent(String);

impl Traceparent {
    /// Takes a header value if it is a valid trace context; anything else starts a new trace.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |part: &str, len: usize| {
            part.len() == len
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && (len == 2 || part.bytes().any(|byte| byte != b'0'))
        };
        let mut parts = text.split('-');
        let valid = parts.next() == Some("00")
            && parts.next().is_some_and(|part| hex(part, 32))
            && parts.next().is_some_and(|part| hex(part, 16))
            && parts.next().is_some_and(|part| hex(part, 2))
            && parts.next().is_none();
        valid.then(|| Self(text.to_owned()))
    }

    /// Starts a trace of random bytes, not sampled.
    pub fn start(random: [u8; 24]) -> Self {
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        for (index, byte) in random.iter().enumerate() {
            if index == 16 {
                text.push('-');
            }
            // The lowest bit of each id is set, so that neither is all zero, which the standard forbids.
            let byte = if matches!(index, 15 | 23) { byte | 1 } else { *byte };
            #[expect(clippy::expect_used, reason = "a nibble is a digit of base 16")]
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(nibble.into(), 16).expect("a hex digit"));
            }
        }
        text.push_str("-00");
        Self(text)
    }

    /// The header value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace id: 32 hex digits.
    pub fn trace_id(&self) -> &str {
        self.0.get(3..35).unwrap_or_default()
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Traceparent;

    #[test]
    fn a_started_trace_is_valid() {
        let trace = Traceparent::start([0; 24]);
        assert_eq!(Traceparent::parse(trace.as_str()), Some(trace.clone()));
        assert_eq!(trace.trace_id(), "00000000000000000000000000000001");
    }

    #[test]
    fn malformed_contexts_are_refused() {
        for text in [
            "",
            "00",
            "00-0-0-0",
            "00-00000000000000000000000000000000-0000000000000001-00",
            "01-00000000000000000000000000000001-0000000000000001-00",
            "00-0000000000000000000000000000000A-0000000000000001-00",
            "00-00000000000000000000000000000001-0000000000000001-00-x",
        ] {
            assert_eq!(Traceparent::parse(text), None, "{text}");
        }
    }
}
