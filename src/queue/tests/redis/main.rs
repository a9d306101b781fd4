//! The Redis engine against a real server: what only it has, and what it shares with the memory engine.

mod basics;
mod loss;
mod server;
mod wakes;
