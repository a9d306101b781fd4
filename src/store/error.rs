//! What can go wrong in the store, by what a caller can do about it.

/// Why the store did not do as it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer or broke off: try again.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("the database could not be migrated: {0}")]
    Migration(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(&'static str),
    /// The data folder cannot be used.
    #[error("the folder {} cannot be used: {error}", folder.display())]
    Folder {
        /// Which one.
        folder: std::path::PathBuf,
        /// What the operating system says.
        error: String,
    },
    /// Another process serves the data folder.
    #[error(
        "the folder {} is in use by another rookery ({holder}); stop that one, or give this one another folder",
        folder.display()
    )]
    Locked {
        /// Which one.
        folder: std::path::PathBuf,
        /// Who has it, as far as it says.
        holder: String,
    },
    /// There is no such row in this workspace.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The row exists, but not in a state that allows this.
    #[error("{0}")]
    Conflict(String),
    /// What the change was made from is not as it was: look again, and decide anew.
    #[error("it was changed by somebody else in the meantime")]
    Changed,
    /// A value of the request does not fit what is stored.
    #[error("{field}: {message}")]
    Invalid {
        /// Its path in the request.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The idempotency key came before with another request.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// A row holds what this release cannot read.
    #[error("a row cannot be read: {0}")]
    Unreadable(String),
    /// A secret could not be opened with the keys at hand.
    #[error("a sealed value cannot be opened: {0}")]
    Sealed(#[from] crate::SealerError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Decode(error) => Self::Unreadable(error.to_string()),
            // What Postgres says about a NUL in a text or in JSON; trying again would not help.
            sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("22021" | "22P05")) => {
                Self::invalid("body", "must not contain the character U+0000")
            }
            sqlx::Error::ColumnDecode { index, source } => Self::Unreadable(format!("{index}: {source}")),
            error => Self::Unavailable(error),
        }
    }
}

impl From<model::UnknownWord> for StoreError {
    fn from(error: model::UnknownWord) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl StoreError {
    pub(crate) fn invalid(field: &'static str, message: &str) -> Self {
        Self::Invalid { field, message: message.to_owned() }
    }

    /// Whether the database as a whole is away or cannot write: then no row is to blame, and another one would fare no
    /// better.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(error) if is_outage(error))
    }

    /// Whether no connection was to be had in all the time that one waits for it.
    pub(crate) fn is_without_connection(&self) -> bool {
        matches!(self, Self::Unavailable(sqlx::Error::PoolTimedOut))
    }

    /// The same about a row, for another caller who asked for it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Sealed(error) => Self::Sealed(error.clone()),
            Self::Unreadable(words) => Self::Unreadable(words.clone()),
            error => Self::Unreadable(error.to_string()),
        }
    }

    /// Whether a unique index refused the row.
    pub(crate) fn is_unique(&self) -> bool {
        matches!(self, Self::Unavailable(error) if Self::is_duplicate(error))
    }

    /// Whether a unique index refused the row.
    pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }
}

fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        // Where one transaction carries many callers' rows, its failure is told on in words.
        | sqlx::Error::AnyDriverError(_) => true,
        sqlx::Error::Database(error) => {
            let code = error.code();
            let code = code.as_deref().unwrap_or_default();
            // Codes of Postgres have five places, and SQLite's are numbers below.
            if code.len() == 5 { says_postgres(code) } else { code.parse().is_ok_and(says_sqlite) }
        }
        _ => false,
    }
}

/// Busy, locked, no memory, read-only, an I/O error, a full disk, no file, a broken lock protocol; the lowest byte says it.
fn says_sqlite(code: u32) -> bool {
    matches!(code & 0xff, 5 | 6 | 7 | 8 | 10 | 13 | 14 | 15)
}

/// Connections, resources (a full disk among them), an operator or a start in between, I/O; a server that only reads.
fn says_postgres(code: &str) -> bool {
    ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || matches!(code, "25006" | "25P03")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_server_that_starts_are_outages_and_a_wrong_row_is_none() {
        for sqlite in [5, 13, 778, 266, 1032] {
            assert!(says_sqlite(sqlite), "{sqlite}");
        }
        for sqlite in [1, 19, 20, 787, 2067] {
            assert!(!says_sqlite(sqlite), "{sqlite}");
        }
        for postgres in ["57P03", "53100", "08006", "58030", "25006"] {
            assert!(says_postgres(postgres), "{postgres}");
        }
        for postgres in ["23505", "22021", "40P01", "42P01"] {
            assert!(!says_postgres(postgres), "{postgres}");
        }
        assert!(is_outage(&sqlx::Error::PoolTimedOut));
        assert!(!is_outage(&sqlx::Error::RowNotFound));
    }
}
