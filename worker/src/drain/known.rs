//! What is known of a conversation, and what its turns go by on that account.

use std::sync::Arc;

use proto::id::EventSeq;
use proto::record::{Conversation, Revisions};
use proto::wire::{Direct, Settings};

use super::{Drain, Stop, unavailable};
use crate::port::{Plan, Wanted};

impl Drain<'_> {
    /// What is known of a conversation, by its place in the log; only what this drain does not know yet is read.
    pub(super) async fn known(&mut self, seq: u64) -> Result<Arc<Settings>, Stop> {
        if let Some((_, known)) = self.known.as_ref().filter(|(at, _)| *at == seq) {
            return Ok(Arc::clone(known));
        }
        let broker = &self.desk.ports.broker;
        let found = broker.records_after(&self.mailbox.session, seq.saturating_sub(1), 1).await.map_err(unavailable)?;
        // A replica that lags behind the record which names it.
        let Some(entry) = found.into_iter().next() else { return Err(Stop::Yield(proto::limit::NAK_MAX)) };
        let settings = if entry.seq == seq { entry.record.settings().cloned() } else { None };
        if settings.is_none() {
            tracing::warn!(session.key = %self.mailbox.session, log.seq = seq, "what is known of a conversation is no longer kept");
        }
        let settings = Arc::new(settings.unwrap_or_default());
        self.known = Some((seq, Arc::clone(&settings)));
        Ok(settings)
    }

    /// What is known of the conversation of a turn; `direct` is what its event asks for.
    pub(super) async fn settings(
        &mut self,
        conversation: &Conversation,
        event: EventSeq,
        direct: Option<&Direct>,
    ) -> Result<Option<Arc<Settings>>, Stop> {
        let written = self.settings.filter(|(opening, _)| *opening == conversation.opening).map(|(_, seq)| seq);
        match written.unwrap_or(conversation.settings) {
            0 if conversation.opening == event => Ok(direct.and_then(|direct| direct.settings.clone()).map(Arc::new)),
            0 => Ok(None),
            seq => self.known(seq).await.map(Some),
        }
    }

    /// What a turn goes by, and whom it is held with; `began` are the revisions that it began with, where it did.
    pub(super) async fn plan(
        &mut self,
        conversation: &Conversation,
        event: EventSeq,
        direct: Option<&Direct>,
        began: Option<Revisions>,
    ) -> Result<(Option<Plan>, String), Stop> {
        let settings = self.settings(conversation, event, direct).await?;
        let extensions = direct.map(|direct| direct.extensions.as_str()).unwrap_or_default();
        let wanted = Wanted { settings: settings.as_deref(), extensions };
        let (directory, trigger) = (&self.desk.ports.directory, &self.mailbox.session.trigger);
        let plan = match began {
            None if wanted.is_plain() => directory.plan(trigger),
            None => directory.plan_for(trigger, wanted),
            Some(began) if wanted.is_plain() => directory.plan_at(trigger, began).await.map_err(unavailable)?,
            Some(began) => directory.plan_for_at(trigger, wanted, began).await.map_err(unavailable)?,
        };
        let is_special = !wanted.is_plain();
        if let Some(plan) = plan.as_ref().filter(|_| is_special || self.is_place_special) {
            self.enter_behind(plan, is_special).await?;
        }
        let own = plan.as_ref().and_then(|plan| plan.contact.clone());
        let contact = own.or_else(|| settings.map(|settings| settings.contact.clone()));
        Ok((plan, contact.unwrap_or_default()))
    }

    /// Takes a place behind the gates of the turn's own bot, which are not its trigger's.
    async fn enter_behind(&mut self, plan: &Plan, is_special: bool) -> Result<(), Stop> {
        self.place = None;
        let gates = self.desk.gates_for(plan);
        self.place = Some(self.desk.gates.enter(&gates).await.map_err(|_| Stop::Release)?);
        self.is_place_special = is_special;
        Ok(())
    }
}
