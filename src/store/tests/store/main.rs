//! The store's promises, each on `SQLite` and on Postgres.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod accept;
mod accounts;
mod actions;
mod ahead;
mod attempts;
mod batch;
mod bench;
mod changes;
mod channel_apps;
mod contacts;
mod echoes;
mod events;
mod holds;
mod inbound;
mod leases;
mod listings;
mod media;
mod oauth;
mod outside;
mod owners;
mod pacing;
mod pending;
mod pins;
mod receipts;
mod refreshes;
mod responses;
mod schema;
mod sessions;
mod speed;
mod stops;
mod templates;
mod tenants;
mod together;
mod upkeep;
