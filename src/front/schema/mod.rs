//! The shapes of answers, as the OpenAPI document shows them.
//!
//! Answers are the model's own types, which know nothing of OpenAPI; these are their twins for readers. A test compares
//! the answers of every route with the document, field by field, so that they cannot drift apart.

mod batch;
mod content;
mod files;
mod operations;
mod templates;
mod words;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub use batch::{AcceptedMessage, BatchResult, BatchResults, KeptJob, RefusedMessage, RetriedJobs};
pub use content::{Button, ContactCard, Content, Media};
pub use files::{LinkedMedia, MediaFile};
pub use operations::{
    AccountBreaker, AccountHealth, AccountOwner, AccountPace, AccountPin, AccountQueue, AccountRenewals,
    AccountStatus, AppForm, Attempt, AuditEntry, CalendarDay, CampaignAnswers, Capabilities, Channel,
    ConnectField, ConnectStep, DeadJob, LaneCount, LaneSummary, LastError, Limit, MediaLimit, NewApiKey,
    PaceAssumptions, PacePreview, PaceSegment, Pairing, PairingStep, ProviderBreaker, QueueSummary,
    QueuedJob, RuleView, RuleWait, TimelineEntry,
};
pub use templates::{Template, TemplatePreview};
pub use words::{
    ActionKind, ActionStatus, Class, Connection, ContentKind, ConversationKind, ConversationStatus,
    Direction, EventKind, Format, HoldReach, Intake, MediaState, Origin, PairingKind, Purpose, Queue,
    Redelivery, Scope, Sending, Status, Timestamp,
};

/// A reason why part of an account's sending is held back, and its end.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Hold {
    /// What it keeps back.
    pub reach: HoldReach,
    /// The rule behind it.
    pub rule: String,
    /// When it ends.
    pub until: Timestamp,
    /// Since when it holds.
    pub since: Timestamp,
    /// For a person: what happened and what ends it.
    pub detail: Option<String>,
}

/// A login on a channel. Its credentials are never shown.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// The channel's name.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// Who it is at the provider.
    pub external_id: Option<String>,
    /// The app whose secrets it uses beside its own, where its channel has apps.
    pub app_id: Option<Uuid>,
    /// The channel's own settings, without secrets.
    #[schema(value_type = Object)]
    pub settings: Value,
    /// How it gets its events.
    pub intake: Intake,
    /// Whether the provider can be reached.
    pub connection: Connection,
    /// Why the connection is in its state.
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
    #[schema(value_type = Object)]
    pub pacing: Value,
    /// Divides every time of the account's pacing profile; other than 1 only where the channel is a sandbox.
    pub pace_scale: f64,
    /// What becomes of calls whose outcome nobody knows.
    pub redelivery: Redelivery,
    /// When this identity was first connected here.
    pub first_connected_at: Option<Timestamp>,
    /// When its number was registered at the provider, if a person says so: from then it is warmed up.
    pub registered_at: Option<Timestamp>,
    /// Campaigns before then do not count for the response rate: a person let them go on.
    pub campaigns_resumed_at: Option<Timestamp>,
    /// The worker that alone works for it, a boot of a process; it stays when that one is gone. Null: any may.
    pub pinned_to: Option<Uuid>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Where its provider delivers events; null when they do not come by webhook.
    pub webhook_url: Option<String>,
}

/// What a developer registered at a provider, and what many accounts share. Its secrets are never shown.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChannelApp {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to; null: the installation, whose operator set it. Every tenant may use that.
    pub workspace_id: Option<Uuid>,
    /// Whose app it is; the channels of that provider may use it.
    pub provider: String,
    /// What people call it.
    pub name: String,
    /// The names of the secrets that are set.
    pub credentials: Vec<String>,
    /// Whatever somebody wanted to remember.
    #[schema(value_type = Object)]
    pub settings: Value,
    /// Where its provider is to deliver the events of all its accounts, by channel; null: this service has no address.
    pub webhook_urls: BTreeMap<String, Option<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A page of a provider to open.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OauthPage {
    /// The visit's id.
    pub id: Uuid,
    /// The page.
    pub url: String,
    /// Until when a person may come back from it.
    pub expires_at: Timestamp,
}

