//! What Slack allows, as data. A workspace's whole rate has no figure: Slack answers 429 with a time.

use channel::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit};
use model::ContentKind;

/// How many sends of one app in one workspace may be under way at once.
pub(crate) const WIDTH: u32 = 20;

/// Sends of one app in one workspace. A chat is a channel, whoever is in it.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "channel_second",
    scope: LimitScope::Chat,
    count: 1,
    seconds: 1.0,
    burst: None,
    source: "https://docs.slack.dev/apis/web-api/rate-limits",
    read_on: "2026-11-20",
}];

/// A longer text is cut by Slack (<https://docs.slack.dev/reference/methods/chat.postMessage>).
const TEXT_MAX: usize = 40_000;
/// What Slack advises for a text; a file's comment has no figure of its own.
const CAPTION_MAX: usize = 4_000;
/// Slack takes 1 GB; bytes are held in memory here, so this limit is ours.
pub(super) const FILE_MAX: u64 = 100 * 1024 * 1024;

pub(super) fn capabilities() -> Capabilities {
    let files = [ContentKind::Image, ContentKind::Video, ContentKind::Audio, ContentKind::Document];
    let media =
        |kind, mimes: &[&'static str]| MediaLimit { kind, max_bytes: FILE_MAX, mimes: mimes.to_vec() };
    Capabilities {
        sends: vec![
            ContentKind::Text,
            ContentKind::Image,
            ContentKind::Video,
            ContentKind::Audio,
            ContentKind::Voice,
            ContentKind::Document,
            ContentKind::List,
            ContentKind::Native,
        ],
        text_max: TEXT_MAX,
        text_unit: TextUnit::Chars,
        caption_max: CAPTION_MAX,
        captions: files.to_vec(),
        media: vec![
            media(ContentKind::Image, &["image/*"]),
            media(ContentKind::Video, &["video/*"]),
            media(ContentKind::Audio, &["audio/*"]),
            media(ContentKind::Voice, &["audio/*"]),
            media(ContentKind::Document, &[]),
        ],
        buttons: true,
        replies: true,
        edits: true,
        deletes: true,
        reactions: true,
        typing: false,
        receipts: false,
        deduplicates: false,
        width: WIDTH,
        pacing: Pacing::Provider,
        limits: LIMITS.to_vec(),
        window: None,
    }
}
