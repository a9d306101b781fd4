//! The store's promises, each on `SQLite` and on Postgres.

mod bench;
mod schema;
