//! What an ability does to the world.
