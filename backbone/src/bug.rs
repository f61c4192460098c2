//! Bugs that a simulation switches on, to show that its checks find them.
//!
//! A program that is built without the feature `bugs` has none of these: [`is`] is `false` there, whatever is asked.

/// A seeded bug, by what it leaves out or does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// An append does not name the record that it follows.
    FenceDropped,
    /// An event is acked as its turn begins.
    AckBeforeCommit,
    /// The cursor is what the process remembers of the session, not what the log says.
    CursorRemembered,
    /// The cursor of one stream is believed in the next.
    EpochIgnored,
    /// A refused append is never looked for in the log.
    ReadBackSkipped,
    /// An append without an answer counts as landed.
    UnconfirmedIsLanded,
    /// An event is handled because it was delivered, whatever waits before it.
    TakeOverWithoutDrain,
    /// A call's outcome is recorded without the call.
    OutcomeBeforeEffect,
    /// A call is made before its intent is in the log.
    EffectBeforeIntent,
    /// A call in doubt is made again, whatever its policy says.
    DoubtRepeated,
    /// Leases are never renewed.
    LeaseNeverRenewed,
    /// An offer that was refused counts as taken.
    HandOverUnanswered,
    /// A call has another idempotency key in each attempt.
    KeyPerAttempt,
    /// A turn that is taken up again does not count.
    AttemptsNotCounted,
    /// An event is given up without a copy.
    NoDeadCopy,
    /// Leave for one call is leave for all.
    LeaveForAll,
    /// A session is let go because a lagging replica showed it an earlier record.
    StaleReadDropped,
    /// A drain that begins again waits for the place that it has itself.
    PlaceKept,
    /// What came while a lease was given back is let go.
    ReleaseWithoutLook,
    /// A change of a conversation is answered before what it replaces is gone.
    DeletionSkipped,
    /// An event with a key has no message id.
    MessageIdDropped,
    /// A repeated key is answered whatever it is repeated with.
    DigestIgnored,
    /// An event that a lagging replica does not show is said to be unknown.
    StatusFromFollower,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::FenceDropped,
        Self::AckBeforeCommit,
        Self::CursorRemembered,
        Self::EpochIgnored,
        Self::ReadBackSkipped,
        Self::UnconfirmedIsLanded,
        Self::TakeOverWithoutDrain,
        Self::OutcomeBeforeEffect,
        Self::EffectBeforeIntent,
        Self::DoubtRepeated,
        Self::LeaseNeverRenewed,
        Self::HandOverUnanswered,
        Self::KeyPerAttempt,
        Self::AttemptsNotCounted,
        Self::NoDeadCopy,
        Self::LeaveForAll,
        Self::StaleReadDropped,
        Self::PlaceKept,
        Self::ReleaseWithoutLook,
        Self::DeletionSkipped,
        Self::MessageIdDropped,
        Self::DigestIgnored,
        Self::StatusFromFollower,
    ];
}

#[cfg(feature = "bugs")]
std::thread_local! {
    static ON: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
    static NOTES: std::cell::RefCell<std::collections::BTreeMap<String, u64>> = const { std::cell::RefCell::new(std::collections::BTreeMap::new()) };
}

/// Switches a bug on, or all off, for what runs on this thread.
#[cfg(feature = "bugs")]
pub fn switch(bug: Option<Bug>) {
    ON.set(bug);
    NOTES.with_borrow_mut(std::collections::BTreeMap::clear);
}

/// Keeps what a process must not rely on.
#[cfg(feature = "bugs")]
pub fn note(name: String, value: u64) {
    NOTES.with_borrow_mut(|notes| notes.insert(name, value));
}

/// What was kept.
#[cfg(feature = "bugs")]
pub fn noted(name: &str) -> u64 {
    NOTES.with_borrow(|notes| notes.get(name).copied().unwrap_or(0))
}

/// Keeps nothing.
#[cfg(not(feature = "bugs"))]
pub fn note(_name: String, _value: u64) {}

/// Nothing was kept.
#[cfg(not(feature = "bugs"))]
pub const fn noted(_name: &str) -> u64 {
    0
}

/// Whether a bug is on.
#[cfg(feature = "bugs")]
pub fn is(bug: Bug) -> bool {
    ON.get() == Some(bug)
}

/// Whether a bug is on: there are none in this program.
#[cfg(not(feature = "bugs"))]
pub const fn is(_bug: Bug) -> bool {
    false
}
