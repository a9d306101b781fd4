//! What operators and people who wait look at: states, rules, queues, timelines.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Connection, ContentKind, Hold, Intake, Origin, PairingKind, Purpose, Queue, Sending, Timestamp, Wait,
};

/// Whether an account is connected, whether it sends, and how much waits.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountStatus {
    /// Whether the provider can be reached.
    pub connection: Connection,
    /// Why the connection is in its state.
    pub connection_detail: Option<String>,
    /// How it gets its events.
    pub intake: Intake,
    /// Who asks for its events or keeps its session; null: nobody (yet), or it needs nobody.
    pub owner: Option<AccountOwner>,
    /// The worker that alone works for it, as it was started with `--accounts`; null: any does.
    pub pin: Option<AccountPin>,
    /// What a person has to do with their phone so that its session begins; null: nothing.
    pub step: Option<PairingStep>,
    /// Whether messages leave.
    pub sending: Sending,
    /// Why sending is paused or stopped.
    pub sending_reason: Option<String>,
    /// When a stop ends by itself, if it does.
    pub sending_until: Option<Timestamp>,
    /// What holds part of its sending back; some may have ended.
    pub holds: Vec<Hold>,
    /// What holds the whole account now; null: nothing does.
    pub waiting: Option<Wait>,
    /// How much is in its lane.
    pub lane: LaneCount,
}

/// How an account fares.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountHealth {
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
    /// What holds part of its sending back.
    pub holds: Vec<Hold>,
    /// What holds the whole account now; null: nothing does.
    pub waiting: Option<Wait>,
    /// Account or provider errors since the last call that went well.
    pub failures_in_a_row: u32,
    /// The last call for a message that did not go well; null: none is known.
    pub last_error: Option<LastError>,
    /// When its provider last took something.
    pub last_success_at: Option<Timestamp>,
    /// Why its events do not come at the moment, where they are asked for or come over a session.
    pub intake_error: Option<String>,
    /// Whether the account is only tried now and then because everything failed: the fleet's view.
    pub breaker: AccountBreaker,
    /// Whether its provider is left alone; null: this process cannot know.
    pub provider: Option<ProviderBreaker>,
    /// What is to be sent now.
    pub queue: AccountQueue,
    /// Its credentials.
    pub credentials: AccountRenewals,
}

/// A call that did not go well.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LastError {
    /// The provider's code.
    pub code: String,
    /// The provider's words.
    pub words: Option<String>,
    /// When it ended.
    pub at: Timestamp,
}

/// The breaker of an account.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountBreaker {
    /// Whether it is open.
    pub open: bool,
    /// When one call finds out whether it goes again.
    pub until: Option<Timestamp>,
}

/// The breaker of a provider's host.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ProviderBreaker {
    /// Whether it is open.
    pub open: bool,
    /// For how long calls fail at once.
    pub retry_in_seconds: Option<u64>,
    /// Whose view that is: `this_process`. Others may have found out otherwise.
    pub known_by: String,
}

/// What an account has to send now.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountQueue {
    /// How many messages.
    pub depth: u64,
    /// When the one that waits longest was queued.
    pub oldest_queued_at: Option<Timestamp>,
    /// How long that is ago.
    pub oldest_wait_seconds: Option<u64>,
}

/// Credentials that end unless they are renewed.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountRenewals {
    /// When they are renewed next, which is well before they end; null: they last, or cannot be renewed any more.
    pub refresh_at: Option<Timestamp>,
    /// How often in a row that failed.
    pub failures_in_a_row: u32,
}

/// An account whose session waits for a person.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Pairing {
    /// Whether the provider can be reached.
    pub connection: Connection,
    /// What has to be done.
    pub step: PairingStep,
}

/// What a person has to do with their phone.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PairingStep {
    /// `qr`: scan the picture that holds `code`. `code`: type it in.
    pub kind: PairingKind,
    /// The content of the picture, or the code to type.
    pub code: String,
    /// Until when it can be used; another one may follow.
    pub expires_at: Timestamp,
}

/// The worker that sees to an account's events.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountOwner {
    /// Which it is: a boot of a process.
    pub worker: Uuid,
    /// How often the account has had a new owner.
    pub generation: i64,
    /// Since when.
    pub since: Timestamp,
    /// Why events do not come at the moment; null: they do.
    pub error: Option<String>,
}

