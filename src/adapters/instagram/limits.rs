//! What Instagram's messaging allows, as data. What it limits otherwise cannot be counted as sends of an account: 10 a second
//! of audio and video (a limit here knows no kind) and private replies to comments. Those come back as errors.

use channel::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit, Window};
use model::ContentKind;

use crate::graph::messaging::{PERSON_WINDOW, WINDOW};

const READ_ON: &str = "2026-11-20";
const MB: u64 = 1024 * 1024;

/// How many sends of one account may be under way at once.
pub(crate) const WIDTH: u32 = 40;

/// Sends of one account.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "account_second",
    scope: LimitScope::Account,
    count: 300,
    seconds: 1.0,
    burst: None,
    source: "https://developers.facebook.com/docs/messenger-platform/overview/rate-limiting",
    read_on: READ_ON,
}];

pub(super) fn capabilities() -> Capabilities {
    let media = |kind, megabytes: u64, mimes: &[&'static str]| MediaLimit {
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
            ContentKind::Document,
            ContentKind::Native,
        ],
        text_max: 1000,
        text_unit: TextUnit::Bytes,
        caption_max: 0,
        captions: Vec::new(),
        media: vec![
            media(ContentKind::Image, 8, &["image/png", "image/jpeg", "image/gif"]),
            media(
                ContentKind::Video,
                25,
                &["video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"],
            ),
            media(
                ContentKind::Audio,
                25,
                &["audio/aac", "audio/mp4", "audio/x-m4a", "audio/m4a", "audio/wav", "audio/x-wav"],
            ),
            media(ContentKind::Document, 25, &["application/pdf"]),
        ],
        buttons: true,
        replies: true,
        edits: false,
        deletes: false,
        reactions: true,
        typing: true,
        receipts: true,
        deduplicates: false,
        width: WIDTH,
        pacing: Pacing::Provider,
        limits: LIMITS.to_vec(),
        window: Some(Window {
            seconds: WINDOW.as_secs(),
            person_seconds: Some(PERSON_WINDOW.as_secs()),
            templates_after: false,
            source: "https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api",
            read_on: READ_ON,
        }),
    }
}
