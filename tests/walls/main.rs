//! What holds the house together and what may come in, by cargo's own account.

mod cargo;
mod licences;
mod parts;