/// The worker that alone works for an account.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountPin {
    /// Which it is: a boot of a process.
    pub worker: Uuid,
    /// Whether it lives. If it does not, nobody works for the account until another one comes that was given it.
    pub lives: bool,
}

/// Somebody did something that decides about others.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its id; they rise with time.
    pub id: Uuid,
    /// Who: `api_key:<id>`, `contact`, `system`.
    pub actor: String,
    /// What: `account.pacing`, `contact.changed`, `contact.opted_out` and the like.
    pub action: String,
    /// To whom: `account:<id>`, `contact:<id>`.
    pub subject: String,
    /// How it was and how it is.
    pub detail: Value,
    /// When.
    pub created_at: Timestamp,
}

/// How much is in a lane.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LaneCount {
    /// Jobs that wait, due or not.
    pub waiting: u64,
    /// Jobs that workers have.
    pub claimed: u64,
    /// Whether there are more than were counted.
    pub more: bool,
}

/// The rules of an account and how much of each is used.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AccountPace {
    /// `person`: like a person at a phone. `provider`: as fast as the provider's own limits allow.
    pub pacing: String,
    /// Divides every time of the rules; instants are shown as they are.
    pub pace_scale: f64,
    /// IANA name: days and hours are judged in it.
    pub timezone: String,
    /// The account's own numbers, by rule.
    #[schema(value_type = Object)]
    pub overrides: Value,
    /// The rules.
    pub rules: Vec<RuleView>,
    /// The days to come, today first: who may send and how many new contacts, by the account's age and its warm-up.
    pub calendar: Vec<CalendarDay>,
    /// What came of its campaigns; null: no rule asks.
    pub response: Option<CampaignAnswers>,
    /// Account or provider errors since the last call that went well.
    pub failures_in_a_row: u32,
    /// What holds part of its sending back.
    pub holds: Vec<Hold>,
    /// What holds the whole account now; null: nothing but its rules.
    pub waiting: Option<Wait>,
}

/// A day of an account, or a part of one in which the same holds.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CalendarDay {
    /// The day in the account's zone, as `2026-03-02`.
    pub date: String,
    /// From when it holds.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who may send: `none`, `persons` (purpose conversation, origin agent) or `all`.
    pub may_send: String,
    /// How many new contacts the whole day may have by then; null: any number.
    pub new_contacts: Option<u32>,
}

/// What came of campaigns: of the recipients of the last days, how many wrote since.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CampaignAnswers {
    /// Chats that got a campaign.
    pub recipients: u32,
    /// Those that wrote since.
    pub wrote: u32,
}

/// When messages would be out.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PacePreview {
    /// When the last one leaves; null when some never do, or nobody can say.
    pub finish: Option<Timestamp>,
    /// Too much to be foreseen one by one: the rest goes on at the pace of what was.
    pub estimate: bool,
    /// How many were foreseen to leave.
    pub sent: u32,
    /// How many would be refused.
    pub refused: u32,
    /// Which rule binds when, at most 100 parts.
    pub timeline: Vec<PaceSegment>,
    /// What stops the whole account now; null: nothing but its rules.
    pub waiting: Option<Wait>,
    /// What the request left open.
    pub assumed: PaceAssumptions,
}

/// What a preview took for granted because the request did not say it; null: it was said.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PaceAssumptions {
    /// What the messages are for.
    pub purpose: Option<Purpose>,
    /// How many go to new contacts: all of a campaign, else none.
    pub new_contacts: Option<u32>,
    /// The length of each text.
    pub chars: Option<u32>,
    /// What makes them.
    pub origin: Option<Origin>,
}

/// A time in which one rule bound most.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PaceSegment {
    /// Its begin: the end of the one before.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// The rule that held longest in it; `typing` or `turn` where none did.
    pub rule: String,
    /// How many of the messages leave in it.
    pub sent: u32,
    /// How many others of the account.
    pub others: u32,
    /// For how many seconds of it that rule held.
    pub wait_s: f64,
    /// All that held in it, the longest first.
    pub rules: Vec<RuleWait>,
    /// How many parts it was made of, because there were too many to show: 1 where it is one.
    pub merged: u32,
}

