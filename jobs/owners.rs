//! Owned accounts: those whose events this process asks for itself, and those whose sessions it keeps.
//!
//! A polled account, and one with a session, has one owner in the whole fleet, by a row that the worker renews for all its accounts at once. Each
//! worker takes unowned accounts up to its fair share and lets go of what lies above it, a few at a time. One that cannot
//! renew stops asking, and closes its sessions, at two thirds of the lease by its own clock, long before anybody else may begin; whatever still
//! comes late is refused by the row's generation.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use events::{Order, Receipt};
use model::{AccountId, Intake};
use store::Owned;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{App, poll, sessions};

/// How long a worker that is gone keeps its accounts from others.
const LEASE: Duration = Duration::from_secs(6);
const BEAT: Duration = Duration::from_millis(1_500);
/// A process that has the store to itself need not hurry: nobody else takes anything, and what changes is told to it.
const LEASE_ALONE: Duration = Duration::from_hours(1);
const BEAT_ALONE: Duration = Duration::from_secs(30);
/// Orders to look that come within this time are one.
const GATHER: Duration = Duration::from_millis(50);
/// What is to end gets this long: a poll to commit what it has just been given, a session to let calls end and to close.
const ENDING: Duration = Duration::from_secs(3);
/// How soon it is tried again to read an account that is to be seen to.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The running polls and sessions of a process.
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

    /// Ends all polls and sessions and gives the accounts back, so that others go on at once.
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
    /// Orders to log out, for a session.
    log_outs: mpsc::Sender<Receipt>,
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
                    Order::LogOut(account, receipt) => {
                        if let Some(running) = self.running.get(&account)
                            && running.log_outs.try_send(receipt).is_err()
                        {
                            control.refuse(receipt, "it is busy with another order");
                        }
                    }
                }
            }
        }
        // What ends may take its time only while it is certainly ours.
        self.renew().await;
        self.end(self.running.keys().copied().collect()).await;
        if let Err(error) = self.app.store.retire_worker(self.app.worker).await {
            tracing::warn!(%error, "accounts were not given back; others take them when the lease ends");
        }
        control.look();
    }

    /// One round: renew, let go, take, let go of what lies above the fair share.
    async fn look(&mut self) {
        let Some(renewed) = self.renew().await else { return };
        let (store, worker) = (self.app.store.clone(), self.app.worker);
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

    /// Renews what this worker owns, and says what that is; none when the store did not do it.
    async fn renew(&mut self) -> Option<Vec<Owned>> {
        let asked = Instant::now();
        let patience = self.safe_until.max(asked + self.lease / 3);
        let renewed =
            match timeout_at(patience, self.app.store.renew_owned(self.app.worker, self.lease)).await {
                Ok(Ok(renewed)) => renewed,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the ownership of accounts was not renewed");
                    return None;
                }
                Err(_) => {
                    tracing::warn!("the store takes too long to renew the ownership of accounts");
                    return None;
                }
            };
        self.safe_until = asked + self.lease * 2 / 3;
        self.app.live.is_certain_until(self.safe_until);
        Some(renewed)
    }

    /// Sees that an account of ours is asked for its events, or its session kept.
    fn ensure(&mut self, owned: Owned) {
        let running = self.running.get(&owned.account_id);
        if running
            .is_some_and(|running| running.generation == owned.generation && !running.task.is_finished())
        {
            return;
        }
        let (account, generation, stop) = (owned.account_id, owned.generation, CancellationToken::new());
        let (log_outs, ordered) = mpsc::channel(1);
        let task = tokio::spawn(see_to(self.app.clone(), owned, stop.clone(), ordered));
        if let Some(before) = self.running.insert(account, Running { generation, stop, log_outs, task }) {
            before.task.abort();
        }
    }

    /// Begins an account's poll or session anew; false when it is not ours.
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

    /// Ends polls and sessions and gives their accounts back.
    async fn let_go(&mut self, accounts: Vec<AccountId>) {
        if accounts.is_empty() {
            return;
        }
        self.end(accounts.clone()).await;
        if let Err(error) = self.app.store.give_back_accounts(self.app.worker, &accounts).await {
            tracing::warn!(%error, "accounts were not given back; others take them when the lease ends");
        }
    }

    /// Ends polls and sessions, and returns when they have ended.
    async fn end(&mut self, accounts: Vec<AccountId>) {
        let ending: Vec<Running> =
            accounts.iter().filter_map(|account| self.running.remove(account)).collect();
        for running in &ending {
            running.stop.cancel();
        }
        let deadline = (Instant::now() + ENDING).min(self.safe_until);
        for mut running in ending {
            if timeout_at(deadline, &mut running.task).await.is_err() {
                running.task.abort();
            }
        }
    }

    /// The lease may end before it is renewed: nothing may go on that others may begin.
    fn abandon(&mut self) {
        tracing::warn!(
            accounts = self.running.len(),
            "ownership was not confirmed in time: polls and sessions stop"
        );
        metrics::counter!("rookery_ownership_losses_total").increment(1);
        for (_, running) in self.running.drain() {
            running.stop.cancel();
            running.task.abort();
        }
        metrics::gauge!("rookery_owned_accounts").set(0);
    }
}

/// Asks for an account's events or keeps its session, whichever it wants.
async fn see_to(app: App, owned: Owned, stop: CancellationToken, log_outs: mpsc::Receiver<Receipt>) {
    let intake = loop {
        match app.store.login(owned.account_id).await {
            Ok(Some((account, _))) => break account.intake,
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "an account of ours could not be read"),
        }
        if stop.run_until_cancelled(sleep(READ_AGAIN)).await.is_none() {
            return;
        }
    };
    if intake == Intake::Session {
        sessions::run(app, owned, stop, log_outs).await;
    } else {
        poll::run(app, owned, stop).await;
    }
}
