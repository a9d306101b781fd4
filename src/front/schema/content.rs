//! What a message says, as the OpenAPI document shows it.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Format;

/// What a message says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// How they are marked up; plain if not given.
        format: Option<Format>,
        /// Rows of buttons under the text.
        #[serde(default)]
        #[schema(required = false)]
        buttons: Vec<Vec<Button>>,
    },
    /// A picture.
    Image {
        /// The file.
        media: Media,
        /// Words under it.
        caption: Option<String>,
    },
    /// A film.
    Video {
        /// The file.
        media: Media,
        /// Words under it.
        caption: Option<String>,
    },
    /// Music or another sound file.
    Audio {
        /// The file.
        media: Media,
        /// Words under it.
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
        caption: Option<String>,
    },
    /// A sticker.
    Sticker {
        /// The file.
        media: Media,
        /// The emoji it stands for.
        emoji: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees north.
        #[schema(minimum = -90, maximum = 90)]
        latitude: f64,
        /// Degrees east.
        #[schema(minimum = -180, maximum = 180)]
        longitude: f64,
        /// What the place is called.
        name: Option<String>,
        /// Where it is, in words.
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
        #[serde(default)]
        #[schema(value_type = Vec<Object>, required = false)]
        components: Vec<Value>,
    },
    /// A message in the provider's own form, handed through.
    Native {
        /// The provider's fields, without recipient and credentials.
        #[schema(value_type = Object)]
        body: Value,
        /// What it says, for previews, search and those who see no more than words.
        text: Option<String>,
    },
    /// An answer to a button: only ever received.
    Callback {
        /// What the button carried.
        data: String,
        /// What the button said.
        title: Option<String>,
    },
    /// Something we keep but cannot show: only ever received.
    Unsupported {
        /// The provider's word for it.
        kind: String,
        /// What the provider sent.
        #[serde(default)]
        #[schema(value_type = Object, required = false)]
        raw: Value,
    },
}

/// A part of a list.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ListSection {
    /// What it is called; needed where there are several.
    pub title: Option<String>,
    /// What can be chosen.
    pub rows: Vec<ListRow>,
}

/// What can be chosen from a list.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ListRow {
    /// What it says.
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// What comes back as a callback when it is chosen.
    pub data: String,
}

/// A file in a message: one of ours or one at a link; received ones may still lie at the provider.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Media {
    /// Ours, once stored.
    pub media_id: Option<Uuid>,
    /// A link that the provider fetches by itself.
    pub url: Option<String>,
    /// The provider's handle of a received file.
    pub provider_ref: Option<String>,
    /// The MIME type.
    pub mime: Option<String>,
    /// The file's name.
    pub name: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
}

/// A button under a text.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Button {
    /// What it says.
    pub title: String,
    /// What comes back as a callback when it is pressed.
    pub data: Option<String>,
    /// What it opens.
    pub url: Option<String>,
}

/// An address card.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ContactCard {
    /// The full name.
    pub name: String,
    /// In international form.
    #[serde(default)]
    #[schema(required = false)]
    pub phones: Vec<String>,
    /// Addresses of electronic mail.
    #[serde(default)]
    #[schema(required = false)]
    pub emails: Vec<String>,
}
