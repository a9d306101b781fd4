//! A contact: a person or a business, with an identity on each channel where an account met them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AccountId, ContactId, Timestamp, WorkspaceId};

/// A person or a business that accounts talk to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// What it is called; providers do not always say.
    pub name: Option<String>,
    /// In international form; many channels never tell it.
    pub phone: Option<String>,
    /// Whatever the workspace wants to remember.
    pub attributes: Value,
    /// Where it can be reached.
    pub identities: Vec<Identity>,
    /// IANA name of where it lives; quiet hours are judged there, else in the account's zone.
    pub timezone: Option<String>,
    /// Since when it wants no campaigns.
    pub opted_out_at: Option<Timestamp>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

/// Where one account reaches a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The account that knows the address.
    pub account_id: AccountId,
    /// The channel's name.
    pub channel: String,
    /// The provider's id of the contact, opaque outside its channel.
    pub address: String,
}
