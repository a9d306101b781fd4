//! Files in memory: the bytes that go out with a message, and how many files may be held at once.

use std::sync::Arc;
use std::time::Duration;

use channel::Channel;
use media::{LARGEST, MediaError};
use model::{Content, MediaState, WorkspaceId};
use store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::App;

const MIB: u64 = 1024 * 1024;
/// What the files in memory of a process may weigh together; more wait for their turn.
const MEMORY: u32 = 512;

/// After so long a place of files that did not answer is asked again.
pub(crate) const REST: Duration = Duration::from_secs(5);

/// Room for files in memory.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Arc<Semaphore>);

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY as usize)))
    }
}

impl Memory {
    /// Waits until there is room for so many bytes, and keeps it until the answer is dropped.
    pub(crate) async fn room(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let weight = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(MEMORY).clamp(1, MEMORY);
        // The semaphore is never closed.
        Arc::clone(&self.0).acquire_many_owned(weight).await.ok()
    }
}

/// The file of a message, loaded.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// The message's content with what is known of the file.
    pub(crate) content: Content,
    /// Its bytes.
    pub(crate) bytes: bytes::Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why the file of a message is not at hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachmentError {
    /// The message can never be sent with it.
    #[error("{0}")]
    Never(String),
    /// It may be there later.
    #[error("{0}")]
    Later(String),
}

impl App {
    /// Loads the file of ours that content names, bounded by what the channel takes; none when it names none.
    pub(crate) async fn attachment(
        &self,
        channel: &dyn Channel,
        workspace: WorkspaceId,
        content: &Content,
    ) -> Result<Option<Attachment>, AttachmentError> {
        let Some(id) = content.media().and_then(|media| media.media_id) else { return Ok(None) };
        let file = match self.store.media_file(workspace, id).await {
            Ok(file) => file,
            Err(StoreError::NotFound(_)) => {
                return Err(AttachmentError::Never("media_not_found: there is no such file".to_owned()));
            }
            Err(error) => return Err(AttachmentError::Later(error.to_string())),
        };
        if file.state != MediaState::Stored {
            let state = file.state;
            return Err(AttachmentError::Never(format!("media_not_stored: the file is {state}")));
        }
        let limit = channel.capabilities().largest(content.kind()).unwrap_or(LARGEST).min(LARGEST);
        let size = file.size.unwrap_or(limit);
        let room = self.memory.room(size.min(limit)).await;
        let bytes = self.media.read(&file.key(), limit).await.map_err(|error| match error {
            MediaError::NotFound => {
                AttachmentError::Never("media_lost: the file's bytes are gone".to_owned())
            }
            MediaError::TooLarge { limit } => {
                AttachmentError::Never(format!("media_too_large: this channel takes {limit} bytes"))
            }
            error => AttachmentError::Later(error.to_string()),
        })?;
        let mut content = content.clone();
        if let Some(media) = content.media_mut() {
            media.mime = file.mime;
            media.name = media.name.take().or(file.name);
            media.size = Some(bytes.len() as u64);
        }
        Ok(Some(Attachment { content, bytes, _room: room }))
    }
}
