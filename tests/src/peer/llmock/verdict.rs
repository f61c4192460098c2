//! What llmock thinks of its client.

use std::fmt;

use serde::Deserialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The client is wrong.
    Error,
    /// The client could do better.
    Warning,
}

/// Something that the client did wrong.
#[derive(Debug, Clone, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Its name, such as `retry_after_ignored`.
    pub code: String,
    /// What happened.
    pub title: String,
    /// What to do about it.
    pub advice: String,
    /// The method and the path.
    pub path: String,
}

/// A judgement on all requests so far.
#[derive(Debug, Clone, Deserialize)]
pub struct Verdict {
    /// How many calls there were; the attempts at one have the same body.
    pub calls: usize,
    /// How many requests there were.
    pub attempts: usize,
    /// How many of them were failed on purpose.
    pub faults_injected: usize,
    /// What the client did wrong.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// The names of what the client did wrong.
    pub fn codes(&self) -> Vec<&str> {
        self.findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    /// Fails the test where the client did anything wrong, or nothing was done to it.
    pub fn assert_resilient(&self) {
        assert!(self.faults_injected > 0, "llmock did nothing to its client, so its verdict says nothing: {self}");
        assert!(self.findings.is_empty(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, {} attempts, {} of them failed on purpose", self.calls, self.attempts, self.faults_injected)?;
        for Finding { severity, code, title, advice, path } in &self.findings {
            write!(f, "\n{severity:?} {code} at {path}: {title} {advice}")?;
        }
        Ok(())
    }
}
