//! Pacing seen from outside: a lane of its own drives it, and a judge that knows only the table counts over the trace.

mod bound;
mod calendar;
mod campaigns;
mod contacts;
mod habits;
mod judge;
mod ledger;
mod mutants;
mod plan;
mod profiles;
mod queue;
mod rates;
mod scenes;
mod spacing;
mod table;
mod trace;
mod vary;
mod workloads;
mod world;
