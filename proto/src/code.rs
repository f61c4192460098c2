//! The stable error codes.
//!
//! A code names one situation, its HTTP status, whether a retry makes sense, and a page under
//! `docs/errors/`. The ChatBotKit name beside it is what clients of that API look at.

/// Whether the same call may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At any time.
    Safe,
    /// With the same idempotency key: the first call may have taken effect.
    SameKey,
    /// It cannot help.
    Never,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:literal, $class:literal, $retry:ident;)+) => {
        /// One situation that a caller or an operator can meet.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// All codes, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name, such as `CUE0101`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// The name that ChatBotKit's API gives to this class of error.
            pub const fn class(self) -> &'static str {
                match self { $(Self::$name => $class,)+ }
            }

            /// Whether the same call may be sent again.
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)+ }
            }
        }
    };
}

codes! {
    /// The body is not what its content type says.
    BodyMalformed = "CUE0101", 400, "BAD_REQUEST", Never;
    /// The body is larger than the limit.
    BodyTooLarge = "CUE0102", 413, "BAD_REQUEST", Never;
    /// The session is not usable.
    SessionInvalid = "CUE0103", 400, "BAD_REQUEST", Never;
    /// A field of the contact is not usable.
    ContactInvalid = "CUE0104", 400, "BAD_REQUEST", Never;
    /// The idempotency key is not usable.
    KeyInvalid = "CUE0105", 400, "BAD_REQUEST", Never;
    /// A query parameter or header is not usable.
    ParameterInvalid = "CUE0106", 400, "BAD_REQUEST", Never;
    /// The text is not usable.
    TextInvalid = "CUE0107", 400, "BAD_REQUEST", Never;
    /// A field of the body is not usable.
    FieldInvalid = "CUE0108", 400, "BAD_REQUEST", Never;
    /// The body has a field that nobody knows.
    FieldUnknown = "CUE0109", 400, "BAD_REQUEST", Never;
    /// The body is of a media type that is not taken.
    MediaTypeUnknown = "CUE0110", 400, "BAD_REQUEST", Never;
    /// The answer is wanted in a media type that is not given.
    AcceptUnknown = "CUE0111", 400, "BAD_REQUEST", Never;
    /// The schedule or its time zone is not usable.
    ScheduleInvalid = "CUE0134", 400, "BAD_REQUEST", Never;
    /// The time of a later event, or of its expiry, is not usable.
    TimingInvalid = "CUE0135", 400, "BAD_REQUEST", Never;
    /// The list of events is not usable.
    BatchInvalid = "CUE0136", 400, "BAD_REQUEST", Never;
    /// The instruction of an ability is not usable.
    InstructionInvalid = "CUE0112", 400, "BAD_REQUEST", Never;
    /// The definition of a bot is not usable.
    DefinitionInvalid = "CUE0113", 400, "BAD_REQUEST", Never;
    /// What was waited for has not ended in time.
    Late = "CUE0114", 408, "TIMEOUT", Never;
    /// The cursor names no entry of the list.
    CursorUnknown = "CUE0130", 400, "BAD_REQUEST", Never;
    /// A destination of the ends of turns is not usable.
    DestinationInvalid = "CUE0140", 400, "BAD_REQUEST", Never;
    /// The caller did not present the right secret.
    NotAuthenticated = "CUE0201", 401, "NOT_AUTHENTICATED", Never;
    /// The token is known, and may not do this.
    ScopeMissing = "CUE0202", 403, "NOT_AUTHORIZED", Never;
    /// The token is unknown, revoked or expired.
    TokenInvalid = "CUE0203", 401, "NOT_AUTHENTICATED", Never;
    /// The token is limited to other triggers.
    TriggerForeign = "CUE0204", 403, "NOT_AUTHORIZED", Never;
    /// The signature is missing or wrong.
    SignatureInvalid = "CUE0205", 401, "NOT_AUTHENTICATED", Never;
    /// The time of the signature is too far from now.
    SignatureExpired = "CUE0206", 401, "NOT_AUTHENTICATED", Never;
    /// The signature was presented before.
    SignatureReplayed = "CUE0207", 401, "NOT_AUTHENTICATED", Never;
    /// The trigger takes signed calls alone.
    SignatureRequired = "CUE0208", 401, "NOT_AUTHENTICATED", Never;
    /// A rate limit is used up.
    RateLimited = "CUE0211", 429, "TOO_MANY_REQUESTS", Safe;
    /// No such path.
    RouteUnknown = "CUE0301", 404, "NOT_FOUND", Never;
    /// No such trigger.
    TriggerUnknown = "CUE0302", 404, "NOT_FOUND", Never;
    /// No such receipt of this trigger.
    ReceiptUnknown = "CUE0303", 404, "NOT_FOUND", Never;
    /// No such conversation.
    ConversationUnknown = "CUE0304", 404, "NOT_FOUND", Never;
    /// No such message of the conversation.
    MessageUnknown = "CUE0316", 404, "NOT_FOUND", Never;
    /// Nothing was ever sent to a channel of that id, or it is over.
    ChannelUnknown = "CUE0317", 404, "NOT_FOUND", Never;
    /// The path exists, the method does not.
    MethodNotAllowed = "CUE0305", 405, "METHOD_NOT_ALLOWED", Never;
    /// No such bot, skillset, ability, secret or contact.
    ResourceUnknown = "CUE0306", 404, "NOT_FOUND", Never;
    /// No such delivery, or no such destination of the trigger.
    DeliveryUnknown = "CUE0320", 404, "NOT_FOUND", Never;
    /// The idempotency key was used for another payload.
    KeyReused = "CUE0401", 422, "UNPROCESSABLE_ENTITY", Never;
    /// The broker knows the key, but not as this trigger's.
    KeyUnknown = "CUE0402", 409, "CONFLICT", Never;
    /// The session is busy, and its trigger refuses events meanwhile.
    SessionBusy = "CUE0403", 409, "CONFLICT", Safe;
    /// The turn has ended, or nothing in it waits for that.
    TurnEnded = "CUE0404", 409, "CONFLICT", Never;
    /// The conversation cannot be changed like that now.
    ChangeRefused = "CUE0414", 409, "CONFLICT", Never;
    /// The resource was changed by somebody else meanwhile.
    RevisionLost = "CUE0405", 409, "CONFLICT", Never;
    /// The alias, or the fingerprint, is another's.
    AliasTaken = "CUE0406", 409, "CONFLICT", Never;
    /// A file keeps the resource.
    KeptByFile = "CUE0407", 409, "CONFLICT", Never;
    /// What was given when it was made cannot be changed.
    Fixed = "CUE0408", 409, "CONFLICT", Never;
    /// The secret cannot be shown: only its digest is kept, or the master key does not open it.
    SecretUnreadable = "CUE0410", 409, "CONFLICT", Never;
    /// The trigger takes no new events.
    TriggerDraining = "CUE0417", 409, "CONFLICT", Never;
    /// The timer has run off, and its event cannot be told yet.
    TimerRunOff = "CUE0418", 409, "CONFLICT", Safe;
    /// Too many events of this session wait.
    SessionBacklogFull = "CUE0501", 429, "TOO_MANY_REQUESTS", Safe;
    /// The broker holds as much as it may.
    BrokerFull = "CUE0502", 503, "SERVICE_UNAVAILABLE", Safe;
    /// The broker did not confirm in time: the event may or may not be stored.
    Unconfirmed = "CUE0503", 503, "SERVICE_UNAVAILABLE", SameKey;
    /// The broker or the configuration cannot be reached.
    Unavailable = "CUE0504", 503, "SERVICE_UNAVAILABLE", Safe;
    /// Something that should not happen did.
    Internal = "CUE0505", 500, "INTERNAL_SERVER_ERROR", SameKey;
    /// What was asked cannot be put on record, so it was not done.
    Unrecorded = "CUE0506", 503, "SERVICE_UNAVAILABLE", Safe;
    /// The index that lists are read from is away.
    IndexAway = "CUE0507", 503, "SERVICE_UNAVAILABLE", Safe;
    /// The index that lists are read from is being built.
    IndexBuilding = "CUE0508", 503, "SERVICE_UNAVAILABLE", Safe;
    /// As many messages are on their way to the broker as may, and the time to wait for a place is over.
    Overloaded = "CUE0509", 503, "SERVICE_UNAVAILABLE", Safe;
    /// The event was attempted too often.
    GivenUp = "CUE0601", 500, "GENERIC_ERROR", Never;
    /// The envelope cannot be read.
    EnvelopeInvalid = "CUE0602", 400, "BAD_REQUEST", Never;
    /// The envelope names another trigger than its subject.
    IdentityForeign = "CUE0603", 403, "NOT_AUTHORIZED", Never;
    /// The subject does not name a trigger and a session, or the trigger does not exist.
    SubjectInvalid = "CUE0604", 404, "NOT_FOUND", Never;
    /// The event is older than the log: whether it was done is unknown.
    OutcomeUnknown = "CUE0605", 500, "GENERIC_ERROR", Never;
    /// The stream of the event was made anew while its turn was open.
    EpochEnded = "CUE0606", 500, "GENERIC_ERROR", Never;
    /// The bot could not answer.
    BotFailed = "CUE0607", 500, "GENERIC_ERROR", Never;
    /// The trigger's bot does not exist or is not usable.
    BotUnknown = "CUE0608", 500, "GENERIC_ERROR", Never;
    /// The turn reached a limit.
    TurnLimit = "CUE0609", 500, "GENERIC_ERROR", Never;
    /// No model answered.
    ModelUnavailable = "CUE0610", 503, "SERVICE_UNAVAILABLE", Never;
    /// What the turn may take is spent.
    BudgetSpent = "CUE0611", 429, "LIMITS_REACHED", Never;
    /// The conversation that the event was for has ended.
    ConversationEnded = "CUE0612", 409, "CONFLICT", Never;
    /// The event was too old when its turn could begin.
    EventExpired = "CUE0616", 408, "TIMEOUT", Never;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::Code;

    #[test]
    fn every_code_is_unique_and_has_a_page() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} stands twice", code.as_str());
            let page = pages.join(format!("{}.md", code.as_str()));
            let text = std::fs::read_to_string(&page).unwrap_or_default();
            assert!(text.starts_with(&format!("# {}", code.as_str())), "{} is missing or has another title", page.display());
        }
        assert_eq!(seen.len(), std::fs::read_dir(pages).unwrap().count(), "a page without a code");
    }
}
