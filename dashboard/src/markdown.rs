//! Markdown that somebody wrote, as markup that can do nothing.

use std::collections::HashSet;
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Longer texts are shown as they are, in bytes: nobody reads them formatted.
const BYTES_MAX: usize = 64 * 1024;

/// What may come of Markdown. Pictures may not: the address of one tells its host who reads.
static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let tags = [
        "a",
        "b",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    let mut cleaner = Builder::default();
    cleaner
        .tags(HashSet::from(tags))
        .tag_attributes(std::iter::once(("a", HashSet::from(["href"]))).collect())
        .generic_attributes(HashSet::new())
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"));
    cleaner
});

/// A text with its Markdown as markup. HTML in it stays text.
pub(crate) fn show(text: &str) -> Markup {
    if text.len() > BYTES_MAX {
        return html! { pre.plain { (text) } };
    }
    let events = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::SoftBreak => Event::HardBreak,
        // The page has its own first two.
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            Event::Start(Tag::Heading { level: level.max(pulldown_cmark::HeadingLevel::H3), id, classes, attrs })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(level.max(pulldown_cmark::HeadingLevel::H3))),
        event => event,
    });
    let mut markup = String::with_capacity(text.len() + text.len() / 2);
    pulldown_cmark::html::push_html(&mut markup, events);
    html! { div.prose { (PreEscaped(CLEANER.clean(&markup).to_string())) } }
}

#[cfg(test)]
mod tests {
    use super::show;

    fn check(text: &str, expected: &str) {
        assert_eq!(show(text).into_string().replace('\n', ""), format!("<div class=\"prose\">{expected}</div>"), "{text}");
    }

    #[test]
    fn markdown_is_formatted() {
        check("**a** `b`", "<p><strong>a</strong> <code>b</code></p>");
        check("# a", "<h3>a</h3>");
        check("a\nb", "<p>a<br>b</p>");
        check("[a](https://b.example/)", "<p><a href=\"https://b.example/\" rel=\"noopener noreferrer nofollow\">a</a></p>");
    }

    #[test]
    fn nothing_that_was_said_becomes_markup_of_its_own() {
        check("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>");
        check("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>");
        check("[a](javascript:alert(1))", "<p><a rel=\"noopener noreferrer nofollow\">a</a></p>");
        check("[a](/ui/logout)", "<p><a rel=\"noopener noreferrer nofollow\">a</a></p>");
        check("![a](https://b.example/c.png)", "<p></p>");
    }
}
