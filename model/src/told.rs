//! Tells the pieces of an answer on, and that they are void when the question is asked anew.

use crate::answer::Delta;

/// Who hears the pieces.
pub(crate) struct Told<'a> {
    hears: &'a mut (dyn FnMut(Delta) + Send),
    heard: bool,
}

impl<'a> Told<'a> {
    pub(crate) fn new(hears: &'a mut (dyn FnMut(Delta) + Send)) -> Self {
        Self { hears, heard: false }
    }

    pub(crate) fn piece(&mut self, delta: Delta) {
        self.heard = true;
        (self.hears)(delta);
    }

    /// A call begins: what was told of the one before is void.
    pub(crate) fn anew(&mut self) {
        if std::mem::take(&mut self.heard) {
            (self.hears)(Delta::Restart);
        }
    }
}
