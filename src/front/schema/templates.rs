//! Templates, as the OpenAPI document shows them.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Timestamp;

/// A text with variables and variations that messages are made of.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Template {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// What people call it; unique in the workspace.
    pub name: String,
    /// The text.
    pub text: String,
    /// What is said instead on a channel, by the channel's name.
    pub variants: BTreeMap<String, String>,
    /// The variables that its texts use, those with a default too. Messages know `contact.name` (where somebody does),
    /// `contact.address` and `account.name` by themselves.
    pub variables: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What messages of a template would say.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplatePreview {
    /// Texts that differ.
    pub samples: Vec<String>,
    /// At most how many different texts there can be; a thousand million stands for more.
    pub texts: u64,
}
