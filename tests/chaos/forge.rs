//! Evidence that is made wrong on purpose, to show that the checker sees it.

use proto::id::EventSeq;

use crate::book::{Deed, Fate};
use crate::check::{End, Evidence, Wrong};

/// What is done to the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Forgery {
    Lost,
    Doubled,
    StoredTwice,
    Reordered,
    AcceptedOutOfOrder,
    Stranger,
    OthersText,
    Cancelled,
    EffectTwice,
    EffectMissing,
    TwoKeys,
    SharedKey,
    Zombie,
    StatusOfAnother,
    LetterLost,
    LetterTwice,
    LetterOfNobody,
    OtherReceipt,
    OddAnswer,
    Leftover,
    Crash,
}

impl Forgery {
    /// What the checker must call it.
    pub(crate) fn wrong(self) -> Wrong {
        match self {
            Self::Lost => Wrong::Lost,
            Self::Doubled | Self::StoredTwice => Wrong::Doubled,
            Self::Reordered | Self::AcceptedOutOfOrder => Wrong::Reordered,
            Self::Stranger | Self::OthersText => Wrong::Stranger,
            Self::Cancelled => Wrong::Ending,
            Self::EffectTwice => Wrong::Twice,
            Self::EffectMissing => Wrong::Missing,
            Self::TwoKeys | Self::SharedKey => Wrong::Key,
            Self::Zombie | Self::StatusOfAnother => Wrong::Status,
            Self::LetterLost | Self::LetterTwice | Self::LetterOfNobody => Wrong::Letter,
            Self::OtherReceipt => Wrong::Repeat,
            Self::OddAnswer => Wrong::Answer,
            Self::Leftover => Wrong::Left,
            Self::Crash => Wrong::Crash,
        }
    }

    /// Does it; none where the evidence has nothing that it could be done to.
    pub(crate) fn done_to(self, mut evidence: Evidence) -> Option<Evidence> {
        let nowhere = |event: EventSeq| EventSeq { seq: event.seq + 1_000_000_000, ..event };
        match self {
            Self::Lost => drop(evidence.ended.remove(evidence.ended.len().checked_sub(1)?)),
            Self::Doubled => evidence.ended.push(evidence.ended.first()?.clone()),
            Self::StoredTwice => {
                let mut again = evidence.ended.iter().find(|ended| ended.number.is_some())?.clone();
                again.event = nowhere(again.event);
                evidence.ended.push(again);
            }
            Self::Reordered => {
                let (one, two) = two_of_a_session(&evidence)?;
                let place = |event| evidence.ended.iter().position(|ended| ended.event == event);
                let (one, two) = (place(one)?, place(two)?);
                let (first, second) = (evidence.ended.get(one)?.seq, evidence.ended.get(two)?.seq);
                evidence.ended.get_mut(one)?.seq = second;
                evidence.ended.get_mut(two)?.seq = first;
            }
            Self::AcceptedOutOfOrder => {
                let (one, two) = two_of_a_session(&evidence)?;
                let place = |event| evidence.sent.iter().position(|sent| sent.event() == Some(event));
                let (one, two) = (place(one)?, place(two)?);
                evidence.sent.swap(one, two);
            }
            Self::Stranger => {
                let mut stranger = evidence.ended.first()?.clone();
                (stranger.event, stranger.number) = (nowhere(stranger.event), None);
                evidence.ended.push(stranger);
            }
            Self::OthersText => *evidence.ended.iter_mut().find_map(|ended| ended.number.as_mut())? += 1_000_000_000,
            Self::Cancelled => evidence.ended.first_mut()?.end = End::Cancelled,
            Self::EffectTwice => {
                let once = evidence.effects.iter().find(|effect| effect.deed == Deed::Once.word())?.clone();
                evidence.effects.push(once);
            }
            Self::EffectMissing => evidence.effects.clear(),
            Self::TwoKeys => {
                let mut again = evidence.effects.iter().find(|effect| effect.deed == Deed::Again.word())?.clone();
                again.key.push('x');
                evidence.effects.push(again);
            }
            Self::SharedKey => {
                let key = evidence.effects.first()?.key.clone();
                evidence.effects.last_mut()?.key = key;
            }
            Self::Zombie => "running".clone_into(evidence.statuses.values_mut().next()?),
            Self::StatusOfAnother => "dead".clone_into(evidence.statuses.values_mut().find(|status| *status == "completed")?),
            Self::LetterLost => drop(evidence.letters.pop()?),
            Self::LetterTwice => evidence.letters.push(*evidence.letters.first()?),
            Self::LetterOfNobody => evidence.letters.push(nowhere(evidence.ended.first()?.event)),
            Self::OtherReceipt => {
                let sent = evidence.sent.iter_mut().find(|sent| matches!(sent.fate, Fate::Accepted(_)))?;
                sent.repeat = sent.event().map(nowhere);
            }
            Self::OddAnswer => evidence.objections.push("forged".into()),
            Self::Leftover => evidence.leftovers.push("forged".into()),
            Self::Crash => evidence.crashes.push("forged".into()),
        }
        Some(evidence)
    }
}

/// Two events of one session, one accepted after the other.
fn two_of_a_session(evidence: &Evidence) -> Option<(EventSeq, EventSeq)> {
    evidence.sent.iter().enumerate().find_map(|(place, first)| {
        let later = evidence.sent.iter().skip(place + 1).find(|later| later.session == first.session && later.event().is_some())?;
        Some((first.event()?, later.event()?))
    })
}
