//! Which messages say the same: what the rule about identical texts looks at.

use model::{AccountId, Content, MessageId};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::db::{read, statements};
use crate::{Store, StoreError};

statements! {
    QUEUED = "SELECT id FROM messages WHERE account_id = $1 AND text_hash = $2 AND status = 'queued'
        AND text_hash IS NOT NULL ORDER BY id LIMIT $3";
}

/// A hash of a content's words as they are sent, none where it has none: the first 8 bytes of their SHA-256. Case and white
/// space count for nothing: what looks the same to people is the same to whoever looks for machines.
pub fn text_hash(content: &Content) -> Option<u64> {
    let words: Vec<String> = content.words()?.split_whitespace().map(str::to_lowercase).collect();
    let digest = Sha256::digest(words.join(" "));
    digest.first_chunk().map(|first| u64::from_be_bytes(*first))
}

/// The hash as rows have it.
pub(crate) fn to_row(hash: u64) -> Vec<u8> {
    hash.to_be_bytes().to_vec()
}

/// The hash from a row.
pub(crate) fn from_row(bytes: Option<Vec<u8>>) -> Option<u64> {
    Some(u64::from_be_bytes(bytes?.try_into().ok()?))
}

impl Store {
    /// The account's queued campaign messages that say this, oldest first.
    pub async fn queued_with_text(
        &self,
        account: AccountId,
        hash: u64,
        most: u32,
    ) -> Result<Vec<MessageId>, StoreError> {
        let ids: Vec<Uuid> = read!(self.db, conn => sqlx::query_scalar(QUEUED)
            .bind(account.0).bind(to_row(hash)).bind(i64::from(most)).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(Into::into).collect())
    }
}
