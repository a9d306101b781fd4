//! The front through its router, over a real store on SQLite and lanes in memory; the provider is a fake.

mod accounts;
mod contract;
mod core;
mod limits;
mod stream;
mod support;
