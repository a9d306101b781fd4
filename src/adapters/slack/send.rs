//! Content as the calls that say it.
//!
//! Slack quotes nothing: what answers a message stands in its thread. So a message goes into its `thread`, or else into
//! the thread of the message that it answers.

use bytes::Bytes;
use channel::{Accepted, ChannelError, Login, Outgoing};
use model::{Button, Content, Format, Media};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api::Call;
use super::{Slack, blocks, ids, limits, mrkdwn};

/// The answer of `chat.postMessage`.
#[derive(Deserialize)]
struct Posted {
    channel: String,
    ts: String,
}

#[derive(Deserialize)]
struct Opened {
    channel: OpenedChannel,
}

#[derive(Deserialize)]
struct OpenedChannel {
    id: String,
}

/// The answer of `files.getUploadURLExternal`.
#[derive(Deserialize)]
struct Place {
    upload_url: String,
    file_id: String,
}

/// The answer of `files.completeUploadExternal`.
#[derive(Deserialize)]
struct Shared {
    #[serde(default)]
    files: Vec<Value>,
}

#[derive(Deserialize)]
struct FileInfo {
    file: Value,
}

impl Slack {
    pub(super) async fn post(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        let chat = self.channel_of(login, &message.chat).await?;
        let thread = self.thread_of(login, &chat, message).await;
        let post = |arguments: Map<String, Value>| {
            let call = Call::new("chat.postMessage").with_all(arguments);
            call.with("channel", chat.as_str()).with_some("thread_ts", thread.clone()).posting()
        };
        let call = match &message.content {
            Content::Image { media: Media { url: Some(url), .. }, caption } if message.file.is_none() => {
                post(picture(url, &message.content, caption.as_deref()))
            }
            Content::Image { media, caption }
            | Content::Video { media, caption }
            | Content::Audio { media, caption }
            | Content::Document { media, caption } => {
                return self.share(login, message, &chat, thread, media, caption.as_deref()).await;
            }
            Content::Voice { media } => {
                return self.share(login, message, &chat, thread, media, None).await;
            }
            content => post(arguments(content)?),
        };
        let posted: Posted = self.api.call(&login.credentials, call).await?;
        Ok(Accepted {
            provider_id: posted.ts,
            moved_to: (posted.channel != message.chat).then_some(posted.channel),
        })
    }

    /// The channel behind an address: with a person, the conversation is opened first. That it is open counts as done.
    async fn channel_of(&self, login: &Login, chat: &str) -> Result<String, ChannelError> {
        if !ids::is_user(chat) {
            return Ok(chat.to_owned());
        }
        let call = Call::new("conversations.open").with("users", chat);
        let opened: Opened = self.api.call(&login.credentials, call).await?;
        Ok(opened.channel.id)
    }

    /// The thread to write into. An answer whose message cannot be found goes out all the same.
    async fn thread_of(&self, login: &Login, chat: &str, message: &Outgoing) -> Option<String> {
        let known = message.thread.as_deref().and_then(ids::ts);
        if let Some(ts) = known.or_else(|| message.reply_to.as_deref().and_then(ids::ts)) {
            return Some(ts.to_owned());
        }
        self.ts(login, chat, message.reply_to.as_deref()?).await.ok()
    }

    /// The `ts` of one of our messages, which Slack may have to be asked for.
    pub(super) async fn ts(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
    ) -> Result<String, ChannelError> {
        if let Some(ts) = ids::ts(provider_id) {
            return Ok(ts.to_owned());
        }
        let Some(file) = ids::file(provider_id) else {
            return Err(ChannelError::permanent("message id", "it is no message of this channel"));
        };
        let file = self.file_info(login, file).await?;
        shared_ts(&file, chat)
            .ok_or_else(|| ChannelError::retry("not_shared_yet", "Slack is still at work on the file"))
    }

    pub(super) async fn file_info(&self, login: &Login, file: &str) -> Result<Value, ChannelError> {
        let call = Call::form("files.info").with("file", file);
        let info: FileInfo = self.api.call(&login.credentials, call).await?;
        Ok(info.file)
    }

    /// Uploads a file and shares it. Only the last of the three calls shows anything to anybody. Slack shares later, when
    /// it has looked into the file, so the message's `ts` is often not known yet: it is asked for once, and else the
    /// message goes by its file, by which it can be edited, deleted and reacted to all the same ([`Slack::ts`]).
    async fn share(
        &self,
        login: &Login,
        message: &Outgoing,
        chat: &str,
        thread: Option<String>,
        media: &Media,
        caption: Option<&str>,
    ) -> Result<Accepted, ChannelError> {
        let bytes = self.bytes(message, media).await?;
        let name = file_name(media, &message.content);
        let call = Call::form("files.getUploadURLExternal")
            .with("filename", name.as_str())
            .with("length", bytes.len())
            .with_some("alt_txt", matches!(message.content, Content::Image { .. }).then(|| name.clone()));
        let place: Place = self.api.call(&login.credentials, call).await?;
        self.api.upload(&place.upload_url, bytes).await?;
        let comment = caption.filter(|words| !words.trim().is_empty()).map(mrkdwn::escape);
        let call = Call::new("files.completeUploadExternal")
            .with("files", json!([{ "id": place.file_id, "title": name }]))
            .with("channel_id", chat)
            .with_some("thread_ts", thread)
            .with_some("initial_comment", comment)
            .once();
        let shared: Shared = self.api.call(&login.credentials, call).await?;
        let told = shared.files.iter().find_map(|file| shared_ts(file, chat));
        let ts = match told {
            Some(ts) => Some(ts),
            // It is sent: no error of this call may say otherwise.
            None => self.file_info(login, &place.file_id).await.ok().and_then(|file| shared_ts(&file, chat)),
        };
        Ok(Accepted {
            provider_id: ts.unwrap_or_else(|| ids::unshared(&place.file_id)),
            moved_to: (chat != message.chat).then(|| chat.to_owned()),
        })
    }

