//! Providers that run inside a test.

pub mod meta;
pub mod telegram;