/// For how long a rule held.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RuleWait {
    /// The rule; `typing` or `turn` where none did.
    pub rule: String,
    /// For how long, in seconds.
    pub wait_s: f64,
}

/// One rule as it stands.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RuleView {
    /// The rule, as an account's own numbers name it.
    pub rule: String,
    /// Its name in a wait.
    pub name: String,
    /// Its numbers, as an account's own are given; null where it is off.
    #[schema(value_type = Option<Object>)]
    pub kind: Value,
    /// What it demands, for a person.
    pub limit: String,
    /// Whom it counts for: `account`, `chat` or `group`.
    pub reach: String,
    /// Sends in the window that ends now; for gaps and buckets 1 while they hold; for rules of chats, chats held.
    pub used: u64,
    /// How many there may be, where that is a number.
    pub of: Option<u64>,
    /// When it next lets a send go; null while it holds nobody.
    pub next_free: Option<Timestamp>,
    /// Where the numbers come from.
    pub source: String,
}

/// Something that happened to a message.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What: an event's kind, `waited` or `attempt`.
    pub what: String,
    /// Who did it, for an event.
    pub actor: Option<String>,
    /// What changed, for an event.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Value>,
    /// The wait, for `waited`.
    pub wait: Option<Wait>,
    /// The call, for `attempt`.
    pub attempt: Option<Attempt>,
}

/// A call to a provider.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its id.
    pub id: Uuid,
    /// The action it was made for; null: the message itself.
    pub action_id: Option<Uuid>,
    /// The how-manieth for its message or action.
    pub n: i64,
    /// Who made it.
    pub worker: Uuid,
    /// Which gap lay before it.
    pub pace: String,
    /// When pacing granted it.
    pub granted_at: Timestamp,
    /// When the call started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended: `accepted`, `refused`, `retry`, `ambiguous`, `lost`.
    pub outcome: Option<String>,
    /// The provider's code.
    pub error_code: Option<String>,
    /// The provider's words.
    pub error: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// The waits before it.
    pub waits: Vec<Wait>,
}

/// A key and its secret: the only answer that shows it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewApiKey {
    /// The key.
    #[serde(flatten)]
    pub key: super::ApiKey,
    /// `rk_…`: keep it now.
    pub secret: String,
}

/// A channel as data.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What a person does to connect an account, in order.
    pub connect_steps: Vec<ConnectStep>,
    /// What its accounts may share; null: it has no apps.
    pub app: Option<AppForm>,
    /// Whether an account can be connected on a page of the provider: see `POST /v1/oauth/start`.
    pub oauth: bool,
    /// For how long after the other side wrote one may write to it; null: always.
    pub window: Option<Window>,
    /// Whether it can be asked for events, where its provider cannot reach this service.
    pub polls: bool,
    /// Whether its accounts may be devices, which are paired with a phone.
    pub sessions: bool,
}

/// What an app of a channel's provider is made of.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AppForm {
    /// Whose app it is: `provider` of `POST /v1/channel_apps`. Several channels may have the same.
    pub provider: String,
    /// Its fields; all of them go into `credentials`.
    pub fields: Vec<ConnectField>,
}

/// What a network can do and how much of it.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the twin of the channel's capabilities")]
pub struct Capabilities {
    /// Kinds of content that can be sent.
    pub sends: Vec<ContentKind>,
    /// Longest text, counted in `text_unit`.
    pub text_max: u64,
    /// What `text_max` counts: `chars`, `utf16` or `bytes`.
    pub text_unit: String,
    /// Longest caption, in the same unit.
    pub caption_max: u64,
    /// Kinds of files that can carry words.
    pub captions: Vec<ContentKind>,
    /// Files, by kind.
    pub media: Vec<MediaLimit>,
    /// Whether buttons can be sent under a text.
    pub buttons: bool,
    /// Whether a message can answer another one.
    pub replies: bool,
    /// Whether a message of ours can be changed.
    pub edits: bool,
    /// Whether a message of ours can be taken back.
    pub deletes: bool,
    /// Whether we can react.
    pub reactions: bool,
    /// Whether typing can be shown.
    pub typing: bool,
    /// Whether we learn that a message arrived or was read.
    pub receipts: bool,
    /// Whether the provider recognises a repeated call.
    pub deduplicates: bool,
    /// How many messages of one account may be under way at once.
    pub width: u32,
    /// `person` or `provider`.
    pub pacing: String,
    /// The provider's own limits.
    pub limits: Vec<Limit>,
    /// For how long after the other side wrote one may write to it; null: always.
    pub window: Option<Window>,
}

