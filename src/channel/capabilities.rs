//! What a network can do and how much of it, as data with sources.

use std::time::Duration;

use model::{Content, ContentKind, Timestamp};
use serde::Serialize;

use crate::ContentProblem;

/// What a network can do. Serialised as it is in `GET /v1/channels`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact, read by name")]
pub struct Capabilities {
    /// Kinds of content that can be sent.
    pub sends: Vec<ContentKind>,
    /// Longest text, counted in `text_unit`.
    pub text_max: usize,
    /// What `text_max` counts.
    pub text_unit: TextUnit,
    /// Longest caption, in the same unit.
    pub caption_max: usize,
    /// Kinds of files that can carry words.
    pub captions: Vec<ContentKind>,
    /// Files, by kind.
    pub media: Vec<MediaLimit>,
    /// Whether buttons can be sent under a text.
    pub buttons: bool,
    /// Whether a message can answer another one.
    pub replies: bool,
    /// Whether a message of ours can be changed.
    pub edits: bool,
    /// Whether a message of ours can be taken back.
    pub deletes: bool,
    /// Whether we can react.
    pub reactions: bool,
    /// Whether typing can be shown.
    pub typing: bool,
    /// Whether we learn that a message arrived or was read.
    pub receipts: bool,
    /// Whether the provider recognises a repeated call by our message id.
    pub deduplicates: bool,
    /// How many messages of one account may be under way at once. 1 where an account must look like one person.
    pub width: u32,
    /// How an account of this network is paced.
    pub pacing: Pacing,
    /// The provider's own limits.
    pub limits: Vec<Limit>,
    /// For how long after the other side wrote one may write to it; none: always.
    pub window: Option<Window>,
}

/// The time after the other side wrote in which a provider lets one answer freely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Seconds for everybody.
    pub seconds: u64,
    /// Seconds for a person (`origin` agent), where that is longer.
    pub person_seconds: Option<u64>,
    /// Whether a template of the provider may be sent after it.
    pub templates_after: bool,
    /// Where the provider says so.
    pub source: &'static str,
    /// The day on which that was read, `YYYY-MM-DD`.
    pub read_on: &'static str,
}

/// How an account is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pacing {
    /// Like a person at a phone: gaps, typing, caps, warm-up. Where the network bans what looks like a machine.
    Person,
    /// As fast as the provider's own limits allow.
    Provider,
}

/// What the length of a text is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextUnit {
    /// Unicode scalar values.
    Chars,
    /// UTF-16 code units.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

/// How large a file of one kind may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaLimit {
    /// The kind of content.
    pub kind: ContentKind,
    /// Most bytes that we may upload.
    pub max_bytes: u64,
    /// MIME types that are taken; `image/*` admits all of a family, an empty list admits all.
    pub mimes: Vec<&'static str>,
}

/// One limit of the provider: at most `count` in every window of `seconds`, or that rate with something saved up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// The rule's name.
    pub name: &'static str,
    /// What it counts for.
    pub scope: LimitScope,
    /// How many.
    pub count: u32,
    /// In how long.
    pub seconds: f64,
    /// None: the windows slide, and every one of them holds. Otherwise a token bucket: one send for each
    /// `seconds` / `count`, and so many saved up while nothing is sent.
    pub burst: Option<u32>,
    /// Where the provider says so.
    pub source: &'static str,
    /// The day on which that was read, `YYYY-MM-DD`.
    pub read_on: &'static str,
}

/// What a limit counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitScope {
    /// All sends of the account.
    Account,
    /// Sends to one chat of the account.
    Chat,
    /// Sends to one group of the account.
    Group,
}

impl Window {
    /// When it closes for one who wrote at `wrote_at`, for a person or for a machine.
    pub fn closes(&self, wrote_at: Timestamp, by_person: bool) -> Timestamp {
        let seconds = self.person_seconds.filter(|_| by_person).unwrap_or(self.seconds);
        wrote_at + Duration::from_secs(seconds)
    }

    /// Whether this may be sent after it closed.
    pub fn admits_after(&self, content: &Content) -> bool {
        self.templates_after && content.kind() == ContentKind::ProviderTemplate
    }
}

