use super::{Dialect, Found, Placeholder, scan};
use crate::operation::{Operation, apply};

fn found(text: &str) -> Vec<Found> {
    scan(text, 0..text.len(), Dialect::Block)
}

/// What the only placeholder of a text says, shortly.
fn show(text: &str) -> String {
    match found(text).as_slice() {
        [Found { read: Ok(Placeholder::Reference(reference)), .. }] => format!("reference {}", reference.name),
        [Found { read: Ok(Placeholder::Field(field)), .. }] => {
            let value = |spanned: &Option<(String, _)>| spanned.as_ref().map_or_else(|| "-".to_owned(), |(value, _)| value.clone());
            let kind = field.kind.as_ref().map_or_else(|| "-".to_owned(), |(kind, _)| format!("{kind:?}"));
            let marks = format!("{}{}", if field.is_required { "!" } else { "" }, if field.is_local { " local" } else { "" });
            let steps = field
                .steps
                .iter()
                .map(|step| format!("{:?}{}", step.operation, if step.when_set { "?" } else { "" }))
                .collect::<Vec<_>>()
                .join("+");
            let limits = [&field.choices, &field.default, &field.min, &field.max].map(value).join(" ");
            format!("{}{marks} {kind} {limits} {steps} {}", field.name, field.description.clone().unwrap_or_default()).trim_end().to_owned()
        }
        [Found { read: Err(faults), .. }] => faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; "),
        [] => "text".to_owned(),
        many => format!("{} placeholders", many.len()),
    }
}

#[test]
fn every_syntax_of_a_field_is_read() {
    for (text, expected) in [
        ("$[city]", "city - - - - -"),
        ("a[[city]]b", "city - - - - -"),
        ("((city))", "city - - - - -"),
        ("$(city)", "city - - - - -"),
        ("${city}", "city - - - - -"),
        ("{{ city }}", "city - - - - -"),
        ("$[city!]", "city! - - - - -"),
        ("$[!city|the city]", "city! - - - - -  the city"),
        ("$[city?: the\n  city]", "city - - - - -  the city"),
        ("$[city euc|where: a or b]", "city - - - - - Percent where: a or b"),
        ("$[city js?, ?rn dq]", "city - - - - - Json?+OneLine?+DoubleQuote"),
        ("$[n num min<1> max{10} default(2)]", "n Number - 2 1 10"),
        ("$[on boolean local]", "on local Boolean - - - -"),
        ("$[sort_by! ys enum<a,b c> default<a>|by]", "sort_by! - a,b c a - - Json by"),
        ("$[tags|like [\"a\", \"b\"] or none]", "tags - - - - -  like [\"a\", \"b\"] or none"),
        ("$[x|an unbalanced [ here]", "x - - - - -  an unbalanced [ here"),
        ("((limit|how many (at most)))", "limit - - - - -  how many (at most)"),
        ("$[x sanitize<[^a-z]+>]", "x - - - - - Without(Regex(\"[^a-z]+\"))"),
        ("${x sanitize{\\d{2}} dq}", "x - - - - - Without(Regex(\"\\\\d{2}\"))+DoubleQuote"),
        ("$[_hidden]", "_hidden - - - - -"),
        ("${item.id}", "item.id - - - - -"),
        ("${{ github.ref }}", "github.ref - - - - -"),
        ("[$[a js]]", "a - - - - - Json"),
    ] {
        assert_eq!(show(text), expected, "{text}");
    }
}

#[test]
fn references_are_never_fields() {
    for (text, expected) in [
        ("${SECRET_DEFAULT}", "reference SECRET_DEFAULT"),
        ("{{CONTACT_EMAIL}}", "reference CONTACT_EMAIL"),
        ("${!EARTH_date|today}", "reference EARTH_date"),
        ("${CONVERSATION_META_plan}", "reference CONVERSATION_META_plan"),
        ("$[SECRET_KEY]", "`SECRET_KEY` is a reference, which a model never fills"),
        ("((USER_ID))", "`USER_ID` is a reference, which a model never fills"),
        ("${user_id}", "`user_id` is filled by nobody: it looks like a reference and is none"),
        ("{{ROBOT_NAME}}", "`ROBOT_NAME` is filled by nobody: it looks like a reference and is none"),
        ("${SECRET_}", "`SECRET_` is filled by nobody: it looks like a reference and is none"),
        ("$[user_id]", "user_id - - - - -"),
        ("${CONTACT_NAME default<you>}", "a reference has no type, enum or default: `CONTACT_NAME`"),
    ] {
        assert_eq!(show(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_placeholder_stays_text() {
    for text in [
        "$[0].a",
        "$[*]",
        "$['a']",
        "$[?(@.n < 3)]",
        "$[]",
        "${}",
        "$(5)",
        "[[1, 2], [3]]",
        "[[a], [b]]",
        "[[\"a\"]]",
        "((1 + 2))",
        "{{}}",
        "{{'a'}}",
        "$",
        "$$",
        "[[",
        "((unclosed",
        "{{ a | b",
        "[[a] b]",
        "a ] b } c )",
        "data[?x == 'y'].{ a: b }",
        "{\"a\":{\"b\":[[]]}}",
    ] {
        assert_eq!(show(text), "text", "{text}");
    }
}

#[test]
fn what_is_meant_and_wrong_is_told() {
    for (text, expected) in [
        ("$[größe]", "`größe` is no name of a field"),
        ("$[user[0]]", "`user[0` is no name of a field"),
        ("$[city eux]", "unknown operand `eux`"),
        ("((see below))", "unknown operand `below`"),
        ("$[city enum]", "`enum` needs a value"),
        ("$[city euc<x>]", "`euc` takes no value"),
        ("$[city enum<a,b]", "`$[` is not closed by `]`"),
        ("$[city|the city", "`$[` is not closed by `]`"),
        ("$[city + 1]", "`+` is not expected after a name; unknown operand `1`"),
        ("$[x sanitize<(?=a)>]", "the pattern of `sanitize` is none: look-around, including look-ahead and look-behind, is not supported"),
        ("$[x sanitize<[a>]", "the pattern of `sanitize` is none: unclosed character class"),
    ] {
        assert_eq!(show(text), expected, "{text}");
    }
}

#[test]
fn spans_are_those_of_the_instruction() {
    let text = "ä $[a] {{SECRET_B}} $[c";
    let spans: Vec<_> = found(text).into_iter().map(|found| text.get(found.span).unwrap()).collect();
    assert_eq!(spans, ["$[a]", "{{SECRET_B}}", "$[c"]);
}

#[test]
fn the_structured_form_has_no_doubled_brackets_but_of_references() {
    let text = "[[a]] {{b}} ((c)) {{SECRET_D}} $[e]";
    let spans: Vec<_> = scan(text, 0..text.len(), Dialect::Structured).into_iter().map(|found| text.get(found.span).unwrap()).collect();
    assert_eq!(spans, ["{{SECRET_D}}", "$[e]"]);
}

#[test]
fn a_pattern_takes_out_what_it_matches() {
    let found = found("$[x sanitize<[^0-9]>]");
    let Ok(Placeholder::Field(field)) = &found[0].read else { panic!("{found:?}") };
    assert!(matches!(field.steps[0].operation, Operation::Without(_)));
    assert_eq!(apply(&field.steps, Some(&"a1b2".into())).unwrap(), Some("12".into()));
}
