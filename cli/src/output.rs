//! What commands print: lines on standard output, and errors with their causes.
//!
//! A closed pipe (`cuepoint tail | head`) ends a command; it is no fault and no panic.

use std::error::Error as StdError;
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write as _};

/// Why a line could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reader has gone.
    #[error("standard output was closed")]
    Closed,
    /// The operating system refused.
    #[error("cannot write to standard output")]
    Write(#[source] io::Error),
}

/// Prints a line, at once.
pub fn line(text: impl Display) -> Result<(), Error> {
    piece(format_args!("{text}\n"))
}

/// Prints what may be a part of a line, at once.
pub fn piece(text: impl Display) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Error::Closed,
        _ => Error::Write(error),
    })
}

/// Prints a line on standard error; where even that is closed, nobody is there to be told.
pub fn complain(text: impl Display) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// An error with its causes: `a: b: c`.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a dyn StdError);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            let cause = error.to_string();
            // Some libraries say their cause themselves.
            if !text.contains(&cause) {
                write!(text, ": {cause}")?;
            }
            source = error.source();
        }
        f.write_str(&text)
    }
}

/// Text on one line: line breaks and control characters are written out.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

/// A time as people read it, in UTC.
pub fn time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Chain, one_line, time};

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open")]
    struct Open(#[source] io::Error);

    #[test]
    fn causes_stand_behind_their_effects() {
        assert_eq!(Chain(&Open(io::Error::other("no disk"))).to_string(), "cannot open: no disk");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(one_line("a\nb\u{1b}[31mc äö"), "a\\nb\\u{1b}[31mc äö");
        assert_eq!(time(1_790_000_000_123), "2026-09-21 14:13:20.123Z");
    }
}
