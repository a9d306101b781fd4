//! Owned accounts: those whose events this process asks for itself.
//!
//! A polled account has one owner in the whole fleet, by a row that the worker renews for all its accounts at once. Each
//! worker takes unowned accounts up to its fair share and lets go of what lies above it, a few at a time. One that cannot
//! renew stops asking at two thirds of the lease by its own clock, long before anybody else may begin; whatever still
//! comes late is refused by the row's generation.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use events::Order;
use model::AccountId;
use store::Owned;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{App, poll};

/// How long a worker that is gone keeps its accounts from others.
const LEASE: Duration = Duration::from_secs(6);
const BEAT: Duration = Duration::from_millis(1_500);
/// A process that has the store to itself need not hurry: nobody else takes anything, and what changes is told to it.
const LEASE_ALONE: Duration = Duration::from_hours(1);
const BEAT_ALONE: Duration = Duration::from_secs(30);
/// Orders to look that come within this time are one.
const GATHER: Duration = Duration::from_millis(50);
/// A poll that is to end gets this long to commit what it has just been given.
const ENDING: Duration = Duration::from_secs(2);

/// The running polls of a process.
#[derive(Debug)]
pub(crate) struct Owners {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Owners {
    /// Starts to own accounts.
    pub(crate) fn start(app: App) -> Self {
        let stop = CancellationToken::new();
        let running = tokio::spawn(Holdings::new(app).run(stop.clone()));
        Self { stop, running }
    }

    /// Ends all polls and gives the accounts back, so that others go on at once.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the owner of accounts broke while it stopped");
        }
    }
}

#[derive(Debug)]
struct Running {
    generation: i64,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Holdings {
    app: App,
    lease: Duration,
    beat: Duration,
    /// What was last renewed holds until then, with a third of the lease to spare.
    safe_until: Instant,
    running: HashMap<AccountId, Running>,
}

impl Holdings {
    fn new(app: App) -> Self {
        let (lease, beat) = if app.alone { (LEASE_ALONE, BEAT_ALONE) } else { (LEASE, BEAT) };
        Self { app, lease, beat, safe_until: Instant::now(), running: HashMap::new() }
    }

    async fn run(mut self, stop: CancellationToken) {
        let control = self.app.hints.control().clone();
        let mut orders = control.orders();
        let mut free = !self.app.alone;
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(self.safe_until), if !self.running.is_empty() => self.abandon(),
                () = sleep_until(next) => {
                    next = Instant::now() + self.beat;
                    if !free {
                        // Whoever owned them was this process, before it was killed.
                        match self.app.store.free_accounts().await {
                            Ok(()) => free = true,
                            Err(error) => {
                                tracing::warn!(%error, "accounts could not be freed; trying again");
                                next = Instant::now() + BEAT;
                                continue;
                            }
                        }
                    }
                    self.look().await;
                }
                order = orders.next() => match order {
                    Order::Look => next = next.min(Instant::now() + GATHER),
                    Order::Restart(account, receipt) => {
                        if self.restart(account).await {
                            control.confirm(receipt);
                        } else {
                            // Perhaps it has just begun to need an owner.
                            next = next.min(Instant::now() + GATHER);
                        }
                    }
                }
            }
        }
        self.end(self.running.keys().copied().collect()).await;
        if let Err(error) = self.app.store.retire_worker(self.app.worker).await {
            tracing::warn!(%error, "accounts were not given back; others take them when the lease ends");
        }
        control.look();
    }

    /// One round: renew, let go, take, let go of what lies above the fair share.
    async fn look(&mut self) {
        let (store, worker) = (self.app.store.clone(), self.app.worker);
        let asked = Instant::now();
        let patience = self.safe_until.max(asked + self.lease / 3);
        let renewed = match timeout_at(patience, store.renew_owned(worker, self.lease)).await {
            Ok(Ok(renewed)) => renewed,
            Ok(Err(error)) => return tracing::warn!(%error, "the ownership of accounts was not renewed"),
            Err(_) => return tracing::warn!("the store takes too long to renew the ownership of accounts"),
        };
        self.safe_until = asked + self.lease * 2 / 3;
        let kept: HashSet<AccountId> = renewed.iter().map(|owned| owned.account_id).collect();
        let gone = self.running.keys().copied().filter(|account| !kept.contains(account)).collect();
        self.let_go(gone).await;
        for owned in renewed {
            self.ensure(owned);
        }
        match timeout_at(self.safe_until, store.take_accounts(worker, self.lease)).await {
            Ok(Ok(taken)) => {
                for owned in taken.accounts {
                    self.ensure(owned);
                }
                let above = self.running.len().saturating_sub(taken.share);
                if above > 0 {
                    // Gently: a worker that comes and goes at once must not move everything twice.
                    let few = self.running.keys().copied().take(above.div_ceil(4)).collect();
                    self.let_go(few).await;
                    self.app.hints.control().look();
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "no accounts could be taken"),
            Err(_) => tracing::warn!("the store takes too long to hand out accounts"),
        }
        metrics::gauge!("rookery_owned_accounts").set(u32::try_from(self.running.len()).unwrap_or(u32::MAX));
    }

    /// Sees that an account of ours is asked for its events.
    fn ensure(&mut self, owned: Owned) {
        let running = self.running.get(&owned.account_id);
        if running
            .is_some_and(|running| running.generation == owned.generation && !running.task.is_finished())
        {
            return;
        }
        let (account, generation, stop) = (owned.account_id, owned.generation, CancellationToken::new());
        let task = tokio::spawn(poll::run(self.app.clone(), owned, stop.clone()));
        if let Some(before) = self.running.insert(account, Running { generation, stop, task }) {
            before.task.abort();
        }
    }

    /// Begins an account's poll anew; false when it is not ours.
    async fn restart(&mut self, account: AccountId) -> bool {
        if !self.running.contains_key(&account) {
            return false;
        }
        self.end(vec![account]).await;
        // The renewal starts it with the cursor that is valid now.
        self.look().await;
        let goes_on = self.running.contains_key(&account);
        if !goes_on {
            // It needs no owner any more.
            self.let_go(vec![account]).await;
        }
        goes_on
    }

    /// Ends polls and gives their accounts back.
    async fn let_go(&mut self, accounts: Vec<AccountId>) {
        if accounts.is_empty() {
            return;
        }
        self.end(accounts.clone()).await;
        if let Err(error) = self.app.store.give_back_accounts(self.app.worker, &accounts).await {
            tracing::warn!(%error, "accounts were not given back; others take them when the lease ends");
        }
    }

    /// Ends polls, and returns when they have ended.
    async fn end(&mut self, accounts: Vec<AccountId>) {
        let ending: Vec<Running> =
            accounts.iter().filter_map(|account| self.running.remove(account)).collect();
        for running in &ending {
            running.stop.cancel();
        }
        let deadline = Instant::now() + ENDING;
        for mut running in ending {
            if timeout_at(deadline, &mut running.task).await.is_err() {
                running.task.abort();
            }
        }
    }

    /// The lease may end before it is renewed: nothing may go on that others may begin.
    fn abandon(&mut self) {
        tracing::warn!(accounts = self.running.len(), "ownership was not confirmed in time: polls stop");
        metrics::counter!("rookery_ownership_losses_total").increment(1);
        for (_, running) in self.running.drain() {
            running.stop.cancel();
            running.task.abort();
        }
        metrics::gauge!("rookery_owned_accounts").set(0);
    }
}
