//! What a `fetch` block must be, and how values stand in it.

use std::ops::Range;

use crate::address::{self, Origin};
use crate::fault::{Fault, Report};
use crate::http;
use crate::json_text;
use crate::nearest::advice;
use crate::secrecy::{self, Room};
use crate::template::{Body, Content, Entry, Node, Phrase, Piece, Place};
use crate::verb::Parameter;
use crate::weave::Weaver;

/// The parameters of the first line, which are the keys of `options` too.
const OPTIONS: [&str; 13] = [
    "timeout",
    "format",
    "selectors",
    "jsonpath",
    "jmespath",
    "errorJsonpath",
    "errorJmespath",
    "error",
    "rerank",
    "text",
    "debug",
    "context",
    "auth",
];
/// The keys within which one that ends with `?` is optional.
pub(crate) const LOOSE: [&str; 3] = ["query", "headers", "body"];

/// Reads a raw request.
pub(crate) fn raw(weaver: &mut Weaver<'_, '_, '_>, parameters: &[Parameter]) -> Body {
    let mut request = http::read(weaver);
    let report = &mut *weaver.report;
    check_parameters(parameters, report);
    if let Some(fault) = http::settle_method(&mut request.http.method, &request.method) {
        report.add(fault);
    }
    if let (true, Some(_)) = (http::has_no_body(&request.http.method), &request.http.body) {
        report.add(Fault::new(request.body.clone(), "a GET or HEAD has no body").help("write another method, or leave the body out"));
    }
    let http = &mut request.http;
    http.method.slots_mut().for_each(|slot| slot.place = Place::Method);
    secrecy::check(&http.method, Room::Plain, report);
    let origin = address::assign(&mut http.url, &request.url, report);
    secrecy::check(&http.url, Room::Url, report);
    for ((_, value), place) in http.headers.iter_mut().zip(&request.names) {
        header(value, origin, place, report);
    }
    if let Some(body) = &mut http.body {
        let is_form = http.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-type") && is_form(value));
        if is_form {
            address::assign_form(body);
        } else {
            json_text::assign(body, &request.body, report);
        }
        secrecy::check(body, if is_form { Room::Url } else { Room::Plain }, report);
    }
    Body::Http(request.http)
}

/// `uri` is an old name of `url`.
pub(crate) fn rename(entries: &mut [Entry]) {
    if !entries.iter().any(|entry| entry.key == "url") {
        entries.iter_mut().filter(|entry| entry.key == "uri").for_each(|entry| "url".clone_into(&mut entry.key));
    }
}

/// Reads a request that is written as a tree.
pub(crate) fn tree(tree: &mut Node, parameters: &[Parameter], report: &mut Report<'_>) {
    check_parameters(parameters, report);
    let span = tree.span.clone();
    let Content::Map(entries) = &mut tree.content else { return };
    let Some(url) = entries.iter_mut().find(|entry| entry.key == "url") else {
        report.add(Fault::new(span, "the key `url` is missing").help("write `url: https://...`"));
        return;
    };
    let origin = text(&mut url.node, "url", report).map(|(phrase, span)| {
        let origin = address::assign(phrase, &span, report);
        secrecy::check(phrase, Room::Url, report);
        origin
    });
    let origin = origin.unwrap_or(Origin::Open);
    for entry in entries {
        match entry.key.as_str() {
            "method" => method(&mut entry.node, report),
            "path" => path(&mut entry.node, report),
            "headers" => headers(&mut entry.node, origin, report),
            "authorization" => entry.node.each_leaf(&mut |leaf, span| header_leaf(leaf, origin, span, report)),
            "options" => {
                if let Some(options) = entry.node.entries() {
                    let known: Vec<_> = OPTIONS.into_iter().chain(["transformNestedStrings", "_internal"]).collect();
                    crate::settle::check_keys(options, &known, report);
                }
                secrecy::check_tree(&mut entry.node, Room::Plain, report);
            }
            "url" => {}
            _ => {
                entry.node.each_leaf(&mut |leaf, span| {
                    if let Content::Phrase(phrase) = leaf {
                        json_text::assign(phrase, span, report);
                    }
                });
                secrecy::check_tree(&mut entry.node, Room::Plain, report);
            }
        }
        if LOOSE.contains(&entry.key.as_str()) {
            check_optional(&entry.node, report);
        }
    }
}