    async fn bytes(&self, message: &Outgoing, media: &Media) -> Result<Bytes, ChannelError> {
        match (&message.file, &media.url) {
            (Some(bytes), _) => Ok(bytes.clone()),
            (None, Some(url)) => self.api.fetch_link(url, limits::FILE_MAX).await,
            (None, None) => Err(ChannelError::permanent("media", "the file has neither bytes nor a link")),
        }
    }
}

/// What `chat.postMessage` and `chat.update` say, without where.
pub(super) fn arguments(content: &Content) -> Result<Map<String, Value>, ChannelError> {
    match content {
        Content::Text { text, format, buttons } => Ok(text_arguments(text, *format, buttons)),
        Content::List { text, button, sections } => {
            let mut arguments = text_arguments(text, Format::Plain, &[]);
            arguments.insert("blocks".to_owned(), blocks::list(text, button, sections).into());
            Ok(arguments)
        }
        Content::Native { body, text } => {
            let mut arguments = body.as_object().cloned().ok_or_else(|| {
                ChannelError::permanent("body", "the native message is no object of arguments")
            })?;
            if let Some(text) = text {
                arguments.entry("text").or_insert_with(|| mrkdwn::escape(text).into());
            }
            Ok(arguments)
        }
        other => {
            Err(ChannelError::permanent("unsupported", format!("{} cannot be said on Slack", other.kind())))
        }
    }
}

fn text_arguments(text: &str, format: Format, buttons: &[Vec<Button>]) -> Map<String, Value> {
    let written = mrkdwn::write(text, format);
    let mut arguments = Map::new();
    let rows = blocks::buttons(buttons);
    if !rows.is_empty() {
        let all: Vec<_> = blocks::sections(&written).into_iter().chain(rows).collect();
        arguments.insert("blocks".to_owned(), all.into());
    }
    if !written.marked && mrkdwn::has_marks(&written.plain) {
        arguments.insert("mrkdwn".to_owned(), false.into());
    }
    arguments.insert("text".to_owned(), written.text.into());
    arguments
}

/// What `chat.update` says. It cannot switch marks off as a new message can, so characters that could be marks go into
/// blocks of plain text; and blocks that stand there already go only when they are told to.
pub(super) fn update_arguments(content: &Content) -> Result<Map<String, Value>, ChannelError> {
    let mut arguments = match content {
        Content::Image { caption, .. }
        | Content::Video { caption, .. }
        | Content::Audio { caption, .. }
        | Content::Document { caption, .. } => {
            let caption = mrkdwn::escape(caption.as_deref().unwrap_or_default());
            return Ok(Map::from_iter([("text".to_owned(), caption.into())]));
        }
        content => arguments(content)?,
    };
    let unmarked = arguments.remove("mrkdwn").is_some();
    if let Content::Text { text, format, .. } = content
        && !arguments.contains_key("blocks")
    {
        let sections = unmarked.then(|| blocks::sections(&mrkdwn::write(text, *format)));
        arguments.insert("blocks".to_owned(), sections.unwrap_or_default().into());
    }
    Ok(arguments)
}

/// A picture that Slack fetches by itself.
fn picture(url: &str, content: &Content, caption: Option<&str>) -> Map<String, Value> {
    let caption = caption.filter(|words| !words.trim().is_empty());
    let media = content.media();
    let name = media.and_then(|media| media.name.as_deref()).unwrap_or("image");
    let mut arguments = text_arguments(caption.unwrap_or(name), Format::Plain, &[]);
    let words = caption.map(|words| blocks::sections(&mrkdwn::write(words, Format::Plain)));
    let all: Vec<_> = words.into_iter().flatten().chain([blocks::image(url, name)]).collect();
    arguments.insert("blocks".to_owned(), all.into());
    arguments
}

/// Where a file was shared in `chat`.
fn shared_ts(file: &Value, chat: &str) -> Option<String> {
    let shares = file.get("shares")?;
    let of = |reach: &str| shares.get(reach)?.get(chat)?.get(0)?.get("ts")?.as_str();
    of("private").or_else(|| of("public")).map(str::to_owned)
}

/// Slack shows a file by its name's ending, so one without a name gets a fitting one.
fn file_name(media: &Media, content: &Content) -> String {
    if let Some(name) = media.name.as_deref().filter(|name| !name.trim().is_empty()) {
        return name.to_owned();
    }
    let mime = media.mime.as_deref().unwrap_or_default();
    let ending = match mime.split(';').next().unwrap_or_default() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "video/mp4" => "mp4",
        "audio/mpeg" => "mp3",
        "audio/mp4" | "audio/x-m4a" => "m4a",
        "audio/ogg" => "ogg",
        "application/pdf" => "pdf",
        _ => "bin",
    };
    format!("{}.{ending}", content.kind())
}
