//! The accounts that this process alone works for, because it was started with them.
//!
//! The pin is in the account's row: every worker reads it with the account, and sends on what came to it by mistake; the
//! account's lanes are routed to this one. Of two workers that were given the same account the second waits until the first
//! is gone. A worker that died leaves its pins: nobody works for these accounts until one comes that was given them, or an
//! operator takes the pins away.

use std::collections::{HashMap, HashSet};

use model::{AccountId, WorkerId};
use queue::{Push, QueueError};
use store::StoreError;

use crate::App;
use crate::recovery::RecoveryError;

/// What became of the pins of a process.
#[derive(Debug)]
pub(crate) struct Pins {
    app: App,
    /// Those that it has.
    held: HashSet<AccountId>,
    /// Those that a worker has which lives.
    awaited: HashMap<AccountId, WorkerId>,
}

impl Pins {
    pub(crate) fn new(app: App) -> Self {
        Self { app, held: HashSet::new(), awaited: HashMap::new() }
    }

    /// Takes what is to be had of the pins, and says what is not. The worker has just said that it lives.
    pub(crate) async fn see_to(&mut self) {
        if !self.app.only_pinned() {
            return;
        }
        if let Err(error) = self.look().await {
            tracing::warn!(%error, "this worker's accounts could not be pinned to it; trying again");
        }
    }

    async fn look(&mut self) -> Result<(), RecoveryError> {
        let (app, worker) = (self.app.clone(), self.app.worker);
        let mut pins = app.store.pins().await?;
        let missing: Vec<AccountId> =
            app.pins.iter().copied().filter(|account| pins.get(account) != Some(&worker)).collect();
        for account in &missing {
            if self.held.remove(account) {
                tracing::error!(account.id = %account, "an account that this worker was given alone is another one's by now");
            }
        }
        if !missing.is_empty() && !app.store.pin_accounts(worker, &missing).await?.is_empty() {
            pins = app.store.pins().await?;
            // Whoever owned their sessions lets go of them.
            app.hints.control().look();
        }
        for account in app.pins.iter() {
            match pins.get(account) {
                Some(holder) if *holder == worker => {
                    self.awaited.remove(account);
                    if !self.held.contains(account) {
                        self.route(*account).await?;
                        self.held.insert(*account);
                        tracing::info!(account.id = %account, "this worker alone works for the account from now on");
                    }
                }
                Some(holder) if self.awaited.insert(*account, *holder) != Some(*holder) => {
                    tracing::warn!(
                        account.id = %account, worker = %holder,
                        "another worker that lives was given the account, too: this one waits until that one is gone"
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Has what waits in the account's lanes come here. Where nothing waits, what comes brings the way along.
    async fn route(&self, account: AccountId) -> Result<(), RecoveryError> {
        let route = Some(self.app.worker);
        let mut pushes = vec![Push::ingest_events(account).routed(route)];
        pushes.extend(self.send_of(account).await?.map(|push| push.routed(route)));
        match self.app.lanes.push_if_absent(pushes).await {
            Ok(_) => {}
            Err(QueueError::Rebuilding) => tracing::debug!("the queue is being rebuilt: with the right ways"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn send_of(&self, account: AccountId) -> Result<Option<Push>, StoreError> {
        let send = self.app.store.any_pending(account).await?;
        Ok(send.map(|send| self.app.push_of(&send)))
    }
}
