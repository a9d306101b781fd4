//! What a message says, in one form for all channels.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{MediaId, words};

words! {
    /// How a text is marked up.
    Format: "format" {
        /// Every character means itself.
        Plain = "plain",
        /// The Markdown subset that all channels can show: `**bold**`, `_italic_`, `~~strike~~`, `` `code` ``,
        /// fenced code, `[label](link)`. What a channel lacks is shown as plain text.
        Markdown = "markdown",
    }
}

words! {
    /// The kinds of content, as a channel's capabilities list them.
    ContentKind: "content type" {
        /// Words.
        Text = "text",
        /// A picture.
        Image = "image",
        /// A film.
        Video = "video",
        /// Music or another sound file.
        Audio = "audio",
        /// A recording of speech, shown as such.
        Voice = "voice",
        /// A file.
        Document = "document",
        /// A sticker.
        Sticker = "sticker",
        /// A place.
        Location = "location",
        /// Address cards.
        Contacts = "contacts",
        /// A list to choose from, behind a button.
        List = "list",
        /// A template that the provider keeps and has approved.
        ProviderTemplate = "provider_template",
        /// A message in the provider's own form.
        Native = "native",
        /// An answer to a button: only ever received.
        Callback = "callback",
        /// Something we keep but cannot show: only ever received.
        Unsupported = "unsupported",
    }
}

/// What a message says. JSON: `{"type": "text", "text": "…"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// How they are marked up.
        #[serde(default = "plain", skip_serializing_if = "is_plain")]
        format: Format,
        /// Rows of buttons under the text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<Vec<Button>>,
    },
    /// A picture.
    Image {
        /// The file.
        media: Media,
        /// Words under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// A film.
    Video {
        /// The file.
        media: Media,
        /// Words under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// Music or another sound file.
    Audio {
        /// The file.
        media: Media,
        /// Words under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// A recording of speech.
    Voice {
        /// The file.
        media: Media,
    },
    /// A file.
    Document {
        /// The file.
        media: Media,
        /// Words under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// A sticker.
    Sticker {
        /// The file.
        media: Media,
        /// The emoji it stands for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emoji: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees north, −90 to 90.
        latitude: f64,
        /// Degrees east, −180 to 180.
        longitude: f64,
        /// What the place is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Where it is, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Address cards.
    Contacts {
        /// The cards.
        contacts: Vec<ContactCard>,
    },
    /// A list to choose from: who chooses sends a callback with the row's data.
    List {
        /// Words above it.
        text: String,
        /// What the button says that opens it.
        button: String,
        /// Its parts.
        sections: Vec<ListSection>,
    },
    /// A template that the provider keeps and has approved, with its values.
    ProviderTemplate {
        /// Its name at the provider.
        name: String,
        /// Its language, as the provider writes it: `en_US`.
        language: String,
        /// Its values, in the provider's own form.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        components: Vec<Value>,
    },
    /// A message in the provider's own form, handed through: blocks, embeds, carousels.
    Native {
        /// The provider's fields, without recipient and credentials.
        body: Value,
        /// What it says, for previews, search and those who see no more than words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// An answer to a button.
    Callback {
        /// What the button carried.
        data: String,
        /// What the button said, if the provider tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    /// Something we keep but cannot show.
    Unsupported {
        /// The provider's word for it.
        kind: String,
        /// What the provider sent.
        #[serde(default)]
        raw: Value,
    },
}

/// A file in a message: one of ours, one at a link, or one that still lies at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// Ours; of a received file from the beginning, though it may not be fetched yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_id: Option<MediaId>,
    /// A link that the provider fetches by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The provider's handle of a file that was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<String>,
    /// The MIME type, as told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// The file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bytes, as told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A button under a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What it says.
    pub title: String,
    /// What comes back as a callback when it is pressed. Neither this nor `url`: the title is sent as a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSection {
    /// What it is called; needed where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What can be chosen.
    pub rows: Vec<ListRow>,
}

/// What can be chosen from a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRow {
    /// What it says.
    pub title: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What comes back as a callback when it is chosen.
    pub data: String,
}

/// An address card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactCard {
    /// The full name.
    pub name: String,
    /// In international form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// Addresses of electronic mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
}

impl Content {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), format: Format::Plain, buttons: Vec::new() }
    }

    /// Which kind it is.
    pub const fn kind(&self) -> ContentKind {
        match self {
            Self::Text { .. } => ContentKind::Text,
            Self::Image { .. } => ContentKind::Image,
            Self::Video { .. } => ContentKind::Video,
            Self::Audio { .. } => ContentKind::Audio,
            Self::Voice { .. } => ContentKind::Voice,
            Self::Document { .. } => ContentKind::Document,
            Self::Sticker { .. } => ContentKind::Sticker,
            Self::Location { .. } => ContentKind::Location,
            Self::Contacts { .. } => ContentKind::Contacts,
            Self::List { .. } => ContentKind::List,
            Self::ProviderTemplate { .. } => ContentKind::ProviderTemplate,
            Self::Native { .. } => ContentKind::Native,
            Self::Callback { .. } => ContentKind::Callback,
            Self::Unsupported { .. } => ContentKind::Unsupported,
        }
    }

    /// The words in it: a text or a caption. What typing and the identical-text rule look at.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } | Self::List { text, .. } => Some(text),
            Self::Native { text, .. } => text.as_deref(),
            Self::Image { caption, .. }
            | Self::Video { caption, .. }
            | Self::Audio { caption, .. }
            | Self::Document { caption, .. } => caption.as_deref(),
            _ => None,
        }
    }

    /// Takes the words under a file away, and gives them.
    pub const fn take_caption(&mut self) -> Option<String> {
        match self {
            Self::Image { caption, .. }
            | Self::Video { caption, .. }
            | Self::Audio { caption, .. }
            | Self::Document { caption, .. } => caption.take(),
            _ => None,
        }
    }

    /// The file in it, to be changed.
    pub const fn media_mut(&mut self) -> Option<&mut Media> {
        match self {
            Self::Image { media, .. }
            | Self::Video { media, .. }
            | Self::Audio { media, .. }
            | Self::Voice { media }
            | Self::Document { media, .. }
            | Self::Sticker { media, .. } => Some(media),
            _ => None,
        }
    }

    /// The file in it.
    pub const fn media(&self) -> Option<&Media> {
        match self {
            Self::Image { media, .. }
            | Self::Video { media, .. }
            | Self::Audio { media, .. }
            | Self::Voice { media }
            | Self::Document { media, .. }
            | Self::Sticker { media, .. } => Some(media),
            _ => None,
        }
    }
}

const fn plain() -> Format {
    Format::Plain
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_plain(format: &Format) -> bool {
    *format == Format::Plain
}