fn is_form(content_type: &Phrase) -> bool {
    content_type.words().is_some_and(|words| words.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
}

/// The values of headers: they end no line, and secrets go to a fixed origin.
pub(crate) fn headers(node: &mut Node, origin: Origin, report: &mut Report<'_>) {
    let Content::Map(entries) = &mut node.content else {
        if !matches!(&node.content, Content::Value(value) if value.is_null()) {
            report.add(Fault::new(node.span.clone(), "headers are a mapping").help("write `Name: value` below, or `{Name: value}`"));
        }
        return;
    };
    for entry in entries {
        if let Some(fault) = http::check_name(entry.key.strip_suffix('?').unwrap_or(&entry.key), &entry.span) {
            report.add(fault);
        }
        if matches!(entry.node.content, Content::List(_) | Content::Map(_)) {
            report.add(Fault::new(entry.node.span.clone(), format!("the header `{}` is one text", entry.key)));
        }
        entry.node.each_leaf(&mut |leaf, span| header_leaf(leaf, origin, span, report));
    }
}

fn header_leaf(leaf: &mut Content, origin: Origin, place: &Range<usize>, report: &mut Report<'_>) {
    match leaf {
        Content::Phrase(phrase) => header(phrase, origin, place, report),
        Content::Alone(slot) => slot.place = Place::Header,
        _ => {}
    }
}

fn header(value: &mut Phrase, origin: Origin, place: &Range<usize>, report: &mut Report<'_>) {
    let is_broken = |piece: &Piece| matches!(piece, Piece::Literal(words) if words.contains(|c: char| c.is_control() && c != '\t'));
    if value.0.iter().any(is_broken) {
        let fault = Fault::new(place.clone(), "the value of a header is one line, without control characters");
        report.add(fault.help("what YAML reads behind `|` or `>` ends in a new line; `|-` and `>-` do not"));
    }
    value.slots_mut().for_each(|slot| slot.place = Place::Header);
    secrecy::check(value, Room::Header, report);
    if origin == Origin::Open {
        secrecy::keep_home(value, report);
    }
}

/// A leaf that must be text: a lone value is one too.
pub(crate) fn text<'a>(node: &'a mut Node, name: &str, report: &mut Report<'_>) -> Option<(&'a mut Phrase, Range<usize>)> {
    if let Content::Alone(slot) = &node.content {
        node.content = Content::Phrase(Phrase(vec![Piece::Slot(slot.clone())]));
    }
    if let Content::Phrase(phrase) = &mut node.content {
        return Some((phrase, node.span.clone()));
    }
    report.add(Fault::new(node.span.clone(), format!("`{name}` is text")));
    None
}

fn method(node: &mut Node, report: &mut Report<'_>) {
    if let Some((phrase, span)) = text(node, "method", report) {
        phrase.slots_mut().for_each(|slot| slot.place = Place::Method);
        secrecy::check(phrase, Room::Plain, report);
        if let Some(fault) = http::settle_method(phrase, &span) {
            report.add(fault);
        }
    }
}

/// A text, or a list of texts that are put together.
fn path(node: &mut Node, report: &mut Report<'_>) {
    if let Content::List(items) = &mut node.content {
        for item in items {
            path_text(item, report);
        }
    } else {
        path_text(node, report);
    }
}

fn path_text(node: &mut Node, report: &mut Report<'_>) {
    if matches!(&node.content, Content::Value(value) if value.is_number()) {
        return;
    }
    if let Some((phrase, _)) = text(node, "path", report) {
        phrase.slots_mut().for_each(|slot| slot.place = Place::Path);
        secrecy::check(phrase, Room::Url, report);
    }
}

/// Keys that end with `?` must not stand beside the same without it.
fn check_optional(node: &Node, report: &mut Report<'_>) {
    match &node.content {
        Content::Map(entries) => {
            for entry in entries {
                let bare = entry.key.strip_suffix('?');
                if entries.iter().any(|other| Some(other.key.as_str()) == bare) {
                    report.add(Fault::new(entry.span.clone(), format!("the key `{}` stands here without `?` too", entry.key)));
                }
                check_optional(&entry.node, report);
            }
        }
        Content::List(items) => items.iter().for_each(|item| check_optional(item, report)),
        _ => {}
    }
}

fn check_parameters(parameters: &[Parameter], report: &mut Report<'_>) {
    for parameter in parameters {
        let span = parameter.node.span.clone();
        if !OPTIONS.contains(&parameter.name.as_str()) {
            report.add(Fault::new(span, format!("`fetch` has no parameter `{}`", parameter.name)).help(advice(&parameter.name, &OPTIONS)));
        }
    }
}
