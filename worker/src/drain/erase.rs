//! The end of a conversation that is deleted, with all that was said in it.

use proto::answer::NO_CONVERSATION;
use proto::id::EventSeq;
use proto::record::{Record, Step as RecordStep};
use proto::wire::changed::What;
use proto::wire::{Answer, Erased};

use super::{Drain, Stop, unavailable};

impl Drain<'_> {
    /// What is on record of a conversation's end; only then its records go.
    pub(super) async fn erase(&self, opening: EventSeq) -> Result<Result<What, String>, Stop> {
        let base = match self.conversation.filter(|last| last.opening == opening) {
            Some(last) => Some(last.base),
            None => self.earlier(opening).await?.map(|(conversation, _)| conversation.base),
        };
        Ok(base.map(|base| What::Erased(Erased { base })).ok_or_else(|| NO_CONVERSATION.to_owned()))
    }

    /// Deletes the records of a conversation and the dead letters of its events; the letters go first, for the records name them.
    pub(super) async fn delete_conversation(&self, answer: Option<&Answer>, base: u64) -> Result<(), Stop> {
        let named = answer.and_then(|answer| Some(EventSeq { epoch: answer.epoch.parse().ok()?, seq: answer.event }));
        let Some(opening) = named else { return Ok(()) };
        let (mut records, mut dead) = (Vec::new(), Vec::new());
        let fence = self.fence;
        self.walk(base, |entry| {
            if entry.seq < fence && entry.record.concerns() == opening {
                dead.extend(letter_of(&entry.record));
                records.push(entry.seq);
            }
            true
        })
        .await?;
        let broker = &self.desk.ports.broker;
        if !dead.is_empty() {
            broker.unbury(&self.mailbox.session, &dead).await.map_err(unavailable)?;
        }
        broker.delete(&records).await.map_err(unavailable)
    }
}

/// The event of which a record says that a copy lies in DEAD.
fn letter_of(record: &Record) -> Option<EventSeq> {
    match &record.step {
        Some(RecordStep::Failed(failed)) if failed.dead => Some(record.event),
        _ => {
            record.edited().filter(|edited| edited.status == proto::status::Status::Dead.as_str())?;
            record.edited_event()
        }
    }
}
