//! The broker of the simulation alone, for whoever compares it with a real one.

use std::sync::Arc;

use backbone::requests::Line;
use proto::id::{Epoch, WorkerId};
use worker::desk::Arrival;
use worker::port::Broker;

use crate::broker::SimBroker;
use crate::line::SimLine;
use crate::outside;
use crate::state::State;
use crate::world::World;

/// A broker in memory, with which nothing goes wrong.
#[derive(Debug, Clone)]
pub struct Model {
    world: World,
}

impl Default for Model {
    /// An empty one; inside a runtime whose clock stands still.
    fn default() -> Self {
        let mut state = State::new(0, false);
        state.is_faulty = false;
        Self { world: World::new(state) }
    }
}

impl Model {
    /// As workers see it.
    pub fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(SimBroker::new(self.world.clone(), &WorkerId::of_random([7; 8])))
    }

    /// As gateways and publishers see it.
    pub fn line(&self) -> Line {
        Line::Stage(Arc::new(SimLine::new(self.world.clone(), "somebody".to_owned(), "publisher")))
    }

    /// The stream of events.
    pub fn epoch(&self) -> Epoch {
        self.world.state().epoch
    }

    /// The next delivery, where one is due.
    pub fn deliver(&self) -> Option<Arrival> {
        let mut state = self.world.state();
        outside::ring(&mut state);
        state.deliver()
    }
}
