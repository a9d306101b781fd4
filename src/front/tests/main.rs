//! The front through its router, over a real store on SQLite and lanes in memory; the provider is a fake.

#[cfg(test)]
mod accounts;
mod audit;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod channel_apps;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod core;
#[cfg(test)]
mod dead_jobs;
#[cfg(test)]
mod files;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod support;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod windows;
