//! `cuepoint schema`: the JSON Schema of configuration files.

use super::Error;
use crate::config::schema;
use crate::output;

/// Prints the schema.
pub fn run() -> Result<(), Error> {
    let text = serde_json::to_string_pretty(&schema::document()).map_err(|error| Error::Export(error.to_string()))?;
    Ok(output::line(text)?)
}
