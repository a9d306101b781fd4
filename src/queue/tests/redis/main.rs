//! The Redis engine against a real server: what only it has, and what it shares with the memory engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod basics;
mod judge;
mod loss;
mod promises;
mod random;
mod server;
mod speed;
mod wakes;
