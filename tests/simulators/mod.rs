//! Providers that run inside a test.

pub mod meta;
pub mod pages;
pub mod telegram;
pub mod whatsapp_cloud;