/// What came of a visit to a page of a provider.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OauthVisit {
    /// Its id.
    pub id: Uuid,
    /// The channel's name.
    pub channel: String,
    /// The app that was to be let in.
    pub app_id: Uuid,
    /// `pending`: nobody came back yet. `ready`: there are candidates. `failed`: nothing can be connected.
    pub status: String,
    /// Why nothing can be connected.
    pub error: Option<String>,
    /// The accounts that may be connected.
    pub candidates: Vec<OauthCandidate>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// An account that may be connected.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OauthCandidate {
    /// Who it is at the provider.
    pub external_id: String,
    /// What the provider calls it.
    pub name: Option<String>,
}

/// A message, in or out.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// The account it passes through.
    pub account_id: Uuid,
    /// The chat it belongs to.
    pub conversation_id: Uuid,
    /// The other side, in a direct conversation.
    pub contact_id: Option<Uuid>,
    /// Which way it goes.
    pub direction: Direction,
    /// Where it stands.
    pub status: Status,
    /// Why it failed, was skipped or is unknown: a stable word, a colon, the provider's own text.
    pub reason: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// How urgent that makes it.
    pub class: Class,
    /// Its number in the conversation. None while scheduled.
    pub seq: Option<i64>,
    /// What made it.
    pub origin: Origin,
    /// Who made it: `api_key:<id>`, `contact`, `system`.
    pub actor: String,
    /// The caller's own id of it.
    pub client_id: Option<String>,
    /// Who wrote it, in a group.
    pub sender: Option<String>,
    /// What it says.
    pub content: Content,
    /// A thread or topic within the chat.
    pub thread: Option<String>,
    /// The message it answers.
    pub reply_to: Option<Uuid>,
    /// The provider's id of it.
    pub provider_id: Option<String>,
    /// The provider event that it came in.
    pub inbound_event_id: Option<Uuid>,
    /// When it is to be sent, if not at once.
    pub send_at: Option<Timestamp>,
    /// When it became ready to send.
    pub queued_at: Option<Timestamp>,
    /// It is not tried again before then.
    pub next_attempt_at: Option<Timestamp>,
    /// When the provider took it.
    pub sent_at: Option<Timestamp>,
    /// When it reached the contact.
    pub delivered_at: Option<Timestamp>,
    /// When the contact saw it.
    pub read_at: Option<Timestamp>,
    /// The provider's own time of it.
    pub provider_at: Option<Timestamp>,
    /// When its content last changed.
    pub edited_at: Option<Timestamp>,
    /// When it was taken back.
    pub deleted_at: Option<Timestamp>,
    /// Who reacted to it, oldest first.
    pub reactions: Vec<Reaction>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One reaction to a message.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Reaction {
    /// Who reacted: an address, or `me` for the account itself.
    pub by: String,
    /// With what.
    pub emoji: String,
    /// When.
    pub at: Timestamp,
}

/// Something that is done to a message after it was sent. It keeps order with the messages of its conversation.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Action {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// The account it passes through.
    pub account_id: Uuid,
    /// The chat it belongs to.
    pub conversation_id: Uuid,
    /// The message it is done to.
    pub message_id: Uuid,
    /// What is done.
    pub kind: ActionKind,
    /// The new content, of an edit.
    pub content: Option<Content>,
    /// The emoji, of a reaction that is set.
    pub emoji: Option<String>,
    /// Where it stands.
    pub status: ActionStatus,
    /// Why it failed, was canceled or is unknown: a stable word, a colon, the provider's own text.
    pub reason: Option<String>,
    /// Its message's class.
    pub class: Class,
    /// Its number in the conversation. None when the message had not left yet and was changed in its place.
    pub seq: Option<i64>,
    /// Who asked for it.
    pub actor: String,
    /// It is not tried again before then.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was done.
    pub done_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why something is not out yet, and until when.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Wait {
    /// The rule's name: `gap`, `same_recipient`, `per_minute`, `provider`, `retry`, `paused`, `scheduled`, `order`, …
    pub rule: String,
    /// What it holds.
    pub scope: Scope,
    /// When it ends; null while nobody can say.
    pub until: Option<Timestamp>,
    /// What happened and what ends it.
    pub detail: Option<String>,
}