impl TextUnit {
    /// The length of `text` in this unit.
    pub fn length(self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Bytes => text.len(),
        }
    }
}

impl MediaLimit {
    fn takes(&self, mime: &str) -> bool {
        let essence = mime.split(';').next().unwrap_or_default().trim();
        self.mimes.is_empty()
            || self.mimes.iter().any(|taken| match taken.strip_suffix('*') {
                Some(family) => essence.starts_with(family),
                None => essence == *taken,
            })
    }
}

impl Capabilities {
    /// The most bytes that a file of this kind may have, where there is a limit.
    pub fn largest(&self, kind: ContentKind) -> Option<u64> {
        self.media.iter().find(|limit| limit.kind == kind).map(|limit| limit.max_bytes)
    }

    /// Compares a file of ours with these capabilities, by what is known of its bytes rather than by what was told.
    pub fn check_file(&self, kind: ContentKind, mime: &str, size: u64) -> Result<(), ContentProblem> {
        let problem =
            |code, message| Err(ContentProblem { field: "media.media_id".to_owned(), code, message });
        let Some(limit) = self.media.iter().find(|limit| limit.kind == kind) else { return Ok(()) };
        if size > limit.max_bytes {
            let max = limit.max_bytes;
            return problem(
                "too_long",
                format!("the file has {size} bytes; as {kind} this channel takes {max}"),
            );
        }
        if !limit.takes(mime) {
            let taken = limit.mimes.join(", ");
            return problem(
                "unsupported",
                format!("the file is {mime}; as {kind} this channel takes {taken}"),
            );
        }
        Ok(())
    }

    /// Compares content with these capabilities.
    pub fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        let problem =
            |field: &str, code, message| Err(ContentProblem { field: field.to_owned(), code, message });
        let kind = content.kind();
        if !self.sends.contains(&kind) {
            let can: Vec<_> = self.sends.iter().map(|kind| kind.as_str()).collect();
            return problem(
                "type",
                "unsupported",
                format!("this channel cannot send {kind}; it can send {}", can.join(", ")),
            );
        }
        if let Content::Text { text, buttons, .. } = content {
            if text.trim().is_empty() {
                return problem("text", "empty", "a text needs at least one visible character".to_owned());
            }
            if !buttons.is_empty() && !self.buttons {
                return problem("buttons", "unsupported", "this channel has no buttons".to_owned());
            }
        }
        if let Some(words) = content.words() {
            let is_caption = content.media().is_some();
            let (field, max) =
                if is_caption { ("caption", self.caption_max) } else { ("text", self.text_max) };
            if is_caption && !self.captions.contains(&kind) {
                return problem("caption", "unsupported", format!("on this channel {kind} carries no words"));
            }
            let length = self.text_unit.length(words);
            if length > max {
                return problem(field, "too_long", format!("{length} is over this channel's limit of {max}"));
            }
        }
        if let Content::Location { latitude, longitude, .. } = content {
            if !(-90.0..=90.0).contains(latitude) {
                return problem("latitude", "out_of_range", "must lie within -90 and 90".to_owned());
            }
            if !(-180.0..=180.0).contains(longitude) {
                return problem("longitude", "out_of_range", "must lie within -180 and 180".to_owned());
            }
        }
        if let Some(media) = content.media() {
            if media.media_id.is_some() == media.url.is_some() {
                return problem("media", "invalid", "give either `media_id` or `url`".to_owned());
            }
            if let (Some(limit), Some(size)) =
                (self.media.iter().find(|limit| limit.kind == kind), media.size)
                && size > limit.max_bytes
            {
                let max = limit.max_bytes;
                return problem("media.size", "too_long", format!("{size} bytes is over the limit of {max}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_takes_what_it_lists() {
        let limit = |mimes: &[&'static str]| MediaLimit {
            kind: ContentKind::Image,
            max_bytes: 1,
            mimes: mimes.to_vec(),
        };
        assert!(limit(&[]).takes("image/png"));
        assert!(limit(&["image/*"]).takes("image/png"));
        assert!(limit(&["audio/ogg"]).takes("audio/ogg; codecs=opus"));
        assert!(!limit(&["image/*"]).takes("video/mp4"));
        assert!(!limit(&["image/jpeg"]).takes("image/png"));
    }
}
