//! The data folder of an embedded installation: database, key file, first API key, and the lock that keeps it to one
//! process.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::Ids;
use store::{DataLock, Sealer, SealerError, StoreError};

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
    /// What was sealed in the database cannot be opened without its key.
    #[error(
        "{path} is gone, and the database beside it was sealed with that key: put the file back, or set \
         ROOKERY_ENCRYPTION_KEY to what it said; to begin anew, move the folder away"
    )]
    KeyGone {
        /// Where it was.
        path: String,
    },
    /// The key file says something else.
    #[error(
        "{path} holds no usable key: {error}; put back the file as it was written, or set ROOKERY_ENCRYPTION_KEY"
    )]
    Key {
        /// Which file.
        path: String,
        /// What is wrong with it.
        error: SealerError,
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

    /// The folder as it is, for who only looks; none when there is none.
    pub(crate) fn find(path: &Path) -> Option<Self> {
        path.is_dir().then(|| Self { path: path.to_owned(), lock: None })
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
        if let Some(key) = self.known_key(given)? {
            return Ok(key);
        }
        let key = Sealer::generate(ids);
        write_secret(&self.key_file(), &key)?;
        Ok(key)
    }

    /// The same without making one: none when the folder has neither key nor database yet.
    pub(crate) fn known_key(&self, given: Option<&str>) -> Result<Option<String>, DataError> {
        if let Some(key) = given {
            return Ok(Some(key.to_owned()));
        }
        let file = self.key_file();
        let path = || file.display().to_string();
        match fs::read(&file) {
            Ok(bytes) => {
                let key = String::from_utf8_lossy(&bytes).into_owned();
                Sealer::parse(&key).map_err(|error| DataError::Key { path: path(), error })?;
                Ok(Some(key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.database().exists() {
                    Err(DataError::KeyGone { path: path() })
                } else {
                    Ok(None)
                }
            }
            Err(error) => Err(io_error(&file, error)),
        }
    }

    fn key_file(&self) -> PathBuf {
        self.path.join("encryption-key")
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
