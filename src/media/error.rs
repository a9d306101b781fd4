//! What can go wrong with a file, by what a caller can do about it.

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// There is no such file.
    #[error("the file is not there")]
    NotFound,
    /// The file is larger than the caller allows.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// What was allowed, in bytes.
        limit: u64,
    },
    /// The place where files lie does not answer, or refuses: try again.
    #[error("the place of media files does not do its work: {0}")]
    Unavailable(#[source] object_store::Error),
    /// The place where files lie cannot be used at all.
    #[error("the place of media files cannot be used: {0}; see ROOKERY_MEDIA_URL")]
    Place(String),
}

impl From<object_store::Error> for MediaError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error => Self::Unavailable(error),
        }
    }
}

/// Why a file could not be taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum PutError<E> {
    /// Whoever sends it broke off.
    #[error("the file broke off: {0}")]
    Source(E),
    /// It could not be written, or is too large.
    #[error(transparent)]
    Media(#[from] MediaError),
}
