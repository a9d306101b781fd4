//! What WhatsApp's Cloud API allows, as data. What it limits otherwise cannot be counted as sends of an account: unique
//! people a day (shared by all numbers of a portfolio, with a tier that Meta moves), and 20 a second for a number that is
//! used with the phone's app, too. Those come back as errors.

use channel::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit, Window};
use model::ContentKind;

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;
const READ_ON: &str = "2026-11-20";
const WINDOW: &str =
    "https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages#customer-service-windows";

/// How many sends of one number may be under way at once.
pub(crate) const WIDTH: u32 = 80;
/// Longest text beside buttons, in characters.
pub(super) const INTERACTIVE_TEXT: usize = 1024;
/// Largest file that is taken from a person.
pub(super) const MAX_DOWNLOAD: u64 = 100 * MB;

/// Sends of one number.
pub(crate) const LIMITS: &[Limit] = &[
    Limit {
        name: "account_second",
        scope: LimitScope::Account,
        count: 80,
        seconds: 1.0,
        burst: None,
        source: "https://developers.facebook.com/docs/whatsapp/throughput",
        read_on: READ_ON,
    },
    // One message each 6 s to one person; up to 45 at once, borrowed from what would come later.
    Limit {
        name: "pair",
        scope: LimitScope::Chat,
        count: 1,
        seconds: 6.0,
        burst: Some(45),
        source: "https://developers.facebook.com/docs/whatsapp/cloud-api/overview#pair-rate-limits",
        read_on: READ_ON,
    },
];

pub(super) fn capabilities() -> Capabilities {
    let media =
        |kind, max_bytes, mimes: &[&'static str]| MediaLimit { kind, max_bytes, mimes: mimes.to_vec() };
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
            ContentKind::List,
            ContentKind::ProviderTemplate,
            ContentKind::Native,
        ],
        text_max: 4096,
        text_unit: TextUnit::Chars,
        caption_max: 1024,
        captions: vec![ContentKind::Image, ContentKind::Video, ContentKind::Document],
        media: vec![
            media(ContentKind::Image, 5 * MB, &["image/jpeg", "image/png"]),
            media(ContentKind::Video, 16 * MB, &["video/mp4", "video/3gpp"]),
            media(
                ContentKind::Audio,
                16 * MB,
                &["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"],
            ),
            // Shown as a recording only in this form, with Opus in it.
            media(ContentKind::Voice, 16 * MB, &["audio/ogg"]),
            media(ContentKind::Document, 100 * MB, &[]),
            // 100 KB for one that does not move; which one it is, only Meta finds out.
            media(ContentKind::Sticker, 500 * KB, &["image/webp"]),
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
            seconds: 24 * 3600,
            person_seconds: None,
            templates_after: true,
            source: WINDOW,
            read_on: READ_ON,
        }),
    }
}
