//! Triggers, bots and skillsets as files.
//!
//! A file is read into a tree that knows where each node stands, and the tree into a [`document::Document`];
//! whatever is wrong is reported with its line, and as much at once as can be. Nothing here talks
//! to a server: [`crate::apply`] makes the broker's configuration match a document.
//!
//! In reading order:
//! - [`document`]: what a file says;
//! - [`fault`]: what is wrong with it, and where;
//! - `skillset`, `lent`: abilities, and what a deployment lends its bots;
//! - `fields`: the fields of one mapping;
//! - `tree`: YAML with places.

pub mod document;
pub mod fault;
mod fields;
mod lent;
mod skillset;
mod tree;
