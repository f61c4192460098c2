//! Every operation of the API, once.
//!
//! A route stands in one table, with its name, who may call it, what it takes and what it answers.
//! The router, the OpenAPI document, the reference page and the tests of access are made from
//! that table, so that none of them can leave one out. A group of operations is one module with a
//! function `operations`, named in [`table`].
//!
//! In reading order:
//! - [`operation`]: what an entry of the table says;
//! - [`strict`]: JSON in which an object is an object;
//! - [`call`]: what a handler is given;
//! - [`dispatch`]: from a request to its handler;
//! - [`document`]: the OpenAPI document, made from the table;
//! - [`id`]: ids of what the API makes;
//! - [`given`]: fields that may be left out, cleared, or given;
//! - [`notes`]: what every resource can be given;
//! - [`mod@format`]: the forms of an answer;
//! - [`page`]: which items of a list are asked for;
//! - [`list`]: lists, in every form;
//! - [`kind`]: what all kinds of resources are done to;
//! - [`shared`]: what the operations of several groups say alike;
//! - [`indexed`]: what lists have in common that are read from the index;
//! - the groups.

pub(crate) mod operation;
mod strict;
pub(crate) mod call;
mod dispatch;
mod document;
pub(crate) mod id;
pub(crate) mod given;
pub(crate) mod notes;
pub(crate) mod format;
pub(crate) mod page;
pub(crate) mod list;
pub(crate) mod kind;
pub(crate) mod shared;
mod indexed;

// The groups, in the order of the reference.
mod event;
mod trigger;
mod trigger_event;
mod dead;
mod approval;
mod bot;
mod skillset;
mod ability;
mod secret;
pub(crate) mod contact;
mod contact_erase;
pub(crate) mod conversation;
mod delivery;
mod conversation_list;
mod event_log;
mod usage;
mod message;
mod channel;
mod platform;
mod token;
mod audit;
mod overview;
mod system;
mod health;
mod reference;

use operation::Operation;

pub(crate) use dispatch::route;

/// What every path but those of the process itself begins with: as ChatBotKit's hosted API has it, and as its clients ask of every other host.
pub(crate) const PREFIXES: [&str; 2] = ["/v1", "/api/v1"];

/// All operations, a line for each group.
pub(crate) fn table() -> Vec<Operation> {
    let groups = [
        event::operations(),
        trigger::operations(),
        trigger_event::operations(),
        delivery::operations(),
        dead::operations(),
        approval::operations(),
        bot::operations(),
        skillset::operations(),
        ability::operations(),
        secret::operations(),
        contact::operations(),
        contact_erase::operations(),
        conversation::operations(),
        conversation_list::operations(),
        message::operations(),
        channel::operations(),
        event_log::operations(),
        usage::operations(),
        platform::operations(),
        token::operations(),
        audit::operations(),
        overview::operations(),
        system::operations(),
        health::operations(),
        reference::operations(),
    ];
    groups.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::table;

    #[test]
    fn no_name_and_no_path_stands_twice() {
        let (mut ids, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for operation in table() {
            assert!(ids.insert(operation.id), "{} stands twice", operation.id);
            assert!(paths.insert(operation.path), "{} stands twice", operation.path);
            assert!(operation.path.starts_with('/') && !operation.path.ends_with('/'), "{}", operation.path);
        }
    }
}
