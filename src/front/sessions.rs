//! Accounts that are devices: pairing them, logging them out, and where their sends are made.
//!
//! The front never speaks to a session. It writes what a person wants into the account's row, its owner does it, and what
//! becomes of it is read from the row again, with a limit of time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Account, AccountId, Connection, PairingKind, PairingStep, Scope, Wait, WorkerId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{AccountChange, Owner, StoreError};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use crate::Front;
use crate::account_connection::{PATIENCE, TRY_AGAIN};
use crate::auth::Caller;
use crate::problem::{Kind, Problem};
use crate::schema;

/// How often the row is looked at while somebody waits for it.
const LOOK: Duration = Duration::from_millis(25);
/// A route is believed for so long. Who believes an old one costs a message a moment: whoever claims it passes it on.
const BELIEVED: Duration = Duration::from_secs(1);
/// Beyond so many routes the old ones are forgotten.
const REMEMBERED: usize = 10_000;
/// Digits of a telephone number with its country.
const DIGITS: std::ops::RangeInclusive<usize> = 6..=15;

/// How a device is to be paired.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    /// Only for accounts with a session: `qr` or `code`; as it was before, if not given.
    #[schema(value_type = Option<schema::PairingKind>)]
    by: Option<PairingKind>,
    /// The number of the phone that a code is typed into, with its country.
    phone: Option<String>,
}

/// Owners of sessions and pins, as they were a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    owners: Mutex<HashMap<AccountId, (Option<WorkerId>, Instant)>>,
    pins: Mutex<Pins>,
}

/// All pinned accounts, each with its worker. There are few, or none.
#[derive(Debug, Default)]
struct Pins {
    known: HashMap<AccountId, WorkerId>,
    since: Option<Instant>,
}

impl Connect {
    /// The first field that was given.
    pub(crate) fn field(&self) -> Option<&'static str> {
        self.by.map(|_| "by").or_else(|| self.phone.as_ref().map(|_| "phone"))
    }

    /// The account's settings with what is asked for.
    fn settings(&self, account: &Account) -> Result<Value, Problem> {
        let mut settings = account.settings.as_object().cloned().unwrap_or_default();
        if self.by == Some(PairingKind::Qr) {
            if self.phone.is_some() {
                return Err(Problem::field("phone", "invalid", "a picture needs no number"));
            }
            settings.remove("phone");
        }
        if let Some(phone) = &self.phone {
            let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
            let others = |c: char| c.is_ascii_digit() || "+ -()".contains(c);
            if !DIGITS.contains(&digits.len()) || !phone.chars().all(others) {
                return Err(Problem::field(
                    "phone",
                    "invalid",
                    "a number with its country, for example +49 30 1234567",
                ));
            }
            settings.insert("phone".to_owned(), digits.into());
        }
        if self.by == Some(PairingKind::Code) && !settings.contains_key("phone") {
            return Err(Problem::field(
                "phone",
                "required",
                "the number of the phone that the code is typed into",
            ));
        }
        Ok(Value::Object(settings))
    }
}

/// Has an account's session opened. Answers the account once it is connected, or what a person has to do first.
pub(crate) async fn connect(
    front: &Front,
    caller: &Caller,
    account: Account,
    asked: &Connect,
) -> Result<Response, Problem> {
    let id = account.id;
    let settings = asked.settings(&account)?;
    let is_other = settings != account.settings;
    if is_other {
        let change = AccountChange { settings: Some(settings), ..AccountChange::default() };
        front.store.change_account(caller.workspace, id, &change, &caller.actor()).await?;
    }
    let control = front.hints.control();
    let pairs =
        front.store.account_owner(caller.workspace, id).await?.is_some_and(|owner| owner.step.is_some());
    match account.connection {
        Connection::Connected | Connection::Connecting => {}
        Connection::QrRequired if pairs && !is_other => {}
        _ => {
            let actor = caller.actor();
            front.store.set_connection(caller.workspace, id, Connection::Connecting, None, &actor.0).await?;
            front.relay(caller.workspace).await;
        }
    }
    if pairs && is_other {
        // It goes on the other way. Should nobody confirm that, nothing of it will show below.
        drop(control.restart_confirmed(id, front.ids.number(), PATIENCE).await);
    }
    control.look();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let account = front.store.account(caller.workspace, id).await?;
        let owner = front.store.account_owner(caller.workspace, id).await?;
        let step = front.step(&account, owner.as_ref());
        match (account.connection, step) {
            (Connection::Connected, _) => return Ok(axum::Json(front.account_view(&account)).into_response()),
            (connection, Some(step)) => {
                let told = axum::Json(json!({"connection": connection, "step": step}));
                return Ok((StatusCode::ACCEPTED, told).into_response());
            }
            (Connection::Disconnected | Connection::Error, None) => {
                let why = account.connection_detail.unwrap_or_else(|| "its session ended".to_owned());
                return Err(Problem::new(Kind::Conflict).because(why));
            }
            (Connection::Connecting | Connection::QrRequired, None) => {}
        }
        if Instant::now() >= deadline {
            let why = match owner {
                None => why_unowned(front, &account).await?.to_owned(),
                Some(Owner { error: Some(error), .. }) => format!("its session is not open yet: {error}"),
                Some(_) => "its session is not open yet".to_owned(),
            };
            return Err(Problem::new(Kind::Unavailable).because(why).after(TRY_AGAIN));
        }
        sleep(LOOK).await;
    }
}

