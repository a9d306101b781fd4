//! What holds the house together and what may come in, by cargo's own account.

mod cargo;
mod faults;
mod licences;
mod parts;
