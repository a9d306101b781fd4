//! Connecting: the form's fields are checked against the channel's steps, then the provider is asked. It is the only
//! place of the front that calls a provider.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use channel::{Channel, ChannelError, ConnectField, ConnectStep, Connected, Credentials, ErrorClass};
use model::{Account, AccountId, Intake, Timestamp, WorkspaceId};
use serde_json::{Map, Value};
use store::NewAccount;

use crate::Front;
use crate::channel_apps::without_app;
use crate::problem::{Kind, Problem};

/// Shorter values are no secrets: replacing them in a text would only garble it.
const SECRET_MIN: usize = 6;

/// Whoever has the same key goes one after the other, within this process.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// The lock of `key`. It goes when nobody holds or awaits it.
    pub(crate) fn of(&self, key: String) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }
}

/// Compares what was given with the channel's form; `complete` demands the required fields. What an account's app is made of
/// may be given for the account alone.
pub(crate) fn check_fields(
    channel: &dyn Channel,
    credentials: &BTreeMap<String, String>,
    settings: &Map<String, Value>,
    complete: bool,
) -> Result<(), Problem> {
    let of_step = |step| if let ConnectStep::Fields { fields } = step { fields } else { Vec::new() };
    let mut fields: Vec<ConnectField> = channel.connect_steps().into_iter().flat_map(of_step).collect();
    for field in channel.apps().map(channel::Apps::fields).unwrap_or_default() {
        if fields.iter().all(|known| known.name != field.name) {
            fields.push(ConnectField { secret: true, required: false, ..field });
        }
    }
    let mut problem = Problem::new(Kind::Validation);
    for (part, secret, given) in [
        ("credentials", true, credentials.keys().collect::<Vec<_>>()),
        ("settings", false, settings.keys().collect()),
    ] {
        for name in given {
            let path = format!("{part}.{name}");
            match fields.iter().find(|field| field.name == name) {
                Some(field) if field.secret == secret => {}
                Some(_) if secret => problem = problem.and(path, "misplaced", "this goes into `settings`"),
                Some(_) => {
                    problem = problem.and(path, "misplaced", "this is a secret: it goes into `credentials`");
                }
                None => problem = problem.and(path, "unknown_field", "this channel has no such field"),
            }
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        let (part, given) = if field.secret {
            let given = credentials.get(field.name).map(|value| !value.trim().is_empty());
            ("credentials", given)
        } else {
            let given = settings
                .get(field.name)
                .map(|value| !matches!(value, Value::Null) && value.as_str() != Some(""));
            ("settings", given)
        };
        if given == Some(false) || (complete && given.is_none()) {
            problem = problem.and(format!("{part}.{}", field.name), "required", field.help);
        }
    }
    problem.or_ok()
}

/// How an account gets its events: by its session, if its settings ask for one; else as it was asked, if that can be; else by webhook where this service has an address,
/// and by polling where it has none.
pub(crate) fn intake(
    front: &Front,
    channel: &Arc<dyn Channel>,
    id: AccountId,
    asked: Option<Intake>,
    settings: &Value,
) -> Result<Intake, Problem> {
    let polls = channel.poller().is_some();
    let keeps_session = channel.sessions().is_some_and(|sessions| sessions.keeps(settings));
    let has_address = front.config.webhook_url(channel.name(), id).is_some();
    let refused = |code, message: &str| Err(Problem::field("intake", code, message));
    match asked {
        Some(Intake::Webhook | Intake::Poll) if keeps_session => {
            refused("unsupported", "the account keeps a session: its events come that way")
        }
        Some(Intake::Session) | None if keeps_session => Ok(Intake::Session),
        Some(Intake::Webhook) if !has_address => refused(
            "unavailable",
            "this service has no address that a provider reaches: its operator sets ROOKERY_PUBLIC_URL",
        ),
        Some(Intake::Poll) if !polls => refused("unsupported", "this channel cannot be asked for events"),
        Some(Intake::Session | Intake::None) => refused("invalid", "it is `webhook` or `poll`"),
        Some(asked) => Ok(asked),
        None if has_address => Ok(Intake::Webhook),
        None if polls => Ok(Intake::Poll),
        None => Ok(Intake::None),
    }
}

/// Whether an account gets its credentials by being paired, not from a person.
pub(crate) fn is_paired(channel: &Arc<dyn Channel>, intake: Intake) -> bool {
    intake == Intake::Session && channel.sessions().is_none_or(channel::Sessions::pairs)
}

/// Asks the provider who these credentials belong to, and tells it where this account's events go.
pub(crate) async fn connect(
    front: &Front,
    channel: &Arc<dyn Channel>,
    id: AccountId,
    intake: Intake,
    credentials: &BTreeMap<String, String>,
    settings: Value,
) -> Result<Connected, Problem> {
    let webhook_url =
        (intake == Intake::Webhook).then(|| front.config.webhook_url(channel.name(), id)).flatten();
    channel
        .connect(&bag(credentials), &settings, webhook_url.as_deref())
        .await
        .map_err(|error| refused(&error, credentials))
}

/// The same for an account that exists, with some of its secrets replaced, if any. The credentials are those to keep.
pub(crate) async fn reconnect(
    front: &Front,
    channel: &Arc<dyn Channel>,
    account: &Account,
    intake: Intake,
    given: &BTreeMap<String, String>,
    settings: Value,
) -> Result<Connected, Problem> {
    let (_, mut credentials) =
        front.store.login(account.id).await?.ok_or_else(|| Problem::not_found("account"))?;
    credentials.extend(given.clone());
    let mut connected = connect(front, channel, account.id, intake, &credentials, settings).await?;
    if account.external_id.as_ref().is_some_and(|id| *id != connected.external_id) {
        let message = format!("they belong to {}, another login than this account's", connected.external_id);
        return Err(Problem::field("credentials", "mismatch", message));
    }
    let mut own = front.store.own_secrets(account.id).await?;
    own.extend(given.clone());
    connected.credentials = bag(&without_app(secrets(&connected.credentials), &own));
    Ok(connected)
}

/// The login turned out to be connected here already, and asking the provider pointed its webhooks to an account that
/// was not made: points them back.
pub(crate) async fn restore(
    front: &Front,
    workspace: WorkspaceId,
    channel: &Arc<dyn Channel>,
    refused: &NewAccount,
) {
    let restored = async {
        let external_id = refused.external_id.as_deref().unwrap_or_default();
        let found = front.store.account_by_external_id(workspace, &refused.channel, external_id).await?;
        let Some(id) = found else { return Ok(()) };
        let Some((account, credentials)) = front.store.login(id).await? else { return Ok(()) };
        connect(front, channel, id, account.intake, &credentials, account.settings).await.map(drop)
    };
    let restored: Result<(), Problem> = restored.await;
    if restored.is_err() {
        tracing::warn!(channel = refused.channel, "an account's webhooks could not be pointed back to it");
    }
}

/// When credentials are to be renewed, where they end.
pub(crate) fn refresh_at(channel: &dyn Channel, credentials: &Credentials) -> Option<Timestamp> {
    channel.refresher()?.refresh_at(credentials)
}

/// What the store keeps of the credentials.
pub(crate) fn secrets(credentials: &Credentials) -> BTreeMap<String, String> {
    credentials.names().map(|name| (name.to_owned(), credentials.get(name).to_owned())).collect()
}

/// The credentials as a channel takes them.
pub(crate) fn bag(secrets: &BTreeMap<String, String>) -> Credentials {
    secrets.iter().fold(Credentials::default(), |bag, (name, value)| bag.with(name, value))
}

/// Settings with some replaced; null takes one away.
pub(crate) fn merged(settings: &Value, given: &Map<String, Value>) -> Value {
    let mut settings = settings.as_object().cloned().unwrap_or_default();
    for (name, value) in given {
        if value.is_null() {
            settings.remove(name);
        } else {
            settings.insert(name.clone(), value.clone());
        }
    }
    Value::Object(settings)
}

/// A provider's words, without any of these in them.
pub(crate) fn told<'a>(error: &ChannelError, secrets: impl Iterator<Item = &'a String>) -> String {
    let words = format!("{}: {}", error.code, error.message);
    let secrets = secrets.filter(|secret| secret.len() >= SECRET_MIN);
    secrets.fold(words, |words, secret| words.replace(secret.as_str(), "…"))
}

/// What the provider answered, as the caller is told: in its words, but never with a secret in them.
fn refused(error: &ChannelError, credentials: &BTreeMap<String, String>) -> Problem {
    let words = told(error, credentials.values());
    match &error.class {
        ErrorClass::Permanent
        | ErrorClass::AccountStopped { .. }
        | ErrorClass::BulkHeld(_)
        | ErrorClass::RecipientHeld(_) => Problem::field("credentials", "refused", words),
        ErrorClass::RetryAfter(Some(wait)) => Problem::new(Kind::Unavailable).because(words).after(*wait),
        ErrorClass::RetryAfter(None) => Problem::new(Kind::Unavailable).because(words),
        ErrorClass::Retry | ErrorClass::Ambiguous => Problem::new(Kind::Provider).because(words),
    }
}
