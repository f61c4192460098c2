//! Which model a bot wants, and which ones stand in for it.
//!
//! A model string is `provider/model/key=value/...`, as ChatBotKit writes it but for the provider in
//! front. Without a provider that is known, the whole name goes to the first one configured; a name may
//! itself have slashes.

use genai::chat::ReasoningEffort;

use crate::limit::{CHOICE_BYTES_MAX, FALLBACKS_MAX, TOKENS_MAX};

/// The parameters that a model string may have.
const PARAMETERS: &str = "temperature, maxTokens, topP, reasoningEffort and seed";
/// The largest seed that every provider takes.
const SEED_MAX: u64 = 0x7fff_ffff;

/// The models that a bot may be answered by, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice(Vec<Wanted>);

/// One model, and how it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The field that asks for it, for errors: `model`, or `fallbacks[0]` and so on.
    pub field: String,
    /// The model's name, with or without its provider in front.
    pub name: String,
    /// How it is asked.
    pub parameters: Parameters,
}

/// How a model is asked. What is left out is the provider's own default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parameters {
    /// How freely it picks its words, 0 to 2.
    pub temperature: Option<f64>,
    /// How long the answer may be, in tokens.
    pub max_tokens: Option<u32>,
    /// From how much of the probability it picks its words, 0 to 1.
    pub top_p: Option<f64>,
    /// How hard it thinks.
    pub reasoning_effort: Option<Effort>,
    /// Repeats an answer where the provider can.
    pub seed: Option<u64>,
}

/// How hard a model thinks. What a provider does not know is brought to the nearest that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than that.
    XHigh,
    /// As much as it can.
    Max,
}

/// Why a model string cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("{field} is empty: name a model, such as openai/gpt-5.4")]
    Empty {
        /// The field.
        field: String,
    },
    /// It is too long.
    #[error("{field} has {bytes} bytes, at most {max} are taken")]
    TooLong {
        /// The field.
        field: String,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// The name has characters that no model's name has.
    #[error("{field} names {name:?}: a name is made of letters, digits and . _ - : @ +, with single slashes between its parts")]
    Name {
        /// The field.
        field: String,
        /// The name.
        name: String,
    },
    /// A parameter that nobody knows.
    #[error("{field} has the parameter {key:?}: known are {PARAMETERS}, each as key=value")]
    Parameter {
        /// The field.
        field: String,
        /// The parameter.
        key: String,
    },
    /// A parameter that cannot be this.
    #[error("{field} has {key}={value:?}: it must be {expected}")]
    Value {
        /// The field.
        field: String,
        /// The parameter.
        key: String,
        /// What it is.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// A parameter that stands twice.
    #[error("{field} has {key} twice: keep one of them")]
    Twice {
        /// The field.
        field: String,
        /// The parameter.
        key: String,
    },
    /// Too many fallbacks.
    #[error("fallbacks has {count} entries, at most {max} are asked")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// There is nobody to ask.
    #[error("{field} wants {name:?}, but no provider of models is configured: configure one")]
    NoProvider {
        /// The field.
        field: String,
        /// The name.
        name: String,
    },
    /// The name is a provider's and nothing more.
    #[error("{field} names the provider {provider:?} but no model: write {provider}/ and the name of one of its models")]
    NoModel {
        /// The field.
        field: String,
        /// The provider.
        provider: String,
    },
}

impl Choice {
    /// Reads a bot's model string and its fallbacks.
    pub fn parse<S: AsRef<str>>(model: &str, fallbacks: &[S]) -> Result<Self, Error> {
        if fallbacks.len() > FALLBACKS_MAX {
            return Err(Error::TooMany { count: fallbacks.len(), max: FALLBACKS_MAX });
        }
        let mut wanted = vec![Wanted::parse("model".to_owned(), model)?];
        for (place, fallback) in fallbacks.iter().enumerate() {
            wanted.push(Wanted::parse(format!("fallbacks[{place}]"), fallback.as_ref())?);
        }
        Ok(Self(wanted))
    }

    /// The models, in the order in which they are asked; at least one.
    pub fn wanted(&self) -> &[Wanted] {
        &self.0
    }
}

impl Wanted {
    fn parse(field: String, text: &str) -> Result<Self, Error> {
        if text.len() > CHOICE_BYTES_MAX {
            return Err(Error::TooLong { field, bytes: text.len(), max: CHOICE_BYTES_MAX });
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::Empty { field });
        }
        let mut parts = text.split('/').peekable();
        let mut name = Vec::new();
        while let Some(part) = parts.next_if(|part| !part.contains('=')) {
            name.push(part);
        }
        // A name ends up in URLs and is cut at `::` by genai: nothing in it may mean more than itself.
        let is_plain = |part: &&str| {
            !part.is_empty()
                && *part != "."
                && *part != ".."
                && !part.contains("::")
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-:@+".contains(c))
        };
        let whole = name.join("/");
        if name.is_empty() || !name.iter().all(is_plain) {
            return Err(Error::Name { field, name: whole });
        }
        let mut parameters = Parameters::default();
        for part in parts {
            parameters.set(&field, part)?;
        }
        Ok(Self { field, name: whole, parameters })
    }
}

