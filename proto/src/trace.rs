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

    /// The id of the span: 16 hex digits.
    pub fn span_id(&self) -> &str {
        self.0.get(36..52).unwrap_or_default()
    }

    /// Whether its caller records it.
    pub fn is_sampled(&self) -> bool {
        self.0.get(53..).and_then(|flags| u8::from_str_radix(flags, 16).ok()).is_some_and(|flags| flags & 1 == 1)
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
        assert_eq!((trace.span_id(), trace.is_sampled()), ("0000000000000001", false));
    }

    #[test]
    fn the_last_bit_says_whether_it_is_recorded() {
        for (flags, expected) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
            let trace = Traceparent::parse(&format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}")).unwrap();
            assert_eq!((trace.is_sampled(), trace.span_id()), (expected, "b7ad6b7169203331"), "{flags}");
        }
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
