//! Files: uploaded to Meta before they are sent, downloaded in two steps after they were received.

use async_trait::async_trait;
use bytes::Bytes;
use channel::{ChannelError, Login, MediaFetcher};
use model::{Content, Media};
use serde::Deserialize;
use serde_json::Value;

use super::{WhatsAppCloud, limits};
use crate::graph::{Call, File, too_large};

/// The answer to an upload.
#[derive(Deserialize)]
struct Uploaded {
    id: String,
}

/// What lies behind a media id. The address is good for five minutes, so it is never kept.
#[derive(Deserialize)]
struct Located {
    url: String,
    #[serde(default, deserialize_with = "number")]
    file_size: Option<u64>,
}

impl WhatsAppCloud {
    /// Uploads a file of ours; its handle at Meta is good for 30 days.
    pub(super) async fn upload(
        &self,
        login: &Login,
        content: &Content,
        bytes: &Bytes,
    ) -> Result<String, ChannelError> {
        let media = content.media().cloned().unwrap_or_default();
        let mime = media.mime.clone().unwrap_or_else(|| usual_mime(content).to_owned());
        let name = media.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "file".to_owned());
        let fields = vec![("messaging_product", "whatsapp".to_owned()), ("type", mime.clone())];
        let file = File { field: "file", name, mime, bytes: bytes.clone() };
        let call = Call::post([super::number(login)?, "media"]).form(fields, file);
        let uploaded: Uploaded = self.call(login, call).await?;
        Ok(uploaded.id)
    }
}

#[async_trait]
impl MediaFetcher for WhatsAppCloud {
    async fn fetch(&self, login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let max_bytes = max_bytes.min(limits::MAX_DOWNLOAD);
        let id = media
            .provider_ref
            .as_deref()
            .filter(|id| !id.is_empty())
            .ok_or_else(|| ChannelError::permanent("media", "the file has no handle at Meta"))?;
        let call = Call::get([id]).query("phone_number_id", super::number(login)?);
        let located: Located = self.call(login, call).await?;
        if located.file_size.is_some_and(|size| size > max_bytes) {
            return Err(too_large(max_bytes));
        }
        self.graph.download(login.credentials.get(super::TOKEN), &located.url, max_bytes).await
    }
}

/// What a file is taken for that nobody has said anything of.
fn usual_mime(content: &Content) -> &'static str {
    match content {
        Content::Image { .. } => "image/jpeg",
        Content::Video { .. } => "video/mp4",
        Content::Audio { .. } => "audio/mpeg",
        Content::Voice { .. } => "audio/ogg",
        Content::Sticker { .. } => "image/webp",
        _ => "application/octet-stream",
    }
}

/// A number that Meta writes as one or as text.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}
