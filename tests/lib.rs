//! What the whole is tested with: providers that run inside a test.

pub mod harness;
pub mod servers;
pub mod simulators;
