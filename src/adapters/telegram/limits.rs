//! What Telegram allows, as data.

use channel::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit};
use model::ContentKind;

const MB: u64 = 1024 * 1024;
const FAQ: &str = "https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this";
const READ_ON: &str = "2026-11-20";

/// Largest file that `getFile` hands out.
pub(super) const MAX_DOWNLOAD: u64 = 20 * MB;

/// How many sends of one bot may be under way at once.
pub(crate) const WIDTH: u32 = 30;

/// Sends of one bot.
pub(crate) const LIMITS: &[Limit] = &[
    limit("account_second", LimitScope::Account, 30, 1.0),
    limit("chat_second", LimitScope::Chat, 1, 1.0),
    limit("group_minute", LimitScope::Group, 20, 60.0),
];

const fn limit(name: &'static str, scope: LimitScope, count: u32, seconds: f64) -> Limit {
    Limit { name, scope, count, seconds, burst: None, source: FAQ, read_on: READ_ON }
}

pub(super) fn capabilities() -> Capabilities {
    let media = |kind, megabytes, mimes: &[&'static str]| MediaLimit {
        kind,
        max_bytes: megabytes * MB,
        mimes: mimes.to_vec(),
    };
    Capabilities {
        sends: vec![
            ContentKind::Text,
            ContentKind::Image,
            ContentKind::Video,
            ContentKind::Audio,
            ContentKind::Voice,
            ContentKind::Document,
            ContentKind::Sticker,
            ContentKind::Location,
            ContentKind::Contacts,
        ],
        text_max: 4096,
        text_unit: TextUnit::Chars,
        caption_max: 1024,
        captions: vec![ContentKind::Image, ContentKind::Video, ContentKind::Audio, ContentKind::Document],
        media: vec![
            media(ContentKind::Image, 10, &["image/*"]),
            media(ContentKind::Video, 50, &["video/mp4"]),
            media(ContentKind::Audio, 50, &["audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/m4a"]),
            media(
                ContentKind::Voice,
                50,
                &["audio/ogg", "audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/m4a"],
            ),
            media(ContentKind::Document, 50, &[]),
            media(ContentKind::Sticker, 50, &["image/webp", "application/x-tgsticker", "video/webm"]),
        ],
        buttons: true,
        replies: true,
        edits: true,
        deletes: true,
        reactions: true,
        typing: true,
        receipts: false,
        deduplicates: false,
        width: WIDTH,
        pacing: Pacing::Provider,
        limits: LIMITS.to_vec(),
        window: None,
    }
}
