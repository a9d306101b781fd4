//! Providers that run inside a test.

pub mod slack;
pub mod telegram;
