//! The bounds of the language. Each is checked where it is named, and its fault says it.

/// Largest instruction, in bytes.
pub const INSTRUCTION_BYTES_MAX: usize = 64 * 1024;
/// How many placeholders an instruction may have.
pub const PLACEHOLDERS_MAX: usize = 256;
/// Longest placeholder with its brackets, in bytes.
pub const PLACEHOLDER_BYTES_MAX: usize = 2 * 1024;
/// How many fields an instruction may ask for, those within others included.
pub const FIELDS_MAX: usize = 64;
/// Longest name of a field, in bytes: what providers of models take.
pub const NAME_BYTES_MAX: usize = 64;
/// How many values an enum may have.
pub const CHOICES_MAX: usize = 128;
/// Longest pattern of `sanitize`, in bytes.
pub const PATTERN_BYTES_MAX: usize = 512;
/// Largest compiled pattern of `sanitize`, in bytes.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 256 * 1024;
/// How many levels deep a YAML body may be.
pub const DEPTH_MAX: usize = 24;
/// How many nodes a YAML body may have.
pub const NODES_MAX: usize = 4096;
/// How many headers a request may have.
pub const HEADERS_MAX: usize = 64;
/// How many faults of one instruction are told.
pub const FAULTS_MAX: usize = 32;
/// How many problems of one call are told to the model.
pub const PROBLEMS_MAX: usize = 16;
/// Largest arguments of a call, in bytes of JSON.
pub const ARGUMENTS_BYTES_MAX: usize = 256 * 1024;
/// Most that values may put into one invocation, in bytes.
pub const FILLED_BYTES_MAX: usize = 1024 * 1024;
/// Longest name of an ability or a skillset, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// Longest description of an ability or a skillset, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// How many abilities a skillset may have, and how many functions a model is offered.
pub const FUNCTIONS_MAX: usize = 100;
/// Longest name of a function, in characters.
pub const FUNCTION_NAME_CHARS_MAX: usize = 64;
/// How many entries a list of an ability's definition may have.
pub const ENTRIES_MAX: usize = 64;
/// How many tools an `mcp` block may name.
pub const TOOLS_MAX: usize = 128;
/// How many answers an `await` block may offer.
pub const ANSWERS_MAX: usize = 32;
