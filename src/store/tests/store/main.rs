//! The store's promises, each on `SQLite` and on Postgres.

mod accept;
mod accounts;
mod attempts;
mod bench;
mod echoes;
mod events;
mod inbound;
mod leases;
mod listings;
mod outside;
mod pending;
mod receipts;
mod schema;
mod speed;
mod tenants;
mod upkeep;
