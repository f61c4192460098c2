//! Where references may stand, and what may be done to them.
//!
//! Whoever acts fills them in; see [`crate::invocation::Text::put`] for how each is encoded. A
//! secret goes into headers only, and only towards an origin that the instruction chooses: a model
//! that is talked into another address must not carry a key there.

use crate::fault::{Fault, Report};
use crate::operation::Operation;
use crate::placeholder::Reference;
use crate::template::{Content, Node, Phrase};

/// How a reference is encoded by whoever fills it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// As it is.
    Plain,
    /// As a part of a URL.
    Url,
    /// In the value of a header: as it is, and secrets may stand there.
    Header,
}

/// Faults for references that may not stand in a text.
pub(crate) fn check(phrase: &Phrase, room: Room, report: &mut Report<'_>) {
    for reference in phrase.references() {
        check_one(reference, room, report);
    }
}

/// The same for every text of a tree.
pub(crate) fn check_tree(node: &mut Node, room: Room, report: &mut Report<'_>) {
    node.each_leaf(&mut |leaf, _| {
        if let Content::Phrase(phrase) = leaf {
            check(phrase, room, report);
        }
    });
}

/// Whether a reference is one to a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    name.starts_with("SECRET_")
}

/// Faults for secrets that would go where a value says.
pub(crate) fn keep_home(phrase: &Phrase, report: &mut Report<'_>) {
    for reference in phrase.references().filter(|reference| is_secret(&reference.name)) {
        let fault = Fault::new(reference.span.clone(), "a secret would go to an address that a value chooses");
        report
            .add(fault.help(
                "write the host of the URL; at most a name below a domain may be a placeholder, as in `https://$[team].example.com`",
            ));
    }
}

fn check_one(reference: &Reference, room: Room, report: &mut Report<'_>) {
    if is_secret(&reference.name) && room != Room::Header {
        let fault = Fault::new(reference.span.clone(), "a secret may only stand in a header of a fetch or mcp block");
        report.add(fault.help("URLs and bodies end up in logs and in the conversation; write `Authorization: ${SECRET_DEFAULT}`, or the header that the API takes"));
    }
    let is_done = |operation: &Operation| room == Room::Url && matches!(operation, Operation::Percent);
    if reference.steps.iter().any(|step| !is_done(&step.operation)) {
        let fault = Fault::new(reference.span.clone(), "this operand is not taken by a reference here");
        report.add(fault.help("a reference is encoded for its place by itself: as a part of a URL, as JSON in JSON, as it is elsewhere"));
    }
}
