//! The sandbox's HTTP API in types: its own words, not the product's. Unknown fields are refused, as a strict
//! provider would, so that an adapter cannot send what nobody reads.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Content {
    /// Words.
    Text {
        /// At least one visible character, at most 4,096.
        text: String,
        /// `plain` or `markdown`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
        /// Rows of buttons.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<Vec<Button>>,
    },
    /// A picture.
    Image(File),
    /// A film.
    Video(File),
    /// A sound file.
    Audio(File),
    /// Recorded speech.
    Voice(File),
    /// A file.
    Document(File),
    /// A sticker.
    Sticker(File),
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// What it is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Where it is, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Address cards.
    Contacts {
        /// The cards, at least one.
        contacts: Vec<Card>,
    },
}

/// A file in a message: uploaded before, or at a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What `POST /v1/files` answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A link; the sandbox does not follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The MIME type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// Words under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// The emoji that a sticker stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What it says.
    pub title: String,
    /// What a press sends back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// An address card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The full name.
    pub name: String,
    /// Telephone numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<String>,
    /// Addresses of electronic mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
}

/// `POST /v1/messages`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The caller's own id of the message.
    #[serde(default)]
    pub client_id: Option<String>,
    /// To whom.
    pub chat: String,
    /// A thread within the chat.
    #[serde(default)]
    pub thread: Option<String>,
    /// The id of the message it answers.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// What it says.
    pub content: Content,
}

/// A refusal: an HTTP status and `{"error": {code, message, …}}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// After how many ms it may be tried again, or how long a ban lasts.
    pub(crate) wait_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), wait_ms: None }
    }

    pub(crate) const fn lasting(mut self, wait_ms: u64) -> Self {
        self.wait_ms = Some(wait_ms);
        self
    }

    pub(crate) fn body(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(ms) = self.wait_ms {
            error["retry_after_ms"] = ms.into();
        }
        json!({ "error": error })
    }
}

impl Content {
    /// The words in it.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => self.file()?.caption.as_deref(),
        }
    }

    /// The file in it.
    pub const fn file(&self) -> Option<&File> {
        match self {
            Self::Image(file)
            | Self::Video(file)
            | Self::Audio(file)
            | Self::Voice(file)
            | Self::Document(file)
            | Self::Sticker(file) => Some(file),
            Self::Text { .. } | Self::Location { .. } | Self::Contacts { .. } => None,
        }
    }

    /// What is wrong with it, apart from files that were never uploaded.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Text { text, .. } if text.trim().is_empty() => Some("text is empty"),
            Self::Text { text, .. } if text.chars().count() > 4_096 => Some("text is over 4096 characters"),
            Self::Text { format: Some(format), .. } if format != "plain" && format != "markdown" => {
                Some("format is neither plain nor markdown")
            }
            Self::Text { .. } => None,
            Self::Location { latitude, longitude, .. } => (!(-90.0..=90.0).contains(latitude)
                || !(-180.0..=180.0).contains(longitude))
            .then_some("the place is not on this planet"),
            Self::Contacts { contacts } => contacts.is_empty().then_some("contacts is empty"),
            _ => self.file().and_then(|file| {
                if file.file.is_some() == file.url.is_some() {
                    Some("give either file or url")
                } else if file.caption.as_ref().is_some_and(|words| words.chars().count() > 1_024) {
                    Some("caption is over 1024 characters")
                } else {
                    None
                }
            }),
        }
    }
}