/// Why nothing of a session can be done.
pub(crate) const NOBODY: &str =
    "no worker owns the account at the moment; if workers run, one will within seconds";

/// Why nothing at all is done for an account.
pub(crate) const UNSERVED: &str = "no worker serves this account: the one that it is pinned to is gone; start a worker \
    with this account in --accounts, or take the pin away with `rookery unpin`";

/// Why an account has no owner.
pub(crate) async fn why_unowned(front: &Front, account: &Account) -> Result<&'static str, StoreError> {
    Ok(if front.unserved(account).await?.is_some() { UNSERVED } else { NOBODY })
}

/// Returns once nobody keeps the account's session any more.
pub(crate) async fn until_closed(front: &Front, caller: &Caller, id: AccountId) -> Result<(), Problem> {
    let deadline = Instant::now() + PATIENCE;
    while front.store.account_owner(caller.workspace, id).await?.is_some() {
        if Instant::now() >= deadline {
            let why = "it is to be disconnected, but the worker that owns it did not confirm in time";
            return Err(Problem::new(Kind::Unavailable).because(why).after(TRY_AGAIN));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

impl Front {
    /// What a person has to do now so that the account's session begins.
    pub(crate) fn step(&self, account: &Account, owner: Option<&Owner>) -> Option<PairingStep> {
        let step = owner?.step.clone().filter(|_| account.connection == Connection::QrRequired)?;
        (step.expires_at > self.clock.now()).then_some(step)
    }

    /// The worker that alone works for an account, if it is pinned to one.
    pub(crate) async fn pin(&self, account: AccountId) -> Option<WorkerId> {
        if self.routes.pins_are_old(Instant::now())
            && let Ok(pins) = self.store.pins().await
        {
            self.routes.pins().known = pins;
        }
        self.routes.pins().known.get(&account).copied()
    }

    /// What an account waits for whose worker is gone.
    pub(crate) async fn unserved(&self, account: &Account) -> Result<Option<Wait>, StoreError> {
        let Some(worker) = account.pinned_to else { return Ok(None) };
        if self.store.worker_lives(worker).await? {
            return Ok(None);
        }
        Ok(Some(Wait::new("no_worker", Scope::Lane, None).because(UNSERVED)))
    }

    /// Where an account's sends are made, if not anywhere.
    pub(crate) async fn route(&self, account: AccountId, channel: Option<&str>) -> Option<WorkerId> {
        if let Some(worker) = self.pin(account).await {
            return Some(worker);
        }
        let keeps = |name| self.channels.get(name).is_none_or(|channel| channel.sessions().is_some());
        if !channel.is_none_or(keeps) {
            return None;
        }
        let now = Instant::now();
        let known =
            |(route, since): &(Option<WorkerId>, Instant)| (now - *since < BELIEVED).then_some(*route);
        if let Some(route) = self.routes.lock().get(&account).and_then(known) {
            return route;
        }
        // A store that does not answer now is no reason to keep what was accepted from the queue.
        let route = self.store.route(account).await.ok().flatten();
        let mut routes = self.routes.lock();
        if routes.len() >= REMEMBERED {
            routes.retain(|_, known| now - known.1 < BELIEVED);
        }
        routes.insert(account, (route, now));
        route
    }
}

impl Routes {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, (Option<WorkerId>, Instant)>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pins(&self) -> std::sync::MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether whoever asks is to read the pins anew: one does, and the others go by what was known.
    fn pins_are_old(&self, now: Instant) -> bool {
        let mut pins = self.pins();
        let are_old = pins.since.is_none_or(|since| now - since >= BELIEVED);
        if are_old {
            pins.since = Some(now);
        }
        are_old
    }
}
