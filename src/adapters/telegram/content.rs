//! What a received message says.

use model::{ContactCard, Content, Format, Media};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::entities::{self, Entity};
use super::update::{Contact, File, Location, Sticker, Venue};
use super::vcard;

/// What stands in a message beside the fields that every message has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    /// Somebody said something.
    Content(Content),
    /// Something happened to the chat; Telegram's word for it.
    Service(String),
}

/// Fields that describe a message and are not what it says.
const ABOUT: &[&str] = &[
    "author_signature",
    "boost_count",
    "business_connection_id",
    "caption",
    "caption_entities",
    "direct_messages_topic",
    "edit_date",
    "effect_id",
    "entities",
    "external_reply",
    "forward_date",
    "forward_from",
    "forward_from_chat",
    "forward_from_message_id",
    "forward_origin",
    "forward_sender_name",
    "forward_signature",
    "guest_query_id",
    "has_media_spoiler",
    "has_protected_content",
    "is_automatic_forward",
    "is_from_offline",
    "is_paid_post",
    "link_preview_options",
    "media_group_id",
    "paid_star_count",
    "quote",
    "receiver_user",
    "reply_markup",
    "reply_to_checklist_task_id",
    "reply_to_poll_option_id",
    "reply_to_story",
    "sender_boost_count",
    "sender_business_bot",
    "sender_tag",
    "show_caption_above_media",
    "suggested_post_info",
    "via_bot",
];

/// Fields that tell what happened to the chat or to somebody's dealings with it, by the beginning of their names.
const SERVICE: &[&str] = &[
    "boost_added",
    "channel_chat_created",
    "chat_background_set",
    "chat_owner_",
    "chat_shared",
    "checklist_tasks_",
    "connected_website",
    "delete_chat_photo",
    "direct_message_price_changed",
    "forum_topic_",
    "general_forum_topic_",
    "gift",
    "giveaway_created",
    "giveaway_completed",
    "group_chat_created",
    "left_chat_member",
    "managed_bot_",
    "message_auto_delete_timer_changed",
    "new_chat_",
    "paid_message_price_changed",
    "passport_data",
    "pinned_message",
    "poll_option_",
    "proximity_alert_triggered",
    "refunded_payment",
    "successful_payment",
    "suggested_post_",
    "supergroup_chat_created",
    "unique_gift",
    "users_shared",
    "video_chat_",
    "voice_chat_",
    "web_app_data",
    "write_access_allowed",
];

/// Reads the fields of a message beside those that every message has. A kind that nobody knows, or whose form
/// changed, is content that we keep and cannot show.
pub(super) fn read(fields: &Map<String, Value>) -> Body {
    if let Some(content) = known(fields) {
        return Body::Content(content);
    }
    let other = fields.iter().find(|(key, _)| !ABOUT.contains(&key.as_str()) && !is_service(key));
    if let Some((kind, raw)) = other {
        return Body::Content(Content::Unsupported { kind: kind.clone(), raw: raw.clone() });
    }
    let service = fields.keys().find(|key| is_service(key));
    Body::Service(service.map_or_else(|| "empty message".to_owned(), Clone::clone))
}

fn is_service(key: &str) -> bool {
    SERVICE.iter().any(|prefix| key.starts_with(prefix))
}

fn known(fields: &Map<String, Value>) -> Option<Content> {
    let caption = field::<String>(fields, "caption");
    let file = |key| field::<File>(fields, key);
    if let Some(text) = field::<String>(fields, "text") {
        return Some(words(text, fields));
    }
    if let Some(sizes) = field::<Vec<File>>(fields, "photo") {
        // Sorted by size; the last one is the picture, the others are previews of it.
        let media = media(sizes.into_iter().last()?, Some("image/jpeg"));
        return Some(Content::Image { media, caption });
    }
    // Before `document`: an animation is given as both.
    for (key, mime) in [("animation", "video/mp4"), ("video", "video/mp4"), ("video_note", "video/mp4")] {
        if let Some(file) = file(key) {
            let media = media(file, Some(mime));
            return Some(Content::Video { media, caption });
        }
    }
    if let Some(file) = file("audio") {
        let media = media(file, Some("audio/mpeg"));
        return Some(Content::Audio { media, caption });
    }
    if let Some(file) = file("voice") {
        let media = media(file, Some("audio/ogg"));
        return Some(match caption {
            None => Content::Voice { media },
            // Recordings of ours carry no words; theirs may, and words must not be lost.
            caption => Content::Audio { media, caption },
        });
    }
    if let Some(file) = file("document") {
        let media = media(file, None);
        return Some(Content::Document { media, caption });
    }
    if let Some(sticker) = field::<Sticker>(fields, "sticker") {
        let mime = match (sticker.is_animated, sticker.is_video) {
            (true, _) => "application/x-tgsticker",
            (_, true) => "video/webm",
            _ => "image/webp",
        };
        let emoji = sticker.emoji;
        let media = media(sticker.file, Some(mime));
        return Some(Content::Sticker { media, emoji });
    }
    // Before `location`: a venue is given as both.
    if let Some(venue) = field::<Venue>(fields, "venue") {
        return Some(Content::Location {
            latitude: venue.location.latitude,
            longitude: venue.location.longitude,
            name: Some(venue.title),
            address: Some(venue.address),
        });
    }
    if let Some(place) = field::<Location>(fields, "location") {
        return Some(Content::Location {
            latitude: place.latitude,
            longitude: place.longitude,
            name: None,
            address: None,
        });
    }
    field::<Contact>(fields, "contact").map(|contact| Content::Contacts { contacts: vec![card(contact)] })
}

/// The field `key`, if it is there and in the form that we know.
fn field<T: DeserializeOwned>(fields: &Map<String, Value>, key: &str) -> Option<T> {
    fields.get(key).and_then(|value| T::deserialize(value).ok())
}

fn words(text: String, fields: &Map<String, Value>) -> Content {
    let stretches: Vec<Entity> = field(fields, "entities").unwrap_or_default();
    match entities::to_markdown(&text, &stretches) {
        Some(text) => Content::Text { text, format: Format::Markdown, buttons: Vec::new() },
        None => Content::text(text),
    }
}

/// A file that lies at Telegram. It keeps neither name nor type there, so what the message tells is kept here.
fn media(file: File, mime: Option<&str>) -> Media {
    Media {
        provider_ref: Some(file.file_id),
        mime: file.mime_type.or_else(|| mime.map(str::to_owned)),
        name: file.file_name,
        size: file.file_size,
        ..Media::default()
    }
}

fn card(contact: Contact) -> ContactCard {
    let vcard = contact.vcard.unwrap_or_default();
    let mut phones = vec![contact.phone_number];
    for phone in vcard::values(&vcard, "TEL") {
        if !phones.contains(&phone) {
            phones.push(phone);
        }
    }
    ContactCard {
        name: full_name(&contact.first_name, contact.last_name.as_deref()),
        phones,
        emails: vcard::values(&vcard, "EMAIL"),
    }
}

/// First and last name as one.
pub(super) fn full_name(first: &str, last: Option<&str>) -> String {
    [first, last.unwrap_or_default()]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}
