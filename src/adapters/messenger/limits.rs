//! What Messenger allows, as data. What it limits otherwise cannot be counted as sends of an account: 10 a second of audio
//! and video (a limit here knows no kind), 750 private replies an hour, and calls a day by the number of people who wrote.
//! Those come back as errors.

use channel::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit, Window};
use model::ContentKind;

use crate::graph::messaging::{PERSON_WINDOW, WINDOW};

const RATE_LIMITS: &str = "https://developers.facebook.com/docs/messenger-platform/overview/rate-limiting";
const READ_ON: &str = "2026-11-20";

/// How many sends of one page may be under way at once.
pub(crate) const WIDTH: u32 = 40;

/// Sends of one page.
pub(crate) const LIMITS: &[Limit] = &[
    // Above it a page's inbox may stand still; it binds before what the API itself takes.
    limit("page_second", 40),
    limit("account_second", 300),
];

const fn limit(name: &'static str, count: u32) -> Limit {
    Limit {
        name,
        scope: LimitScope::Account,
        count,
        seconds: 1.0,
        burst: None,
        source: RATE_LIMITS,
        read_on: READ_ON,
    }
}

/// Largest file.
const FILE: u64 = 25 * 1024 * 1024;

pub(super) fn capabilities() -> Capabilities {
    let media = |kind, mimes: &[&'static str]| MediaLimit { kind, max_bytes: FILE, mimes: mimes.to_vec() };
    Capabilities {
        sends: vec![
            ContentKind::Text,
            ContentKind::Image,
            ContentKind::Video,
            ContentKind::Audio,
            ContentKind::Document,
            ContentKind::ProviderTemplate,
            ContentKind::Native,
        ],
        // "Less than 2000".
        text_max: 1999,
        text_unit: TextUnit::Chars,
        caption_max: 0,
        captions: Vec::new(),
        media: vec![
            media(ContentKind::Image, &["image/*"]),
            media(ContentKind::Video, &["video/*"]),
            media(ContentKind::Audio, &["audio/*"]),
            media(ContentKind::Document, &[]),
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
            templates_after: true,
            source: "https://developers.facebook.com/docs/messenger-platform/policy/policy-overview",
            read_on: READ_ON,
        }),
    }
}