/// A message with the reason why it is not out yet.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WaitingMessage {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// What it waits for; null when it waits for nothing (any more).
    pub waiting: Option<Wait>,
    /// When it is expected to leave, by what is known now; null when it left or nobody can say.
    pub expected_at: Option<Timestamp>,
}

/// One chat of one account.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Conversation {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// The account that takes part.
    pub account_id: Uuid,
    /// The other side, in a direct conversation.
    pub contact_id: Option<Uuid>,
    /// Who is in it.
    pub kind: ConversationKind,
    /// The provider's id of the chat.
    pub address: String,
    /// A group's name.
    pub title: Option<String>,
    /// Messages from the other side since it was last read.
    pub unread_count: i64,
    /// The newest message.
    pub last_message_id: Option<Uuid>,
    /// When that was.
    pub last_message_at: Option<Timestamp>,
    /// When the other side last wrote.
    pub last_inbound_at: Option<Timestamp>,
    /// Who works on it.
    pub assignee: Option<String>,
    /// Where it stands.
    pub status: ConversationStatus,
    /// The recipient waits until then by the provider's word.
    pub held_until: Option<Timestamp>,
    /// The rule behind `held_until`.
    pub held_rule: Option<String>,
    /// Since when the contact takes nothing from the account: messages to it fail until it writes or lifts that.
    pub blocked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whether its provider lets one write now.
    pub can_send: CanSend,
}

/// Whether one may write to a conversation now. Some providers let one only answer, for so long.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CanSend {
    /// Whether anything but templates of the provider may be sent.
    pub allowed: bool,
    /// When that ends, unless the other side writes again; null: never, or nobody knows.
    pub until: Option<Timestamp>,
    /// `window_closed`: it ended. `person_only`: a person (`origin` agent) may. `unknown`: nobody here knows when the other side
    /// last wrote, and the provider decides. Null: it is open, or there is no such limit.
    pub reason: Option<String>,
    /// Whether templates of the provider may be sent all the same, and nothing else.
    pub template_required: bool,
}

/// Where one account reaches a contact.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Identity {
    /// The account that knows the address.
    pub account_id: Uuid,
    /// The channel's name.
    pub channel: String,
    /// The provider's id of the contact.
    pub address: String,
}

/// A person or a business that accounts talk to.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Contact {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// What it is called.
    pub name: Option<String>,
    /// In international form.
    pub phone: Option<String>,
    /// IANA name of where it lives; null: its account's zone counts.
    pub timezone: Option<String>,
    /// Whatever the workspace wants to remember.
    #[schema(value_type = Object)]
    pub attributes: Value,
    /// Where it can be reached.
    pub identities: Vec<Identity>,
    /// Since when it wants no campaigns.
    pub opted_out_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Something that happened; what `GET /v1/events` streams.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Event {
    /// Its id.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// Its number in the workspace: what a reader resumes from.
    pub seq: i64,
    /// What happened.
    pub kind: EventKind,
    /// The account concerned.
    pub account_id: Option<Uuid>,
    /// The conversation concerned.
    pub conversation_id: Option<Uuid>,
    /// The message concerned.
    pub message_id: Option<Uuid>,
    /// Who did it.
    pub actor: String,
    /// The caller's own id of the thing concerned.
    pub client_id: Option<String>,
    /// The realtime connection it came from.
    pub connection: Option<String>,
    /// What changed.
    #[schema(value_type = Object)]
    pub data: Value,
    /// When it happened.
    pub created_at: Timestamp,
}

/// A key of the API, without its secret.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// The tenant it acts for.
    pub workspace_id: Uuid,
    /// What people call it.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The accounts it is limited to; null: all of the workspace.
    pub accounts: Option<Vec<Uuid>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is void.
    pub revoked_at: Option<Timestamp>,
}
