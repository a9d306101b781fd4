//! One of everything.

use std::str::FromStr;

use bytes::Bytes;
use model::{
    Button, ContactCard, Content, ContentKind, ConversationKind, Format, Inbound, InboundKind, ListRow,
    ListSection, Media, MediaId, Party, Purpose, Receipt, ReceiptKind, Timestamp,
};

use crate::{Capabilities, Outgoing};

/// A picture of one black pixel: providers look into pictures.
pub const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 0x0a, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63,
    0x60, 0, 0, 0, 2, 0, 1, 0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60,
    0x82,
];

/// A message to `chat`, our id of it numbered `n`.
pub fn outgoing(n: u128, chat: &str, content: Content) -> Outgoing {
    Outgoing {
        message_id: id(n),
        chat: chat.to_owned(),
        thread: None,
        content,
        reply_to: None,
        file: None,
        purpose: Purpose::Conversation,
        by_person: false,
        contact_wrote_at: None,
    }
}

/// Content of `kind` with the file to upload, if it has one; none for kinds that are only received.
pub fn content(kind: ContentKind) -> Option<(Content, Option<Bytes>)> {
    let caption = Some("a caption".to_owned());
    let file = |mime: &str, name: &str| Media {
        media_id: Some(id::<MediaId>(1)),
        mime: Some(mime.to_owned()),
        name: Some(name.to_owned()),
        size: Some(PNG.len() as u64),
        ..Media::default()
    };
    let content = match kind {
        ContentKind::Text => Content::text("hello, \u{1f44b} <b>&amp;</b> *world*"),
        ContentKind::Image => Content::Image { media: file("image/png", "dot.png"), caption },
        ContentKind::Video => Content::Video { media: file("video/mp4", "dot.mp4"), caption },
        ContentKind::Audio => Content::Audio { media: file("audio/mpeg", "dot.mp3"), caption },
        ContentKind::Voice => Content::Voice { media: file("audio/ogg", "dot.ogg") },
        ContentKind::Document => Content::Document { media: file("application/pdf", "dot.pdf"), caption },
        ContentKind::Sticker => {
            Content::Sticker { media: file("image/webp", "dot.webp"), emoji: Some("\u{1f44d}".to_owned()) }
        }
        ContentKind::Location => {
            Content::Location { latitude: 52.52, longitude: 13.405, name: None, address: None }
        }
        ContentKind::Contacts => Content::Contacts {
            contacts: vec![ContactCard {
                name: "Anna Bell".to_owned(),
                phones: vec!["+4930123456".to_owned()],
                emails: Vec::new(),
            }],
        },
        ContentKind::List => Content::List {
            text: "What would you like?".to_owned(),
            button: "Choose".to_owned(),
            sections: vec![ListSection {
                title: Some("Drinks".to_owned()),
                rows: vec![ListRow { title: "Tea".to_owned(), description: None, data: "tea".to_owned() }],
            }],
        },
        // Only its provider knows what would be one.
        ContentKind::ProviderTemplate
        | ContentKind::Native
        | ContentKind::Callback
        | ContentKind::Unsupported => return None,
    };
    let bytes = content.media().map(|_| Bytes::from_static(PNG));
    Some((content, bytes))
}

/// A text with markup and a button.
pub fn marked_up() -> Content {
    Content::Text {
        text: "**bold** and _italic_".to_owned(),
        format: Format::Markdown,
        buttons: vec![vec![Button { title: "Yes".to_owned(), data: Some("yes".to_owned()), url: None }]],
    }
}

/// One event of each kind, in `chat`, about the message `provider_id`.
pub fn happenings(chat: &str, provider_id: &str) -> Vec<Inbound> {
    let id = || provider_id.to_owned();
    let text = |text: &str| Content::text(text);
    let receipt = |kind| InboundKind::Receipt(Receipt { provider_id: id(), kind, error: None });
    [
        written(provider_id, "hello"),
        receipt(ReceiptKind::Delivered),
        receipt(ReceiptKind::Read),
        InboundKind::Edited { provider_id: id(), content: text("hello again") },
        InboundKind::Deleted { provider_id: id() },
        InboundKind::Reacted { provider_id: id(), emoji: vec!["\u{1f44d}".to_owned()] },
        InboundKind::Reacted { provider_id: id(), emoji: Vec::new() },
        InboundKind::ContactBlocked { blocked: true },
    ]
    .into_iter()
    .map(|kind| happening(chat, kind))
    .collect()
}

/// Somebody wrote `text`.
pub fn written(provider_id: &str, text: &str) -> InboundKind {
    InboundKind::Message {
        provider_id: provider_id.to_owned(),
        content: Content::text(text),
        reply_to: None,
        echo: false,
    }
}

/// `kind`, in `chat`, by the person whose address it is.
pub fn happening(chat: &str, kind: InboundKind) -> Inbound {
    Inbound {
        chat: chat.to_owned(),
        chat_kind: ConversationKind::Direct,
        chat_title: None,
        thread: None,
        from: Some(Party { address: chat.to_owned(), name: Some("Anna".to_owned()), phone: None }),
        at: Timestamp::from_micros(1_790_000_000_000_000),
        kind,
    }
}

/// Words that are one over the longest text.
pub fn too_long(capabilities: &Capabilities) -> Content {
    Content::text("x".repeat(capabilities.text_max + 1))
}

fn id<I: FromStr>(n: u128) -> I {
    match format!("{n:032x}").parse() {
        Ok(id) => id,
        Err(_) => unreachable!("32 hex digits are an id"),
    }
}
