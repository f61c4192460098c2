//! Markdown as the HTML of a mail.
//!
//! HTML in the Markdown is text here, links lead to the web or to a mail address only, and images
//! become links: nothing in a mail loads anything or runs.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// What a link may begin with.
const SCHEMES: [&str; 3] = ["http://", "https://", "mailto:"];

/// A Markdown text as HTML.
pub(super) fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut written = String::from("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n");
    html::push_html(&mut written, Parser::new_ext(markdown, options).map(tame));
    written.push_str("</body></html>\n");
    written
}

fn tame(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = if link_type == LinkType::Email { dest_url } else { safe(dest_url) };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        Event::Start(Tag::Image { dest_url, title, id, .. }) => {
            Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url: safe(dest_url), title, id })
        }
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        other => other,
    }
}

fn safe(url: CowStr<'_>) -> CowStr<'_> {
    let is_safe = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if SCHEMES.iter().any(|scheme| is_safe(scheme)) { url } else { "#".into() }
}

#[cfg(test)]
mod tests {
    use super::html;

    fn check(markdown: &str, expected: &str) {
        let html = html(markdown);
        let body = html.split_once("<body>\n").unwrap().1.strip_suffix("</body></html>\n").unwrap();
        assert_eq!(body.trim(), expected, "{markdown}");
    }

    #[test]
    fn markdown_becomes_html() {
        check("# A\n\n*b* **c** `d`", "<h1>A</h1>\n<p><em>b</em> <strong>c</strong> <code>d</code></p>");
        check("[a](https://h/?a=1&b=2 \"t\")", "<p><a href=\"https://h/?a=1&amp;b=2\" title=\"t\">a</a></p>");
        check("<a@b.example>", "<p><a href=\"mailto:a@b.example\">a@b.example</a></p>");
        check("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>");
    }

    #[test]
    fn nothing_in_it_loads_or_runs() {
        check("a <script>x</script>", "<p>a &lt;script&gt;x&lt;/script&gt;</p>");
        check("<img src=x onerror=y>", "<p>&lt;img src=x onerror=y&gt;</p>");
        check("![a](https://h/pixel)", "<p><a href=\"https://h/pixel\">a</a></p>");
        for url in ["javascript:x", "JaVaScRiPt:x", "data:text/html,x", "//h/x", "/x", "vbscript:x", "&#106;avascript:x"] {
            check(&format!("[a]({url})"), "<p><a href=\"#\">a</a></p>");
        }
        check("[a](https://h/\"onclick=x)", "<p><a href=\"https://h/%22onclick=x\">a</a></p>");
    }
}
