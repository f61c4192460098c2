//! `await` blocks: somebody outside is asked, and the turn waits.

use std::time::Duration;

use crate::invocation::{Action, Body, Invocation, Text};
use crate::limit::ANSWERS_MAX;
use crate::reading::{Error, Fields, invalid, missing};

/// Longest wait for an answer, in milliseconds: 30 days.
pub const TIMEOUT_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;
/// What a block says.
pub(crate) const KEYS: [&str; 3] = ["question", "timeout", "choices"];

/// A question to somebody outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub text: Text,
    /// How long the answer may take; the action's default where it does not say.
    pub timeout: Option<Duration>,
    /// The answers that are taken; any where it does not say.
    pub choices: Option<Vec<String>>,
}

impl Question {
    /// Reads what an `await` block was filled in to.
    pub fn read(invocation: &Invocation) -> Result<Self, Error> {
        if invocation.action != Action::Await {
            return Err(Error::Form("await"));
        }
        let fields = Fields::new(invocation);
        let text = match &invocation.body {
            Body::Text(text) => Some(text.clone()),
            Body::Tree(_) => fields.text("question")?,
            Body::Http(_) => return Err(Error::Form("await")),
        };
        let is_blank = |text: &Text| text.words().is_some_and(|words| words.trim().is_empty());
        let text = text.filter(|text| !is_blank(text)).ok_or_else(|| missing("question"))?;
        let timeout = fields.duration("timeout", Duration::from_millis(TIMEOUT_MS_MAX))?;
        let choices = fields.list("choices", ANSWERS_MAX)?;
        let is_twice =
            |choices: &[String]| choices.iter().enumerate().any(|(index, choice)| choices.iter().take(index).any(|other| other == choice));
        if choices.as_deref().is_some_and(is_twice) {
            return Err(invalid("choices", "has an answer twice"));
        }
        Ok(Self { text, timeout, choices })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::Question;
    use crate::instruction::tests::fill;

    fn read(text: &str) -> Result<Question, String> {
        Question::read(&fill(text, json!({ "v": "7", "list": ["a", "b"], "e": " " }))).map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_are_read() {
        let expected =
            Question { text: "Take 7?".into(), timeout: Some(Duration::from_mins(5)), choices: Some(vec!["a".to_owned(), "b".to_owned()]) };
        assert_eq!(read("```await/timeout=300000/choices=a, b\nTake $[v]?\n```"), Ok(expected.clone()));
        assert_eq!(read("```await\nquestion: Take $[v]?\ntimeout: 5m\nchoices: [a, b]\n```"), Ok(expected.clone()));
        assert_eq!(
            read("!await {question: !concat [Take , !string {name: v}, '?'], timeout: 5m, choices: !array {name: list, items: {}}}")
                .map(|question| question.choices),
            Ok(expected.choices)
        );
        assert_eq!(read("```await\nGo on?\n```"), Ok(Question { text: "Go on?".into(), timeout: None, choices: None }));
    }

    #[test]
    fn an_error_names_its_field() {
        for (text, expected) in [
            ("```await\n$[e]\n```", "question is missing"),
            ("```await/timeout=$[v]00d\nGo?\n```", "timeout must be at most 30d, not 700d"),
            ("```await/choices=$[v],$[v]\nGo?\n```", "choices has an answer twice"),
            ("```await/choices=$[e]\nGo?\n```", "choices must be 1 to 32 words that are not empty"),
        ] {
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
