//! Placeholders: what stands in brackets for a value.
//!
//! They are read before anything else, so that what is in them (blanks, colons, slashes, quotes)
//! never meets the parsers of HTTP and YAML. What is no placeholder stays text: `$[0]` and `$[*]`
//! of a JSON path, `[[1, 2]]`, `$(5)`. What looks like one and is wrong is a fault, unless its
//! brackets are doubled, which occur in text.

use std::ops::Range;

use crate::fault::Fault;
use crate::operation::Step;

mod cursor;
mod read;
pub(crate) use read::scan;

/// The prefixes of names that are never filled by a model.
pub(crate) const RESERVED: [&str; 11] =
    ["SECRET_", "FILE_", "BOT_", "SPACE_", "TASK_", "USER_", "CONVERSATION_", "CONTACT_", "NAMESPACE_", "EXTERNAL_", "EARTH_"];

/// Which brackets are placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// All of them: a fenced block.
    Block,
    /// Only those with a dollar sign, and of references: the structured form, where lists and maps have brackets.
    Structured,
}

/// A placeholder in its place.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Where it stands, brackets included, in bytes of the instruction.
    pub(crate) span: Range<usize>,
    /// What it says, or what is wrong with it.
    pub(crate) read: Result<Placeholder, Vec<Fault>>,
}

/// What a placeholder stands for.
#[derive(Debug, Clone)]
pub(crate) enum Placeholder {
    /// A value of the model.
    Field(Box<Mention>),
    /// A value of whoever acts.
    Reference(Reference),
}

/// A reference with the operands it was given.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// Its name, such as `SECRET_DEFAULT`.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) span: Range<usize>,
    /// What is done to it.
    pub(crate) steps: Vec<Step>,
}

/// One mention of a field; what several say of one field is put together later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mention {
    /// The field.
    pub(crate) name: String,
    /// Where the mention stands.
    pub(crate) span: Range<usize>,
    /// Whether it says that the field must be given.
    pub(crate) is_required: bool,
    /// Whether it hides the field from the model.
    pub(crate) is_local: bool,
    /// The type it says.
    pub(crate) kind: Option<Spanned<Kind>>,
    /// The values it allows.
    pub(crate) choices: Option<Spanned<String>>,
    /// The value it gives where none comes.
    pub(crate) default: Option<Spanned<String>>,
    /// The least value, or the fewest characters.
    pub(crate) min: Option<Spanned<String>>,
    /// The largest value, or the most characters.
    pub(crate) max: Option<Spanned<String>>,
    /// What is done to the value here.
    pub(crate) steps: Vec<Step>,
    /// What the model is told of it.
    pub(crate) description: Option<String>,
}

/// A type that an operand says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `str`.
    Text,
    /// `num`.
    Number,
    /// `bool`.
    Boolean,
}

/// A value and where it stands.
pub(crate) type Spanned<T> = (T, Range<usize>);

/// Whether a name is one of a reference, as it must be written.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
}

/// Whether `ChatBotKit` takes a name for a reference: any prefix, anywhere, in any case.
fn is_reserved_there(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    RESERVED.iter().any(|prefix| name.contains(prefix))
}

/// Whether a field may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_rest) && name.len() <= crate::limit::NAME_BYTES_MAX
}

/// Whether a name is kept from the model.
pub(crate) fn is_private(name: &str) -> bool {
    name.starts_with(['_', '#', '@', '$'])
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '#' | '@' | '$')
}

fn is_name_rest(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests;
