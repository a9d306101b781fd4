//! One process a data folder: with an embedded database, the queue lives in the memory of the process that serves it,
//! and a second one would send what the first one sends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use crate::StoreError;

/// The exclusive right to serve a data folder. It ends when this is dropped, and with the process, however that ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the folder, which must exist. [`StoreError::Locked`] when another process serves it.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("lock");
        let cannot = |error: &dyn std::fmt::Display| StoreError::Folder {
            folder: folder.to_owned(),
            error: error.to_string(),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| cannot(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is only helps the reader; the lock itself says that there is one.
                drop(file.read_to_string(&mut holder));
                return Err(StoreError::Locked {
                    folder: folder.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(cannot(&error)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "process {}", std::process::id()))
            .map_err(|error| cannot(&error))?;
        Ok(Self { _file: file })
    }
}
