//! A value that can be replaced while it is used.
//!
//! Whoever holds a clone sees the newest; whoever has begun with one goes on with it.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that all clones share. Reading it costs a lock that nobody holds for long.
#[derive(Debug, Default)]
pub struct Shared<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    /// A first value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The newest value.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another value in its place.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }

    /// Puts another's value in its place.
    pub fn take(&self, other: &Self) {
        let value = other.get();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;

    #[test]
    fn clones_see_the_newest_and_what_was_read_stays() {
        let shared = Shared::new(1);
        let (clone, read) = (shared.clone(), shared.get());
        clone.set(2);
        assert_eq!((*read, *shared.get()), (1, 2));
    }
}
