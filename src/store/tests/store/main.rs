//! The store's promises, each on `SQLite` and on Postgres.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod accept;
mod accounts;
mod actions;
mod attempts;
mod batch;
mod bench;
mod changes;
mod echoes;
mod events;
mod inbound;
mod leases;
mod listings;
mod media;
mod outside;
mod owners;
mod pending;
mod receipts;
mod schema;
mod speed;
mod tenants;
mod upkeep;
