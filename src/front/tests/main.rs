//! The front through its router, over a real store on SQLite and lanes in memory; the provider is a fake.

mod accounts;
mod core;
mod support;
