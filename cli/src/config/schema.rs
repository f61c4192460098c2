//! What a file may say, as a JSON Schema for editors.
