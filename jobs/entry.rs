//! A place among the calls to a provider: asked for as soon as it is known which provider it is, so that who gets none costs
//! no look into the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use channel::Channel;
use model::{Account, AccountId, Scope, Wait};
use outbound::{Gate, Place, Shut};
use queue::Claimed;

use crate::{App, JobError};

/// The channels of the accounts that were loaded here: an account keeps its channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownChannels(Arc<Mutex<HashMap<AccountId, String>>>);

impl KnownChannels {
    /// Remembers the channel of an account.
    pub(crate) fn note(&self, account: &Account) {
        self.lock().entry(account.id).or_insert_with(|| account.channel.clone());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place at the provider of a channel; none where the channel calls no host of its own.
pub(crate) async fn enter(gate: &Gate, channel: &dyn Channel) -> Result<Option<Place>, Shut> {
    match channel.provider_url() {
        Some(url) => gate.enter(url).await.map(Some),
        None => Ok(None),
    }
}

/// [`enter`] before the row of a claim is loaded; none where the account was never loaded here, too. Where the provider is
/// down the row is loaded all the same: it may need no call.
pub(crate) async fn enter_early(app: &App, claimed: &Claimed) -> Result<Option<Place>, Shut> {
    let Ok(account) = claimed.claim().ticket.lane.name.parse::<AccountId>() else { return Ok(None) };
    let channel = app.known_channels.lock().get(&account).and_then(|name| app.channels.get(name).cloned());
    let Some(channel) = channel else { return Ok(None) };
    match enter(&app.gates.send, channel.as_ref()).await {
        Err(Shut::Down(_)) => Ok(None),
        entered => entered,
    }
}

/// The lane waits until its provider may be called.
pub(crate) async fn wait_outside(claimed: Claimed, shut: Shut) -> Result<(), JobError> {
    let until = claimed.now() + shut.retry_in();
    Ok(claimed.park(Wait::new(shut.as_str(), Scope::Lane, until)).await?)
}
