//! Providers that run inside a test.

pub mod discord;
pub mod meta;
pub mod pages;
pub mod slack;
pub mod telegram;
pub mod tiktok;
pub mod whatsapp_cloud;
