//! Providers that run inside a test.

pub mod meta;
pub mod telegram;
pub mod whatsapp_cloud;
