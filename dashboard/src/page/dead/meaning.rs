//! What the codes of dead letters mean.

/// Codes, what they are called, and what they mean.
const MEANINGS: [(&str, &str, &str); 12] = [
    ("CUE0601", "given up", "The event was attempted as often as it may be, and its worker died or lost it every time."),
    ("CUE0602", "envelope invalid", "The bytes are no event: neither its JSON nor its protobuf, or a field in there cannot be used."),
    ("CUE0603", "foreign identity", "The envelope names another trigger than the subject that it was published on."),
    ("CUE0604", "subject invalid", "The subject does not name a trigger and a session, or there is no such trigger."),
    ("CUE0605", "outcome unknown", "The event is older than the log, or went while its turn was open: whether it was done cannot be told."),
    ("CUE0606", "epoch ended", "The stream of waiting events was made anew while a turn was open."),
    ("CUE0607", "bot failed", "The bot could not answer."),
    ("CUE0608", "bot unknown", "The trigger's bot does not exist, or its definition cannot be used."),
    ("CUE0609", "turn limit", "The turn reached a limit of steps, calls or sizes."),
    ("CUE0610", "no model answered", "The bot's model and all its fallbacks refused, failed or were too slow."),
    ("CUE0611", "budget spent", "Going on would have passed a limit of the trigger or the bot."),
    ("CUE0612", "conversation ended", "It was for a conversation that its session has left, or that was deleted."),
];

/// What a code means; nothing of one that is not known here.
pub(super) fn of(code: &str) -> &'static str {
    MEANINGS.iter().find(|(known, ..)| *known == code).map_or("", |(_, _, meaning)| meaning)
}

/// The codes to choose from, with what they are called.
pub(super) fn options() -> Vec<(String, String)> {
    MEANINGS.iter().map(|(code, name, _)| ((*code).to_owned(), format!("{code} {name}"))).collect()
}

/// The page of the documentation on a code.
pub(super) fn page(code: &str) -> String {
    format!("docs/errors/{code}.md")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{MEANINGS, of, page};

    #[test]
    fn every_code_has_its_page_under_its_name() {
        for (code, name, _) in MEANINGS {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page(code));
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.starts_with(&format!("# {code}: {name}\n")), "{text}");
        }
        assert_eq!(of("CUE9999"), "");
    }
}
