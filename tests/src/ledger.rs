//! What was accepted, and whether the log honours it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::id::{EventSeq, Receipt, SessionKey};
use proto::record::{Record, Step};
use proto::wire::DeadLetter;

use crate::view::Logged;

/// The receipts that callers were given.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    receipts: BTreeSet<Receipt>,
    has_strangers: bool,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a receipt; a repeat's is the same.
    pub fn note(&self, receipt: Receipt) {
        self.book().receipts.insert(receipt);
    }

    /// All receipts.
    pub fn receipts(&self) -> BTreeSet<Receipt> {
        self.book().receipts.clone()
    }

    /// Forgets a receipt, for a test that takes its event away.
    pub fn forget(&self, receipt: &Receipt) {
        self.book().receipts.remove(receipt);
    }

    /// Allows events whose receipt nobody was given, for a test whose calls go unanswered.
    pub fn allow_strangers(&self) {
        self.book().has_strangers = true;
    }

    /// Whether every receipt has a terminal record.
    pub fn is_settled(&self, log: &[Logged]) -> bool {
        let ended: BTreeSet<Receipt> = terminals(log).map(|logged| receipt(&logged.session, &logged.entry.record)).collect();
        self.book().receipts.is_subset(&ended)
    }

    /// Fails the test unless the log is in order and honours every receipt.
    ///
    /// Each receipt has exactly one terminal record, each terminal record a receipt, and a record
    /// that says so a copy in DEAD: accepted = committed + dead.
    pub fn check(&self, log: &[Logged], dead: &[DeadLetter]) {
        let mut sessions: BTreeMap<&SessionKey, Vec<&Record>> = BTreeMap::new();
        for logged in log {
            sessions.entry(&logged.session).or_default().push(&logged.entry.record);
        }
        for (session, records) in &sessions {
            check_session(session, records);
        }
        let mut ended: BTreeMap<Receipt, u32> = BTreeMap::new();
        for logged in terminals(log) {
            *ended.entry(receipt(&logged.session, &logged.entry.record)).or_default() += 1;
        }
        let copies: BTreeSet<(&str, u64)> = dead.iter().map(|letter| (letter.epoch.as_str(), letter.event)).collect();
        for logged in terminals(log) {
            let event = logged.entry.record.event;
            let has_copy = copies.contains(&(event.epoch.to_string().as_str(), event.seq));
            assert_eq!(has_copy, is_dead(&logged.entry.record), "the copy in DEAD and the record of {event:?} disagree");
        }
        let book = self.book();
        for receipt in &book.receipts {
            assert_eq!(ended.get(receipt), Some(&1), "{receipt} has another number of terminal records");
        }
        if !book.has_strangers {
            for receipt in ended.keys() {
                assert!(book.receipts.contains(receipt), "{receipt} was committed and nobody sent it");
            }
        }
    }
}

/// The terminal records.
pub fn terminals(log: &[Logged]) -> impl Iterator<Item = &Logged> {
    log.iter().filter(|logged| logged.entry.record.is_terminal())
}

fn receipt(session: &SessionKey, record: &Record) -> Receipt {
    Receipt { session: session.clone(), event: record.event }
}

fn is_dead(record: &Record) -> bool {
    matches!(&record.step, Some(Step::Failed(step)) if step.dead)
}

/// Records of one session in log order: epochs never go back, an open turn is ended before the
/// next event begins, only a terminal record moves the cursor, and only forward.
fn check_session(session: &SessionKey, records: &[&Record]) {
    let mut cursor: Option<EventSeq> = None;
    let mut open: Option<EventSeq> = None;
    // A record between two turns is about the event before it, which has ended.
    for record in records.iter().filter(|record| !record.is_idle()) {
        let at = format!("{session}: {record:?}");
        if record.is_idle() {
            // An answer from outside that came between two turns: it is closed by a record and changes nothing.
            let stands_at = cursor.filter(|cursor| cursor.epoch == record.event.epoch).map_or(0, |cursor| cursor.seq);
            assert_eq!((record.cursor, open), (stands_at, None), "a record between two turns moves nothing\n{at}");
            continue;
        }
        assert!(cursor.is_none_or(|cursor| record.event > cursor), "an event after its terminal record, or out of order\n{at}");
        assert!(open.is_none_or(|open| open == record.event), "another event while {open:?} is open\n{at}");
        let before = cursor.filter(|cursor| cursor.epoch == record.event.epoch).map_or(0, |cursor| cursor.seq);
        if record.is_terminal() {
            assert_eq!(record.cursor, record.event.seq, "a terminal record moves the cursor to its event\n{at}");
            (cursor, open) = (Some(record.event), None);
        } else {
            assert_eq!(record.cursor, before, "an open record does not move the cursor\n{at}");
            open = Some(record.event);
        }
    }
}
