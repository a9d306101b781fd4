//! Owned accounts: those whose events this process asks for itself, and those whose sessions it keeps.
//!
//! A polled account, and one with a session, has one owner in the whole fleet, by a row that the worker renews for all its accounts at once. Each
//! worker takes unowned accounts up to its fair share and lets go of what lies above it, a few at a time. One that cannot
//! renew stops asking, and closes its sessions, at two thirds of the lease by its own clock, long before anybody else may begin; whatever still
//! comes late is refused by the row's generation.
//!
//! Who lets go of an account, or stops, keeps it until the calls that are under way through its session have ended; then the
//! next owner may begin at once. Accounts that are pinned to a worker are owned by it alone, and it owns no others.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use events::{Order, Receipt};
use model::{AccountId, Intake};
use store::Owned;
use tokio::sync::mpsc;
use tokio::task::{self, JoinHandle};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::pins::Pins;
use crate::{App, poll, sessions};

/// How long a worker that is gone keeps its accounts from others.
const LEASE: Duration = Duration::from_secs(6);
const BEAT: Duration = Duration::from_millis(1_500);
/// A process that has the store to itself need not hurry: nobody else takes anything, and what changes is told to it.
const LEASE_ALONE: Duration = Duration::from_hours(1);
const BEAT_ALONE: Duration = Duration::from_secs(30);
/// Orders to look that come within this time are one.
const GATHER: Duration = Duration::from_millis(50);
/// What is to end at once gets this long: a poll to commit what it has just been given, a session to let calls end and to
/// close.
const ENDING: Duration = Duration::from_secs(3);
/// How much of that calls get.
const CALLS: Duration = Duration::from_millis(1_500);
/// What is let go of without a hurry gets this long: less than a process has for its stop.
const LEAVING: Duration = Duration::from_secs(22);
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

/// How a poll or a session is told to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leave {
    /// To end when what is under way has ended.
    pub(crate) stop: CancellationToken,
    /// Not to wait for that any longer.
    pub(crate) hurry: CancellationToken,
}

#[derive(Debug)]
struct Running {
    generation: i64,
    leave: Leave,
    /// It was told to end, and is given back when it has, or then.
    leaving: Option<Instant>,
    /// Orders to log out, for a session.
    log_outs: mpsc::Sender<Receipt>,
    task: JoinHandle<()>,
}

/// Whose poll or session ended, and which one of the account's it was.
type Ended = (AccountId, task::Id);

#[derive(Debug)]
struct Holdings {
    app: App,
    lease: Duration,
    beat: Duration,
    /// What was last renewed holds until then, with a third of the lease to spare.
    safe_until: Instant,
    running: HashMap<AccountId, Running>,
    /// Told of each poll and session that ended by itself or because it was told to.
    ended: (mpsc::UnboundedSender<Ended>, mpsc::UnboundedReceiver<Ended>),
    pins: Pins,
}

impl Holdings {
    fn new(app: App) -> Self {
        let (lease, beat) = if app.alone { (LEASE_ALONE, BEAT_ALONE) } else { (LEASE, BEAT) };
        let (safe_until, pins) = (Instant::now(), Pins::new(app.clone()));
        Self { app, lease, beat, safe_until, running: HashMap::new(), ended: mpsc::unbounded_channel(), pins }
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
                Some(ended) = self.ended.1.recv() => self.settle(ended).await,
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
        self.leave_all().await;
        if let Err(error) = self.app.store.retire_worker(self.app.worker).await {
            tracing::warn!(%error, "accounts were not given back; others take them when the lease ends");
        }
        control.look();
    }

