//! Texts that messages are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{TemplateId, Timestamp, WorkspaceId};

/// A text with variables and variations, kept under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// What people call it; unique in the workspace.
    pub name: String,
    /// The text.
    pub text: String,
    /// What is said instead on a channel, by the channel's name.
    pub variants: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Template {
    /// What is said on this channel.
    pub fn text_for(&self, channel: &str) -> &str {
        self.variants.get(channel).unwrap_or(&self.text)
    }
}
