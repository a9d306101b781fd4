//! What the whole is tested with: providers that run inside a test.

#[path = "bench/kit/mod.rs"]
pub mod bench;
pub mod harness;
pub mod servers;
pub mod simulators;
