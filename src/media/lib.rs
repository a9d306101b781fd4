//! Files that messages carry: where they lie, what they really are, and links to them that end by themselves.
//!
//! A file is written once under a key of its own and never changed. Bytes pass through in pieces, so that a large file
//! costs no more memory than a small one. What a file is called and whether it may be used is a row's business.

mod connector;
mod error;
mod kind;
mod link;
mod place;
mod store;
#[cfg(test)]
mod tests;

/// The largest file that is kept, in bytes: what the largest of all channels takes, and what a worker can hold.
pub const LARGEST: u64 = 100 * 1024 * 1024;

pub use error::{MediaError, PutError};
pub use kind::is_mime;
pub use link::{Links, SignedLink, check_public};
pub use outbound::Error as LinkError;
pub use place::{MediaPlace, PlaceError};
pub use store::{MediaStore, Reading, Stored};
