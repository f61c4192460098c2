//! A page: its text, its Markdown, and parts of it by CSS.
//!
//! Pages are hostile: a few thousand tags that nest, or formatting that is never closed, can cost a
//! parser gigabytes. So a page is fed in small pieces, and given up once it has too many nodes or
//! nests too deep; everything after that runs over a tree that is bounded.

use dom_query::{Document, Matcher, NodeRef};
use html5ever::tendril::{StrTendril, TendrilSink as _};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, parse_document};

/// How many nodes a page may have.
const NODES_MAX: usize = 50_000;
/// How deep a page may nest; what walks over it recurses.
const DEPTH_MAX: usize = 200;
/// How many bytes are read between two looks at how many nodes became of them.
const PIECE_BYTES: usize = 512;
/// How many nodes may come between two looks at how deep they nest, which go through all of them.
const LOOK_NODES: usize = 1000;
/// How many times a selector may ask for any sibling before (`~`): each looks through all of them.
const SIBLINGS_MAX: usize = 1;
/// What a reader does not see.
const UNSEEN: &str = "script, style, template, noscript, head, iframe, object, svg, canvas";

/// A page that is neither too large nor too deep.
pub(super) struct Page(Document);

impl Page {
    /// Reads a page.
    pub(super) fn parse(html: &str) -> Result<Self, String> {
        let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
        let mut parser = parse_document(Document::default(), ParseOpts { tree_builder, ..ParseOpts::default() });
        let (mut rest, mut seen) = (html, 0);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
            parser.process(StrTendril::from(piece));
            rest = after;
            let document = &parser.tokenizer.sink.sink;
            if document.tree.len() > seen + LOOK_NODES {
                check(document)?;
                seen = document.tree.len();
            }
        }
        let document = parser.finish();
        check(&document)?;
        let unseen = Matcher::new(UNSEEN).map_err(|_| "cuepoint's own selector is wrong".to_owned())?;
        document.select_matcher(&unseen).remove();
        Ok(Self(document))
    }

    /// What a reader sees.
    pub(super) fn body(&self) -> NodeRef<'_> {
        self.0.body().unwrap_or_else(|| self.0.root())
    }

    /// The elements that selectors match, in their order.
    pub(super) fn select(&self, selectors: &str) -> Result<Vec<NodeRef<'_>>, String> {
        if selectors.matches('~').count() > SIBLINGS_MAX {
            return Err(format!("selectors have more than {SIBLINGS_MAX} ~"));
        }
        let matcher = Matcher::new(selectors).map_err(|_| format!("selectors {selectors:?} are no CSS"))?;
        Ok(self.0.select_matcher(&matcher).nodes().to_vec())
    }

    /// The text of a part.
    pub(super) fn text(node: &NodeRef<'_>) -> String {
        node.formatted_text().trim().to_owned()
    }

    /// A part as Markdown.
    pub(super) fn markdown(node: &NodeRef<'_>) -> String {
        node.md(None).trim().to_owned()
    }
}

fn check(document: &Document) -> Result<(), String> {
    if document.tree.len() > NODES_MAX {
        return Err(format!("the page has over {NODES_MAX} nodes: ask for a smaller one"));
    }
    let mut level = vec![(document.root(), 0)];
    while let Some((node, depth)) = level.pop() {
        if depth > DEPTH_MAX {
            return Err(format!("the page nests over {DEPTH_MAX} deep"));
        }
        level.extend(node.children_it(false).map(|child| (child, depth + 1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
