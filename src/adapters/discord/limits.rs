//! What Discord allows, as data. The limits of single channels are in the headers of each answer and nowhere else: Discord asks
//! not to write them down.

use channel::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit};
use model::ContentKind;

/// A file of a bot, where the server has no boosts.
const MAX_UPLOAD: u64 = 10 * 1024 * 1024;

/// How many sends of one bot may be under way at once.
pub(crate) const WIDTH: u32 = 50;

/// Longest text, in characters, marks and escapes included.
pub(super) const TEXT_MAX: usize = 2000;

/// Calls of one bot.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "account_second",
    scope: LimitScope::Account,
    count: 50,
    seconds: 1.0,
    burst: None,
    source: "https://discord.com/developers/docs/topics/rate-limits#global-rate-limit",
    read_on: "2026-11-20",
}];

pub(super) fn capabilities() -> Capabilities {
    let media =
        |kind, mimes: &[&'static str]| MediaLimit { kind, max_bytes: MAX_UPLOAD, mimes: mimes.to_vec() };
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
        caption_max: TEXT_MAX,
        captions: vec![ContentKind::Image, ContentKind::Video, ContentKind::Audio, ContentKind::Document],
        media: vec![
            media(ContentKind::Image, &["image/*"]),
            media(ContentKind::Video, &["video/*"]),
            media(ContentKind::Audio, &["audio/*"]),
            media(ContentKind::Voice, &["audio/ogg"]),
            media(ContentKind::Document, &[]),
        ],
        buttons: true,
        replies: true,
        edits: true,
        deletes: true,
        reactions: true,
        typing: true,
        receipts: false,
        // For a few minutes: a nonce that Discord has seen lately gives the message that it was first used for.
        deduplicates: true,
        width: WIDTH,
        pacing: Pacing::Provider,
        limits: LIMITS.to_vec(),
        window: None,
    }
}
