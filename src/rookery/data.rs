//! The data folder of an embedded installation: database, key file, first API key, and the lock that keeps it to one
//! process.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::Ids;
use store::{DataLock, Sealer, StoreError};

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// It cannot be read or written.
    #[error("{path}: {error}; set ROOKERY_DATA to a folder that this user may write to")]
    Io {
        /// What.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// Somebody else is using it, or it cannot be locked.
    #[error("{0}; stop that process, or set ROOKERY_DATA to another folder")]
    Locked(#[from] StoreError),
}

/// A data folder, kept to this process for as long as this lives.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    #[expect(dead_code, reason = "held, not read: the lock ends with it")]
    lock: Option<DataLock>,
}

impl DataFolder {
    /// Makes the folder if it is not there, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let folder = Self::visit(path)?;
        Ok(Self { lock: Some(DataLock::take(path)?), ..folder })
    }

    /// The folder without its lock: for a short visit beside the process that serves.
    pub(crate) fn visit(path: &Path) -> Result<Self, DataError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| io_error(path, error))?;
        Ok(Self { path: path.to_owned(), lock: None })
    }

    /// Where the folder is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("rookery.db")
    }

    /// The first API key's file.
    pub(crate) fn api_key(&self) -> PathBuf {
        self.path.join("api-key")
    }

    /// The sandbox's accounts.
    pub(crate) fn sandbox(&self) -> PathBuf {
        self.path.join("sandbox.json")
    }

    /// The text of the encryption key: what is given, else what the key file says, else a new one in a new file.
    pub(crate) fn encryption_key(&self, given: Option<&str>, ids: &Ids) -> Result<String, DataError> {
        if let Some(key) = given {
            return Ok(key.to_owned());
        }
        let path = self.path.join("encryption-key");
        match fs::read_to_string(&path) {
            Ok(key) => Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Sealer::generate(ids);
                write_secret(&path, &key)?;
                Ok(key)
            }
            Err(error) => Err(io_error(&path, error)),
        }
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_secret(path: &Path, secret: &str) -> Result<(), DataError> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&partial)?;
        writeln!(file, "{secret}")?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|error| io_error(path, error))
}

fn io_error(path: &Path, error: io::Error) -> DataError {
    DataError::Io { path: path.display().to_string(), error }
}
