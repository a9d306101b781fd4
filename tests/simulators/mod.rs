//! Providers that run inside a test.

pub mod telegram;
pub mod tiktok;