    /// One round: renew, let go, take, let go of what lies above the fair share.
    async fn look(&mut self) {
        let Some(renewed) = self.renew().await else { return };
        let (store, worker) = (self.app.store.clone(), self.app.worker);
        self.let_go_of_lost(&renewed).await;
        for owned in renewed {
            self.ensure(owned);
        }
        self.pins.see_to().await;
        let take = store.take_accounts(worker, self.lease, self.app.only_pinned());
        match timeout_at(self.safe_until, take).await {
            Ok(Ok(taken)) => {
                for owned in taken.accounts {
                    self.ensure(owned);
                }
                let staying: Vec<AccountId> = self.staying().collect();
                let above = staying.len().saturating_sub(taken.share);
                // Gently: a worker that comes and goes at once must not move everything twice.
                for account in staying.into_iter().take(above.div_ceil(4)) {
                    self.leave(account);
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "no accounts could be taken"),
            Err(_) => tracing::warn!("the store takes too long to hand out accounts"),
        }
        self.end_late().await;
        metrics::gauge!("rookery_owned_accounts").set(u32::try_from(self.running.len()).unwrap_or(u32::MAX));
    }

    /// Ends at once what was not renewed: somebody else may have it, or soon.
    async fn let_go_of_lost(&mut self, renewed: &[Owned]) {
        let kept: HashSet<AccountId> = renewed.iter().map(|owned| owned.account_id).collect();
        let lost = self.running.keys().copied().filter(|account| !kept.contains(account)).collect();
        if self.let_go(lost).await {
            self.app.hints.control().look();
        }
    }

    fn staying(&self) -> impl Iterator<Item = AccountId> {
        self.running.iter().filter(|(_, running)| running.leaving.is_none()).map(|(account, _)| *account)
    }

    /// Has a poll or a session end when what is under way has: it stays this worker's until then.
    fn leave(&mut self, account: AccountId) {
        if let Some(running) = self.running.get_mut(&account) {
            running.leaving.get_or_insert_with(|| Instant::now() + LEAVING);
            running.leave.stop.cancel();
        }
    }

    /// A poll or a session ended: if it was to, its account is given back.
    async fn settle(&mut self, first: Ended) {
        let mut ended = vec![first];
        ended.extend(std::iter::from_fn(|| self.ended.1.try_recv().ok()));
        let is_over = |(account, task): &Ended| {
            let running = self.running.get(account);
            running.is_some_and(|running| running.leaving.is_some() && running.task.id() == *task)
        };
        let over = ended.into_iter().filter(is_over).map(|(account, _)| account).collect();
        if self.let_go(over).await {
            self.app.hints.control().look();
        }
    }

    /// What was to end and took too long ends now.
    async fn end_late(&mut self) {
        let now = Instant::now();
        let is_late = |running: &Running| running.leaving.is_some_and(|until| until <= now);
        let late = self.running.iter().filter(|(_, running)| is_late(running)).map(|(account, _)| *account);
        let late = late.collect();
        if self.let_go(late).await {
            self.app.hints.control().look();
        }
    }

    /// Lets go of everything, each as soon as what is under way has ended. Meanwhile it stays this worker's.
    async fn leave_all(&mut self) {
        for account in self.staying().collect::<Vec<_>>() {
            self.leave(account);
        }
        let deadline = Instant::now() + LEAVING;
        let mut next = Instant::now();
        while !self.running.is_empty() {
            tokio::select! {
                () = sleep_until(self.safe_until) => self.abandon(),
                () = sleep_until(deadline) => break,
                () = sleep_until(next) => {
                    next = Instant::now() + self.beat;
                    if let Some(renewed) = self.renew().await {
                        self.let_go_of_lost(&renewed).await;
                    }
                }
                Some(ended) = self.ended.1.recv() => self.settle(ended).await,
            }
        }
        self.end(self.running.keys().copied().collect()).await;
    }

    /// Renews what this worker owns, and says what that is; none when the store did not do it.
    async fn renew(&mut self) -> Option<Vec<Owned>> {
        let asked = Instant::now();
        let patience = self.safe_until.max(asked + self.lease / 3);
        let renew = self.app.store.renew_owned(self.app.worker, self.lease, self.app.only_pinned());
        let renewed = match timeout_at(patience, renew).await {
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
        let goes_on = |running: &Running| running.leaving.is_some() || !running.task.is_finished();
        if running.is_some_and(|running| running.generation == owned.generation && goes_on(running)) {
            return;
        }
        let (account, generation, leave) = (owned.account_id, owned.generation, Leave::default());
        let (log_outs, ordered) = mpsc::channel(1);
        let (app, told, ended) = (self.app.clone(), leave.clone(), self.ended.0.clone());
        let task = tokio::spawn(async move {
            see_to(app, owned, told, ordered).await;
            // Nobody asks any more when this process stops.
            let _ = ended.send((account, task::id()));
        });
        let running = Running { generation, leave, leaving: None, log_outs, task };
        if let Some(before) = self.running.insert(account, running) {
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

    /// Ends polls and sessions and gives their accounts back; whether there were any.
    async fn let_go(&mut self, accounts: Vec<AccountId>) -> bool {
        if accounts.is_empty() {
            return false;
        }
        self.end(accounts.clone()).await;
        if let Err(error) = self.app.store.give_back_accounts(self.app.worker, &accounts).await {
            tracing::warn!(%error, "accounts were not given back; others take them when the lease ends");
        }
        true
    }

    /// Ends polls and sessions soon, and returns when they have ended.
    async fn end(&mut self, accounts: Vec<AccountId>) {
        let ending: Vec<Running> =
            accounts.iter().filter_map(|account| self.running.remove(account)).collect();
        for running in &ending {
            running.leave.stop.cancel();
        }
        let (hurry, deadline) = (Instant::now() + CALLS, (Instant::now() + ENDING).min(self.safe_until));
        for mut running in ending {
            if timeout_at(hurry.min(deadline), &mut running.task).await.is_ok() {
                continue;
            }
            running.leave.hurry.cancel();
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
            running.leave.stop.cancel();
            running.task.abort();
        }
        metrics::gauge!("rookery_owned_accounts").set(0);
    }
}

/// Asks for an account's events or keeps its session, whichever it wants.
async fn see_to(app: App, owned: Owned, leave: Leave, log_outs: mpsc::Receiver<Receipt>) {
    let intake = loop {
        match app.store.login(owned.account_id).await {
            Ok(Some((account, _))) => break account.intake,
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "an account of ours could not be read"),
        }
        if leave.stop.run_until_cancelled(sleep(READ_AGAIN)).await.is_none() {
            return;
        }
    };
    if intake == Intake::Session {
        sessions::run(app, owned, leave, log_outs).await;
    } else {
        poll::run(app, owned, leave.stop).await;
    }
}
