//! Providers that run inside a test.

pub mod discord;
pub mod slack;
pub mod telegram;
pub mod tiktok;
