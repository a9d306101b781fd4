//! An account: a login on a channel, with the two states that decide whether it sends.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AccountId, ChannelAppId, Hold, HoldReach, Timestamp, WorkerId, WorkspaceId, words};

words! {
    /// Whether the provider can be reached with this account's credentials or session.
    Connection: "connection" {
        /// Credentials are being checked or a session is being opened.
        Connecting = "connecting",
        /// Ready.
        Connected = "connected",
        /// Closed by us or by the provider; it may come back by itself.
        Disconnected = "disconnected",
        /// A person has to scan a code.
        QrRequired = "qr_required",
        /// Broken until somebody acts; the account's detail says how.
        Error = "error",
    }
}

words! {
    /// How an account gets its events.
    Intake: "intake" {
        /// The provider delivers them to an address of ours.
        Webhook = "webhook",
        /// Its owner in the fleet asks for them.
        Poll = "poll",
        /// Its owner in the fleet keeps a session open.
        Session = "session",
        /// Not at all: the provider has no way in.
        None = "none",
    }
}

impl Intake {
    /// Whether somebody in the fleet has to see to it: one owner an account.
    pub const fn is_owned(self) -> bool {
        matches!(self, Self::Poll | Self::Session)
    }
}

words! {
    /// How a device is linked to an account.
    PairingKind: "pairing" {
        /// The phone scans a picture.
        Qr = "qr",
        /// A code is typed into the phone.
        Code = "code",
    }
}

/// What a person has to do with their phone so that a session may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingStep {
    /// What.
    pub kind: PairingKind,
    /// The content of the picture, or the code to type.
    pub code: String,
    /// Until when it can be used; another one may follow.
    pub expires_at: Timestamp,
}

words! {
    /// Whether messages leave.
    Sending: "sending" {
        /// They do.
        Active = "active",
        /// A person paused it, until a person resumes it.
        Paused = "paused",
        /// The provider or a rule stopped it, with a reason and perhaps an until-time.
        Stopped = "stopped",
    }
}

words! {
    /// What to do about a call whose outcome nobody knows.
    Redelivery: "redelivery" {
        /// Call again: the contact may get it twice, never not at all.
        AtLeastOnce = "at_least_once",
        /// Call it `unknown` and let a person or a late receipt decide: never twice.
        AtMostOnce = "at_most_once",
    }
}

/// A login on a channel. Its credentials are not here: they live encrypted in the store and are read only to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// The channel's name, for example `telegram`.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// Who it is at the provider (a phone number id, a bot id); known once connected.
    pub external_id: Option<String>,
    /// The app whose secrets it uses beside its own, where its channel has apps.
    #[serde(default)]
    pub app_id: Option<ChannelAppId>,
    /// The channel's own settings, without secrets.
    pub settings: Value,
    /// How it gets its events.
    pub intake: Intake,
    /// Whether the provider can be reached.
    pub connection: Connection,
    /// Why the connection is in its state, for a person.
    pub connection_detail: Option<String>,
    /// Whether messages leave.
    pub sending: Sending,
    /// Why sending is paused or stopped.
    pub sending_reason: Option<String>,
    /// When a stop ends by itself, if it does.
    pub sending_until: Option<Timestamp>,
    /// What holds part of its sending back, by the provider's word or a rule's; some may have ended.
    pub holds: Vec<Hold>,
    /// Account or provider errors since the last call that went well.
    pub failures_in_a_row: u32,
    /// IANA name; days and windows of its rules are judged in it.
    pub timezone: String,
    /// What its rules say otherwise than its channel's profile, by rule.
    pub pacing: Value,
    /// Divides every time of the account's pacing profile; other than 1 only on the sandbox channel.
    pub pace_scale: f64,
    /// What becomes of calls whose outcome nobody knows.
    pub redelivery: Redelivery,
    /// When this identity was first connected here; connecting again does not reset it.
    pub first_connected_at: Option<Timestamp>,
    /// When its number was registered at the provider, if a person says so: from then it is warmed up.
    pub registered_at: Option<Timestamp>,
    /// Campaigns before then do not count for the response rate: a person let them go on.
    pub campaigns_resumed_at: Option<Timestamp>,
    /// The worker that alone works for it; it stays when that one is gone. None: any may.
    #[serde(default)]
    pub pinned_to: Option<WorkerId>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

impl Account {
    /// The hold of this reach that ends last, if one still holds at `now`.
    pub fn held(&self, reach: HoldReach, now: Timestamp) -> Option<&Hold> {
        self.holds.iter().filter(|hold| hold.reach == reach && hold.until > now).max_by_key(|hold| hold.until)
    }
}

/// An account's own pacing with `patch` in it: field by field of each rule. Null goes back to the profile, for a rule or
/// for a field of it.
pub fn patched_pacing(pacing: &Value, patch: &serde_json::Map<String, Value>) -> Value {
    let mut pacing = pacing.as_object().cloned().unwrap_or_default();
    for (rule, value) in patch {
        let mut fields = pacing.get(rule).and_then(Value::as_object).cloned().unwrap_or_default();
        let merged = match value {
            Value::Object(patch) => {
                fields.extend(patch.iter().map(|(field, value)| (field.clone(), value.clone())));
                fields.retain(|_, value| !value.is_null());
                (!fields.is_empty()).then_some(Value::Object(fields))
            }
            Value::Null => None,
            other => Some(other.clone()),
        };
        match merged {
            Some(value) => drop(pacing.insert(rule.clone(), value)),
            None => drop(pacing.remove(rule)),
        }
    }
    Value::Object(pacing)
}
