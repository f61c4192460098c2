//! Triggers, bots, skillsets and secrets as files.
//!
//! A file is read into a tree that knows where each node stands, and the tree into a [`document::Document`];
//! whatever is wrong is reported with its line, and as much at once as can be. Nothing here talks
//! to a server: [`crate::apply`] makes the broker's configuration match documents.
//!
//! In reading order:
//! - [`document`]: what files say;
//! - [`fault`]: what is wrong with them, and where;
//! - [`trigger`], `result`, `bot`, `skillset`, [`kept`]: one kind of resource each;
//! - `notes`: what all kinds can be given;
//! - [`source`]: where secrets are;
//! - `lent`: what a deployment lends its bots;
//! - `fields`: the fields of one mapping;
//! - `tree`: YAML with places;
//! - [`view`]: a resource as a file would say it;
//! - [`schema`]: what a file may say, for editors.

mod bot;
pub mod document;
pub mod fault;
mod fields;
pub mod kept;
mod lent;
mod notes;
mod result;
pub mod schema;
mod skillset;
pub mod source;
mod tree;
pub mod trigger;
pub mod view;
