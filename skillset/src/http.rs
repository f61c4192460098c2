//! Reads raw HTTP: `METHOD URL`, headers, an empty line, a body; or only a URL.

use std::ops::Range;

use crate::fault::Fault;
use crate::limit::HEADERS_MAX;
use crate::skeleton::{Bit, Skeleton};
use crate::template::{Http, Phrase, Piece};
use crate::weave::Weaver;

/// The methods of requests.
pub(crate) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A request with the places of its parts.
#[derive(Debug)]
pub(crate) struct Request {
    /// The request.
    pub(crate) http: Http,
    /// Where the method stands.
    pub(crate) method: Range<usize>,
    /// Where the URL stands.
    pub(crate) url: Range<usize>,
    /// Where the headers' names stand.
    pub(crate) names: Vec<Range<usize>>,
    /// Where the body stands.
    pub(crate) body: Range<usize>,
}

/// Whether a block's body is raw HTTP, as its first line says.
pub(crate) fn looks_so(skeleton: &Skeleton<'_>) -> bool {
    let line = skeleton.masked().trim_start().lines().next().unwrap_or_default().trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let is_token = matches!(skeleton.decode(first).as_slice(), [Bit::Placeholder(_)]);
    let is_method = is_token || !first.is_empty() && first.chars().all(|c| c.is_ascii_alphabetic());
    let is_url = |word: &str| word.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")) && word.contains("://");
    is_url(first)
        || matches!(skeleton.decode(first).first(), Some(Bit::Placeholder(_))) && rest.is_empty()
        || is_method && !rest.is_empty() && !rest.trim_start().starts_with(':')
}

/// Reads a request.
pub(crate) fn read(weaver: &mut Weaver<'_, '_, '_>) -> Request {
    let skeleton = weaver.skeleton;
    let masked = skeleton.masked().trim_end();
    let mut lines = Lines { masked, at: masked.len() - masked.trim_start().len() };
    let (line, span) = lines.next().unwrap_or_default();
    let mut request = request_line(weaver, line, &span);
    let mut count = 0;
    while let Some((line, span)) = lines.next().filter(|(line, _)| !line.trim().is_empty()) {
        count += 1;
        if count > HEADERS_MAX {
            weaver.report.add(Fault::new(skeleton.span(span), format!("at most {HEADERS_MAX} headers are taken")));
            break;
        }
        header(weaver, &mut request, line, &span);
    }
    let rest = masked.get(lines.at..).unwrap_or_default();
    request.body = skeleton.span(lines.at..masked.len());
    if !rest.trim().is_empty() {
        request.http.body = Some(weaver.text(rest));
    }
    request
}

/// `METHOD URL HTTP/1.1`, of which only the URL must stand.
fn request_line(weaver: &mut Weaver<'_, '_, '_>, line: &str, span: &Range<usize>) -> Request {
    let words = line.trim();
    let start = span.start + line.len() - line.trim_start().len();
    let (first, rest) = words.split_once(char::is_whitespace).map_or(("", words), |(first, rest)| (first, rest.trim_start()));
    let is_method = !first.contains("://") && !rest.is_empty();
    let (method, rest) = if is_method { (first, rest) } else { ("", words) };
    let url = match rest.rsplit_once(char::is_whitespace) {
        Some((url, version)) if version.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("http/")) => url.trim_end(),
        _ => rest,
    };
    let url_start = start + words.len() - rest.len();
    Request {
        http: Http { method: weaver.text(method), url: weaver.text(url), headers: Vec::new(), body: None },
        method: weaver.skeleton.span(start..start + method.len()),
        url: weaver.skeleton.span(url_start..url_start + url.len()),
        names: Vec::new(),
        body: 0..0,
    }
}

fn header(weaver: &mut Weaver<'_, '_, '_>, request: &mut Request, line: &str, span: &Range<usize>) {
    let skeleton = weaver.skeleton;
    let Some((name, value)) = line.split_once(':') else {
        let fault = Fault::new(skeleton.span(span.clone()), "this is no header");
        weaver.report.add(fault.help("a header is `Name: value`; an empty line stands between the headers and the body"));
        return;
    };
    let place = skeleton.span(span.start..span.start + name.len());
    if let Some(fault) = check_name(name, &place) {
        weaver.report.add(fault);
        return;
    }
    let value = weaver.text(value.trim());
    request.http.headers.push((name.to_owned(), value));
    request.names.push(place);
}

/// What is wrong with the name of a header, if anything.
pub(crate) fn check_name(name: &str, place: &Range<usize>) -> Option<Fault> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !Skeleton::tokens(name).is_empty() {
        let fault = Fault::new(place.clone(), "the name of a header is never filled in");
        return Some(fault.help("write the name; a placeholder may stand after the colon"));
    }
    if name.is_empty() || !name.chars().all(is_part) {
        let fault = Fault::new(place.clone(), "this is no name of a header");
        return Some(fault.help("a header is `Name: value`; an empty line stands between the headers and the body"));
    }
    None
}

/// Writes a method that has no places as it is sent, or says what is wrong with it.
pub(crate) fn settle_method(method: &mut Phrase, place: &Range<usize>) -> Option<Fault> {
    let words = method.words().filter(|words| !words.is_empty())?;
    let Some(known) = METHODS.iter().find(|known| known.eq_ignore_ascii_case(&words)) else {
        return Some(Fault::new(place.clone(), format!("`{words}` is no method")).help(crate::nearest::advice(&words, &METHODS)));
    };
    *method = Phrase::literal(*known);
    None
}

/// Whether a method takes no body.
pub(crate) fn has_no_body(method: &Phrase) -> bool {
    match method.0.as_slice() {
        [] => true,
        [Piece::Literal(words)] => words.is_empty() || words.eq_ignore_ascii_case("GET") || words.eq_ignore_ascii_case("HEAD"),
        _ => false,
    }
}

/// The lines of masked text with their places, without their ends.
struct Lines<'a> {
    masked: &'a str,
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a str, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.masked.get(self.at..)?.split_inclusive('\n').next()?;
        let start = self.at;
        self.at += line.len();
        let words = line.trim_end_matches(['\n', '\r']);
        Some((words, start..start + words.len()))
    }
}
