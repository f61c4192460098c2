//! Pages, friendly and hostile.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Page, UNSEEN};

/// How long the worst of the pages below may take, on a slow machine and unoptimised.
const PATIENCE: Duration = Duration::from_secs(30);
const PAGE: &str = "<!DOCTYPE html><html><head><title>T</title><style>p{}</style></head><body>
    <script>evil()</script><nav class=menu>Menu</nav>
    <main><h1>Hello &amp; <em>you</em></h1><p>A <a href=\"/x\">link</a>, <b>bold</b>.</p>
    <ul><li>one</li><li>two</li></ul><table><tr><th>a</th></tr><tr><td>1</td></tr></table></main></body></html>";

#[test]
fn a_page_has_text_and_markdown() {
    let page = Page::parse(PAGE).unwrap();
    assert_eq!(Page::text(&page.body()), "Menu \nHello & you\n\nA link, bold.\n\none\ntwo\n\n\na\n1");
    let markdown = Page::markdown(&page.body());
    for part in ["# Hello & *you*", "A [link](/x), **bold**.", "- one\n- two", "| a |\n| - |\n| 1 |"] {
        assert!(markdown.contains(part), "{part:?} in {markdown:?}");
    }
    assert!(!markdown.contains("evil") && !markdown.contains("p{}"), "{markdown}");
    assert_eq!(Page::text(&Page::parse("plain <b>words").unwrap().body()), "plain words");
    assert_eq!(Page::text(&Page::parse("").unwrap().body()), "");
}

#[test]
fn selectors_find_parts() {
    let page = Page::parse(PAGE).unwrap();
    for (selectors, expected) in [
        ("li", Ok(vec!["one", "two"])),
        (".menu, main > p", Ok(vec!["Menu", "A link, bold."])),
        ("li:nth-child(2)", Ok(vec!["two"])),
        ("main:has(table) h1", Ok(vec!["Hello & you"])),
        ("script", Ok(vec![])),
        ("article", Ok(vec![])),
        ("li[", Err("selectors \"li[\" are no CSS")),
        ("", Err("selectors \"\" are no CSS")),
        ("a ~ b ~ c", Err("selectors have more than 1 ~")),
    ] {
        let found = page.select(selectors).map(|nodes| nodes.iter().map(Page::text).collect::<Vec<_>>());
        assert_eq!(found, expected.map(|texts| texts.into_iter().map(str::to_owned).collect()).map_err(str::to_owned), "{selectors}");
    }
    dom_query::Matcher::new(UNSEEN).unwrap();
}

/// Reads a page in every way.
fn read(html: &str) -> Result<(), String> {
    let page = Page::parse(html)?;
    let body = page.body();
    drop((Page::text(&body), Page::markdown(&body)));
    for selectors in ["a b", "p ~ b", ":has(x)", "p:nth-last-child(2n+1):not(:first-child)", "a *:not(b *)"] {
        page.select(selectors)?;
    }
    Ok(())
}

/// Pages that cost a careless reader gigabytes, minutes or its stack.
fn hostile() -> Vec<String> {
    let fill = |piece: &str| piece.repeat(500_000 / piece.len());
    let nest = |tags: &[&str], depth: usize| {
        let tags: Vec<&str> = tags.iter().copied().cycle().take(depth).collect();
        let closing: Vec<&str> = tags.iter().rev().copied().collect();
        format!("<{}>x</{}>", tags.join("><"), closing.join("></"))
    };
    let fonts = (0..150).map(|n| format!("<font a={n}>")).collect::<Vec<_>>().concat();
    let mut pages = vec![
        fill("<div>"),
        fill("<b>"),
        fill("<p>"),
        fill("<p>x"),
        fill("<a><p>"),
        fill("<table><tr><td>"),
        fill("<table><div>"),
        fill("<select><option>"),
        fill("<template>"),
        fill("<svg><g>"),
        fill("<li>"),
        fill("<ul><li>"),
        fill("<blockquote>"),
        fill("<button><p>"),
        fill("</p>"),
        fill("<br>"),
        fill("<!---->"),
        fill("&amp;"),
        fill("<a b=c>x</a>"),
        fill("<i>x</p>"),
        format!("<p>{fonts}</p>{}", fill("<p>x")),
        format!("<table>{}", fill("<b>x<tr>")),
        format!("<p>{}", fill("<![CDATA[")),
        format!("<p title='{}", fill("x")),
        format!("<p {}>", fill("a=b ")),
        format!("<table><tr><th>{}</th></tr>{}</table>", "w".repeat(200_000), "<tr><td>x</td></tr>".repeat(12_000)),
        format!("<ol start=999999999>{}</ol>", fill("<li>x")),
    ];
    for tags in [
        &["div"][..],
        &["b"],
        &["ul", "li"],
        &["ol", "li"],
        &["blockquote"],
        &["a"],
        &["em", "strong"],
        &["b", "i"],
        &["span", "div"],
        &["pre", "code"],
        &["code"],
        &["h1"],
        &["table", "tr", "td"],
        &["blockquote", "ul", "li"],
        &["ul", "li", "div"],
        &["ul", "li", "pre"],
        &["div", "a", "div"],
        &["section", "article", "p"],
        &["ul", "li", "blockquote", "a", "b"],
        &["a", "ul", "li"],
        &["td"],
        &["sup"],
    ] {
        pages.push(nest(tags, 190));
        // Many times in one page, as far as nodes go.
        pages.push(nest(tags, 120).repeat(30));
    }
    pages
}

#[test]
fn hostile_pages_are_given_up_or_read_soon() {
    for page in hostile() {
        let (began, start) = (Instant::now(), page.chars().take(40).collect::<String>());
        let told = read(&page);
        assert!(began.elapsed() < PATIENCE, "{start} took {:?}", began.elapsed());
        if let Err(error) = told {
            assert!(error.starts_with("the page "), "{start}: {error}");
        }
    }
    assert_eq!(read(&"<div>".repeat(300)), Err("the page nests over 200 deep".into()));
    assert_eq!(read(&"<p>x".repeat(30_000)), Err("the page has over 50000 nodes: ask for a smaller one".into()));
    Page::parse(&"<p>x".repeat(20_000)).unwrap();
}

proptest! {
    #[test]
    fn no_page_panics(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "<a href='", "'>", "<b>", "</b>", "<p>", "</p>", "<ul>", "<li>", "</ul>", "<table>", "<tr>", "<td>", "</table>", "<pre>", "<code>",
                "</code>", "</pre>", "<blockquote>", "<ol start=-3>", "<li value=x>", "<h1>", "</h1>", "<br>", "<hr>", "<img src=x alt='", "&nbsp;",
                "&#0;", "é\u{3000}", "x", " ", "\n", "`", "*", "_", "|", "#", "1. ", "\\", "<template>", "<svg>", "<math>", "<!--", "-->", "<",
            ]),
            0..60,
        ),
    ) {
        read(&pieces.concat()).unwrap();
    }
}