/// The time after the other side wrote in which a provider lets one answer freely.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Window {
    /// Seconds for everybody.
    pub seconds: u64,
    /// Seconds for a person (`origin` agent), where that is longer.
    pub person_seconds: Option<u64>,
    /// Whether a template of the provider may be sent after it.
    pub templates_after: bool,
    /// Where the provider says so.
    pub source: String,
    /// The day on which that was read.
    pub read_on: String,
}

/// How large a file of one kind may be.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MediaLimit {
    /// The kind of content.
    pub kind: ContentKind,
    /// Most bytes.
    pub max_bytes: u64,
    /// MIME types that are taken; an empty list admits all.
    pub mimes: Vec<String>,
}

/// One limit of a provider.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Limit {
    /// The rule's name.
    pub name: String,
    /// What it counts for: `account`, `chat` or `group`.
    pub scope: String,
    /// How many.
    pub count: u32,
    /// In how many seconds.
    pub seconds: f64,
    /// Null: every window of that length holds it. Otherwise a token bucket: one send for each `seconds` / `count`, and so
    /// many saved up.
    pub burst: Option<u32>,
    /// Where the provider says so.
    pub source: String,
    /// The day on which that was read.
    pub read_on: String,
}

/// What a person does next to connect an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum ConnectStep {
    /// Fill in fields.
    Fields {
        /// The form.
        fields: Vec<ConnectField>,
    },
    /// Open a page and come back.
    OpenPage {
        /// What to tell the person.
        label: String,
    },
    /// Scan a code that is shown.
    ScanQr {
        /// What to tell the person.
        label: String,
    },
    /// Type a code that is shown into the phone.
    EnterCode {
        /// What to tell the person.
        label: String,
    },
}

/// A field of a connect form.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConnectField {
    /// Its key in `credentials`, or in `settings` if it is no secret.
    pub name: String,
    /// What to call it on a form.
    pub label: String,
    /// Where to find it.
    pub help: String,
    /// Whether it goes into `credentials` and is never shown again.
    pub secret: bool,
    /// Whether it must be given.
    pub required: bool,
}

/// A queue at a glance.
#[derive(Debug, Deserialize, ToSchema)]
pub struct QueueSummary {
    /// The queue.
    pub queue: Queue,
    /// The hold on it; null: it is not held.
    pub held: Option<Wait>,
    /// Lanes with jobs.
    pub lanes: u64,
    /// Jobs that wait, due or not.
    pub waiting: u64,
    /// Jobs that workers have.
    pub claimed: u64,
}

/// A lane at a glance.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LaneSummary {
    /// Its name; for `send` the account's id.
    pub lane: String,
    /// Jobs that wait, due or not.
    pub waiting: u64,
    /// Jobs that workers have.
    pub claimed: u64,
    /// When it may be served next.
    pub due: Option<Timestamp>,
    /// Holds on the whole lane and on its classes.
    pub held: Vec<Wait>,
}

/// A job in a lane and where it is.
#[derive(Debug, Deserialize, ToSchema)]
pub struct QueuedJob {
    /// Its id, `verb-noun:row id`.
    pub job: String,
    /// `future`, `claimed` or `waiting`.
    pub place: String,
    /// When it joins its key's order, in the future.
    pub ready_at: Option<Timestamp>,
    /// Who has it, when claimed.
    pub worker: Option<Uuid>,
    /// How many jobs of its key go before it, when waiting.
    pub behind: Option<u64>,
    /// What keeps it, when waiting.
    pub held: Option<Wait>,
}

/// A job that was given up on.
#[derive(Debug, Deserialize, ToSchema)]
pub struct DeadJob {
    /// Its id, `verb-noun:row id`.
    pub job: String,
    /// Its queue.
    pub queue: String,
    /// Its lane.
    pub lane: String,
    /// Why.
    pub reason: String,
    /// When.
    pub died_at: Timestamp,
}