impl Parameters {
    fn set(&mut self, field: &str, part: &str) -> Result<(), Error> {
        let unknown = |key: &str| Error::Parameter { field: field.to_owned(), key: key.to_owned() };
        let (key, value) = part.split_once('=').ok_or_else(|| unknown(part))?;
        let setting = Setting { field, key, value };
        match key {
            "temperature" => setting.put(&mut self.temperature, "a number from 0 to 2", |value| within(value, 2.0)),
            "topP" => setting.put(&mut self.top_p, "a number from 0 to 1", |value| within(value, 1.0)),
            "maxTokens" => setting.put(&mut self.max_tokens, &format!("a whole number from 1 to {TOKENS_MAX}"), |value| {
                value.parse().ok().filter(|tokens| (1..=TOKENS_MAX).contains(tokens))
            }),
            "seed" => setting.put(&mut self.seed, &format!("a whole number from 0 to {SEED_MAX}"), |value| {
                value.parse().ok().filter(|seed| *seed <= SEED_MAX)
            }),
            "reasoningEffort" => setting.put(&mut self.reasoning_effort, "none, minimal, low, medium, high, xhigh or max", Effort::parse),
            key => Err(unknown(key)),
        }
    }
}

impl Effort {
    fn parse(value: &str) -> Option<Self> {
        Some(match value {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::XHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    pub(crate) fn for_genai(self) -> ReasoningEffort {
        match self {
            Self::None => ReasoningEffort::Zero,
            Self::Minimal => ReasoningEffort::Minimal,
            Self::Low => ReasoningEffort::Low,
            Self::Medium => ReasoningEffort::Medium,
            Self::High => ReasoningEffort::High,
            Self::XHigh => ReasoningEffort::XHigh,
            Self::Max => ReasoningEffort::Max,
        }
    }
}

/// One `key=value` of a model string.
struct Setting<'a> {
    field: &'a str,
    key: &'a str,
    value: &'a str,
}

impl Setting<'_> {
    fn put<T>(&self, place: &mut Option<T>, expected: &str, read: impl Fn(&str) -> Option<T>) -> Result<(), Error> {
        let (field, key) = (self.field.to_owned(), self.key.to_owned());
        if place.is_some() {
            return Err(Error::Twice { field, key });
        }
        *place = read(self.value);
        if place.is_none() {
            return Err(Error::Value { field, key, value: self.value.to_owned(), expected: expected.to_owned() });
        }
        Ok(())
    }
}

fn within(value: &str, max: f64) -> Option<f64> {
    value.parse().ok().filter(|number| (0.0..=max).contains(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Choice, Effort, Parameters};

    #[test]
    fn names_and_parameters_are_told_apart() {
        let set = Parameters {
            temperature: Some(0.2),
            max_tokens: Some(500),
            top_p: Some(0.9),
            reasoning_effort: Some(Effort::High),
            seed: Some(7),
        };
        for (text, name, parameters) in [
            ("gpt-5.4", "gpt-5.4", Parameters::default()),
            (" openai/gpt-5.4 ", "openai/gpt-5.4", Parameters::default()),
            ("router/meta-llama/llama-3.1:free", "router/meta-llama/llama-3.1:free", Parameters::default()),
            ("m/temperature=0", "m", Parameters { temperature: Some(0.0), ..Parameters::default() }),
            ("a/m/temperature=0.2/maxTokens=500/topP=0.9/reasoningEffort=high/seed=7", "a/m", set),
        ] {
            let choice = Choice::parse::<&str>(text, &[]).unwrap();
            assert_eq!((choice.wanted()[0].name.as_str(), choice.wanted()[0].parameters), (name, parameters), "{text}");
        }
    }

    #[test]
    fn an_error_says_which_field_what_is_known_and_what_to_do() {
        let long = "m".repeat(300);
        for (text, expected) in [
            ("", "model is empty: name a model, such as openai/gpt-5.4"),
            ("a//m", "model names \"a//m\": a name is made of"),
            ("a/../m", "model names \"a/../m\""),
            ("a/m?key=1", "model has the parameter \"m?key\""),
            ("a/m?x", "model names \"a/m?x\""),
            ("openai::m", "model names \"openai::m\""),
            ("temperature=1", "model names \"\""),
            (
                "m/heat=1",
                "model has the parameter \"heat\": known are temperature, maxTokens, topP, reasoningEffort and seed, each as key=value",
            ),
            ("m/seed=1/stream", "model has the parameter \"stream\""),
            ("m/temperature=hot", "model has temperature=\"hot\": it must be a number from 0 to 2"),
            ("m/temperature=NaN", "model has temperature=\"NaN\""),
            ("m/temperature=2.1", "model has temperature=\"2.1\""),
            ("m/topP=-1", "model has topP=\"-1\": it must be a number from 0 to 1"),
            ("m/maxTokens=0", "model has maxTokens=\"0\": it must be a whole number from 1 to 1000000"),
            ("m/seed=4294967296", "model has seed=\"4294967296\": it must be a whole number from 0 to 2147483647"),
            ("m/reasoningEffort=10", "model has reasoningEffort=\"10\": it must be none, minimal"),
            ("m/seed=1/seed=1", "model has seed twice: keep one of them"),
            (long.as_str(), "model has 300 bytes, at most 256 are taken"),
        ] {
            let error = Choice::parse::<&str>(text, &[]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let error = Choice::parse("m", &["n", "o/seed=x"]).unwrap_err().to_string();
        assert!(error.starts_with("fallbacks[1] has seed=\"x\""), "{error}");
        let error = Choice::parse("m", &["n"; 5]).unwrap_err().to_string();
        assert_eq!(error, "fallbacks has 5 entries, at most 4 are asked");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            drop(Choice::parse::<&str>(&text, &[]));
        }
    }
}
