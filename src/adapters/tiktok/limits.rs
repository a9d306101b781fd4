//! What TikTok Shop allows, as data: no figure is published, limits move with the app and the shop. This is the lower end of
//! what integrators call safe (3 to 10 a second); the answers say the rest.

use channel::{Capabilities, Limit, LimitScope, MediaLimit, Pacing, TextUnit};
use model::ContentKind;

/// Largest picture that may be uploaded, in bytes (Upload Buyer Messages Image, 202309).
pub(super) const MAX_IMAGE: u64 = 10 * 1024 * 1024;

/// How many sends of one shop may be under way at once.
pub(crate) const WIDTH: u32 = 3;

/// Calls for one shop.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "account_second",
    scope: LimitScope::Account,
    count: 3,
    seconds: 1.0,
    burst: None,
    source: "integrators of TikTok Shop's open API: the provider publishes no figure",
    read_on: "2026-11-20",
}];

/// Films are no kind of their own here: they are sent by the id of one that TikTok has (`VIDEO` as a native message), and
/// there is no address to upload one to. Whether a buyer may be written to hangs on their orders and not on a time, so
/// there is no window: the provider refuses.
pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        sends: vec![ContentKind::Text, ContentKind::Image, ContentKind::Native],
        text_max: 2000,
        text_unit: TextUnit::Chars,
        caption_max: 0,
        captions: Vec::new(),
        media: vec![MediaLimit {
            kind: ContentKind::Image,
            max_bytes: MAX_IMAGE,
            mimes: vec!["image/jpeg", "image/png", "image/gif", "image/webp"],
        }],
        buttons: false,
        replies: false,
        edits: false,
        deletes: false,
        reactions: false,
        typing: false,
        receipts: false,
        deduplicates: false,
        width: WIDTH,
        pacing: Pacing::Provider,
        limits: LIMITS.to_vec(),
        window: None,
    }
}
