//! Keeping an account's session open, for as long as the account is ours.
//!
//! What the session brings is committed before it is acknowledged to the network, so a crash anywhere repeats events and
//! loses none. Its account's calls are made here and nowhere else: the lane is routed to this worker when the session is
//! up, and moves with it. What the network says about the session becomes the account's state: an end that only a person
//! can mend ends the keeping, everything else is tried again, later each time. Who was replaced does not fight back.

use std::collections::BTreeMap;
use std::time::Duration;

use channel::{ChannelError, ErrorClass, Login, Pairing, Session, SessionEnd, SessionEvent};
use events::Receipt;
use futures::future::OptionFuture;
use model::{Account, Connection, Intake, PairingKind, PairingStep, Scope, Sending, Wait};
use queue::{Claimed, HoldTarget, LaneId, Push, Settle};
use store::{NewInboundEvent, Owned, SessionChange, StoreError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::live::Opened;
use crate::owners::Leave;
use crate::{App, JobError, feedback};

/// The first pause after a failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// A session that lasted so long was well: what breaks it is no failure in a row.
const STABLE: Duration = Duration::from_secs(30);
/// How long connecting may take.
const OPENING: Duration = Duration::from_secs(20);
/// How long a call that is under way may go on when the session is to close, unless there is a hurry.
const FINISHING: Duration = Duration::from_secs(20);
/// A channel that is off is looked at again after so long, and so is a ban.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// Whoever was told of the owner before may push to it for so long.
const HEARSAY: Duration = Duration::from_secs(2);
/// How soon a lane looks again whether its session is up. The session lifts that when it is.
const OPENS: Duration = Duration::from_secs(1);

/// What to do next.
enum Next {
    Again,
    Pause(Duration),
    End,
}

struct Keeper {
    app: App,
    owned: Owned,
    failures: u32,
}

/// Keeps the session until it is told to stop, the account wants none any more, or somebody else owns it.
pub(crate) async fn run(app: App, owned: Owned, leave: Leave, mut log_outs: mpsc::Receiver<Receipt>) {
    let stop = &leave.stop;
    let account = owned.account_id;
    let mut keeper = Keeper { app, owned, failures: 0 };
    loop {
        let next = keeper.once(&leave, &mut log_outs).await.unwrap_or_else(|error| {
            tracing::warn!(account.id = %account, %error, "a session met a store that does not answer");
            keeper.failures += 1;
            Next::Pause(keeper.backoff())
        });
        match next {
            _ if stop.is_cancelled() => return,
            Next::Again => {}
            Next::Pause(pause) => {
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
            }
            Next::End => break,
        }
    }
    // The row is given back at once: somebody may already want another session.
    keeper.app.hints.control().look();
}

impl Keeper {
    async fn once(
        &mut self,
        leave: &Leave,
        log_outs: &mut mpsc::Receiver<Receipt>,
    ) -> Result<Next, StoreError> {
        // Read anew each time: pairing changes credentials, accounts are disconnected and deleted.
        let Some((account, credentials)) = self.app.store.login(self.owned.account_id).await? else {
            return Ok(Next::End);
        };
        if account.intake != Intake::Session {
            return Ok(Next::End);
        }
        if account.sending == Sending::Stopped
            && account.sending_reason.as_deref() == Some(BANNED)
            && let Some(until) = account.sending_until
        {
            let left = until.since(self.app.clock.now());
            if !left.is_zero() {
                return Ok(Next::Pause(left.min(LOOK_AGAIN)));
            }
        }
        let Some(channel) = self.app.channels.get(&account.channel).cloned() else {
            return Ok(Next::Pause(LOOK_AGAIN));
        };
        let Some(sessions) = channel.sessions() else { return Ok(Next::Pause(LOOK_AGAIN)) };
        let login = Login { account, credentials: credentials.into() };
        let opening = timeout(OPENING, sessions.open_at(&login, self.owned.cursor.as_deref()));
        match leave.stop.run_until_cancelled(opening).await {
            None => Ok(Next::End),
            Some(Ok(Ok(session))) => self.drive(&login, session, leave, log_outs).await,
            Some(Ok(Err(error))) => self.not_opened(&login.account, &error).await,
            Some(Err(_)) => {
                let error = ChannelError::retry("timeout", "the network did not answer in time");
                self.not_opened(&login.account, &error).await
            }
        }
    }

    /// Does what the session says, until it ends or is to end.
    async fn drive(
        &mut self,
        login: &Login,
        mut session: Box<dyn Session>,
        leave: &Leave,
        log_outs: &mut mpsc::Receiver<Receipt>,
    ) -> Result<Next, StoreError> {
        let mut opened: Option<Opened> = None;
        let mut route_again: Option<Instant> = None;
        let mut closing = OptionFuture::default();
        let mut is_closing = false;
        let began = Instant::now();
        loop {
            let event = tokio::select! {
                // The account stays ours meanwhile, and the session goes on: its calls may end.
                () = leave.stop.cancelled(), if !is_closing => {
                    is_closing = true;
                    let opened = opened.take();
                    closing = OptionFuture::from(Some(Box::pin(async move {
                        if let Some(opened) = opened {
                            leave.hurry.run_until_cancelled(opened.close(FINISHING)).await;
                        }
                    })));
                    continue;
                }
                Some(()) = &mut closing, if is_closing => {
                    session.close().await;
                    return Ok(Next::End);
                }
                Some(receipt) = log_outs.recv() => {
                    match timeout(OPENING, session.log_out()).await {
                        Ok(Ok(())) => {
                            drop(opened);
                            session.close().await;
                            return self.logged_out(LOGGED_OUT_HERE, Some(receipt)).await;
                        }
                        Ok(Err(error)) => self.app.hints.control().refuse(receipt, &error.to_string()),
                        Err(_) => self.app.hints.control().refuse(receipt, "the network did not answer in time"),
                    }
                    continue;
                }
                () = sleep_until(route_again.unwrap_or(began)), if route_again.is_some() => {
                    route_again = None;
                    self.route().await?;
                    continue;
                }
                event = session.next() => event,
            };
            let goes_on = match event {
                SessionEvent::Pairing { how, code, lasting } => self.pairing(how, code, lasting).await?,
                SessionEvent::Credentials(credentials) => {
                    let change = SessionChange::to(Connection::Connecting, Some("paired"));
                    let credentials = Some(credentials.into_secrets());
                    self.change(&SessionChange { credentials, ..change }).await?
                }
                SessionEvent::Online { .. } if is_closing => true,
                SessionEvent::Online { external_id, name } => {
                    match self.online(&login.account, external_id, name).await? {
                        Ok(Some(is_open)) => {
                            opened = Some(is_open);
                            self.app.resume_lane(login.account.id).await;
                            self.route().await?;
                            route_again = Some(Instant::now() + HEARSAY);
                            true
                        }
                        Ok(None) => false,
                        Err(why) => {
                            drop(timeout(OPENING, session.log_out()).await);
                            session.close().await;
                            let change = SessionChange::to(Connection::Error, Some(&why));
                            let credentials = Some(BTreeMap::new());
                            self.change(&SessionChange { credentials, ..change }).await?;
                            return Ok(Next::End);
                        }
                    }
                }
                SessionEvent::Events(events) => {
                    let cursor = session.cursor();
                    self.take(&login.account.channel, events, cursor).await?
                }
                SessionEvent::Ended(end) => {
                    drop((opened, session));
                    if began.elapsed() > STABLE {
                        self.failures = 0;
                    }
                    return self.ended(&login.account, end).await;
                }
            };
            if !goes_on {
                session.close().await;
                return Ok(Next::End);
            }
        }
    }

    /// Commits what became of the session; false when it is not ours to say any more.
    async fn change(&self, change: &SessionChange) -> Result<bool, StoreError> {
        let changed = self.app.store.change_session(&self.owned, change).await?;
        if let Some(account) = &changed {
            self.app.has_news(account.workspace_id).await;
        } else {
            tracing::info!(account.id = %self.owned.account_id, "the session is not ours any more, or not wanted");
        }
        Ok(changed.is_some())
    }

    async fn pairing(&self, how: Pairing, code: String, lasting: Duration) -> Result<bool, StoreError> {
        let kind = match how {
            Pairing::Qr => PairingKind::Qr,
            Pairing::Code => PairingKind::Code,
        };
        let step = PairingStep { kind, code, expires_at: self.app.clock.now() + lasting };
        let change = SessionChange::to(Connection::QrRequired, None);
        self.change(&SessionChange { step: Some(step), ..change }).await
    }

    /// The session is up: commits that and opens the way to it. None when it is not ours; an error when it is the session
    /// of another login than it should be.
    async fn online(
        &self,
        account: &Account,
        external_id: String,
        name: Option<String>,
    ) -> Result<Result<Option<Opened>, String>, StoreError> {
        if account.external_id.as_ref().is_some_and(|known| *known != external_id) {
            return Ok(Err(format!(
                "mismatch: it was paired with {external_id}, another login than this account's"
            )));
        }
        let change = SessionChange::to(Connection::Connected, None);
        let change = SessionChange { external_id: Some(external_id), name, ..change };
        match self.change(&change).await {
            Ok(true) => Ok(Ok(Some(self.app.live.open(account.id)))),
            Ok(false) => Ok(Ok(None)),
            Err(StoreError::Conflict(why)) => Ok(Err(format!("conflict: {why}"))),
            Err(error) => Err(error),
        }
    }

    /// Routes the account's lane to this worker. Its jobs tell the lane; without any there is nothing to be moved.
    async fn route(&self) -> Result<(), StoreError> {
        let Some(send) = self.app.store.any_pending(self.owned.account_id).await? else { return Ok(()) };
        let push = self.app.push_of(&send).routed(Some(self.app.worker));
        if let Err(error) = self.app.lanes.push_if_absent(vec![push]).await {
            tracing::debug!(%error, "the lane was not routed; whoever claims from it, or the sweep, will");
        }
        Ok(())
    }

    /// Commits what was told, and where the next session goes on.
    async fn take(
        &mut self,
        channel: &str,
        events: Vec<channel::WebhookEvent>,
        cursor: Option<String>,
    ) -> Result<bool, StoreError> {
        let events: Vec<NewInboundEvent> = events
            .into_iter()
            .map(|event| NewInboundEvent { dedupe_key: event.dedupe_key, payload: event.payload })
            .collect();
        let cursor = cursor.or_else(|| self.owned.cursor.clone()).unwrap_or_default();
        let new = self.app.store.record_poll(&self.owned, channel, &events, &cursor).await?;
        self.owned.cursor = Some(cursor).filter(|cursor| !cursor.is_empty());
        if let Some(new @ 1..) = new {
            metrics::counter!("rookery_inbound_events_total", "channel" => channel.to_owned())
                .increment(new as u64);
            let push = Push::ingest_events(self.owned.account_id).routed(self.app.own_route());
            if let Err(error) = self.app.lanes.push(vec![push]).await {
                tracing::debug!(%error, "the drain was not told of new events; the sweep will");
            }
        }
        Ok(new.is_some())
    }

    async fn not_opened(&mut self, account: &Account, error: &ChannelError) -> Result<Next, StoreError> {
        metrics::counter!(
            "rookery_session_errors_total", "channel" => account.channel.clone(), "code" => error.code.clone()
        )
        .increment(1);
        let words = error.to_string();
        match error.class {
            ErrorClass::RetryAfter(Some(pause)) => {
                let next = self.offline(account, &words).await?;
                Ok(if matches!(next, Next::End) { next } else { Next::Pause(pause.max(FIRST_PAUSE)) })
            }
            ErrorClass::Permanent | ErrorClass::AccountStopped { .. } => {
                self.ended(account, SessionEnd::Refused(words)).await
            }
            _ => self.offline(account, &words).await,
        }
    }

    /// The connection broke or did not come about: it is tried again.
    async fn offline(&mut self, account: &Account, why: &str) -> Result<Next, StoreError> {
        tracing::info!(account.id = %account.id, why, "a session is offline");
        self.failures = self.failures.saturating_add(1);
        // What is wrong is told once, not with each try.
        if !self.change(&SessionChange::to(Connection::Connecting, Some("offline"))).await? {
            return Ok(Next::End);
        }
        self.app.store.note_intake(&self.owned, Some(why)).await?;
        Ok(Next::Pause(self.backoff()))
    }

    async fn logged_out(&self, why: &str, receipt: Option<Receipt>) -> Result<Next, StoreError> {
        let change = SessionChange::to(Connection::QrRequired, Some(why));
        self.change(&SessionChange { credentials: Some(BTreeMap::new()), ..change }).await?;
        if let Some(receipt) = receipt {
            self.app.hints.control().confirm(receipt);
        }
        Ok(Next::End)
    }

    async fn ended(&mut self, account: &Account, end: SessionEnd) -> Result<Next, StoreError> {
        match end {
            SessionEnd::Offline(why) => self.offline(account, &why).await,
            SessionEnd::LoggedOut => {
                feedback::count_alert(account, "logged_out");
                self.logged_out(LOGGED_OUT, None).await
            }
            SessionEnd::NotPaired => {
                self.change(&SessionChange::to(Connection::Disconnected, Some(NOT_PAIRED))).await?;
                Ok(Next::End)
            }
            SessionEnd::Replaced => {
                feedback::count_alert(account, "replaced");
                self.change(&SessionChange::to(Connection::Disconnected, Some(REPLACED))).await?;
                Ok(Next::End)
            }
            SessionEnd::Banned { lasting } => {
                let until =
                    feedback::stop_account(&self.app, account, BANNED, self.app.clock.now(), lasting).await?;
                let connection = if until.is_some() { Connection::Connecting } else { Connection::Error };
                let goes_on = self.change(&SessionChange::to(connection, Some(BANNED))).await?;
                Ok(if goes_on && until.is_some() { Next::Again } else { Next::End })
            }
            SessionEnd::Refused(why) => {
                feedback::count_alert(account, "refused");
                self.change(&SessionChange::to(Connection::Error, Some(&why))).await?;
                Ok(Next::End)
            }
        }
    }

    /// A pause that doubles with each failure, a fifth more or less so that a crowd does not come back at once.
    fn backoff(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(10);
        let jitter = f64::from(u16::try_from(self.app.ids.number() % 1_000).unwrap_or(0)) / 1_000.0;
        FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE).mul_f64(0.8 + 0.4 * jitter)
    }
}

/// Why sending stops.
const BANNED: &str = "banned";
const LOGGED_OUT: &str = "logged_out: the phone, or the network, removed this device; connect it again";
const LOGGED_OUT_HERE: &str = "logged_out: a person logged it out; connect it again";
const NOT_PAIRED: &str = "not_paired: nobody paired it in time; connect it again";
const REPLACED: &str = "replaced: another connection took its place; connecting it again takes over";

impl App {
    /// What waited in an account's lane for its session is looked at again. Whatever else holds it is in rows.
    async fn resume_lane(&self, account: model::AccountId) {
        if let Err(error) = self.lanes.resume(HoldTarget::Lane(LaneId::send(account))).await {
            tracing::debug!(%error, "a lane was not resumed; it looks again by itself");
        }
    }

    /// A job that only the worker that its account is pinned to may do, or the owner of its session can, came to somebody
    /// else: sends it there, and its lane with it. While the session is being opened, it waits.
    pub(crate) async fn pass_on(
        &self,
        claimed: Claimed,
        account: &Account,
        width: u32,
    ) -> Result<(), JobError> {
        match self.store.route(account.id).await? {
            Some(worker) if worker != self.worker => {
                let claim = claimed.claim();
                let push = Push {
                    job: claim.ticket.job.clone(),
                    lane: claim.ticket.lane.clone(),
                    key: claim.ticket.key.clone(),
                    class: claim.class,
                    order: claim.order,
                    ready_at: claim.ready_at,
                    width,
                    route: Some(worker),
                };
                self.lanes.push_if_absent(vec![push]).await?;
                Ok(claimed.settle(Settle::Release).await?)
            }
            // It was not so a moment ago: it is looked at again.
            _ if account.intake != Intake::Session => Ok(claimed.settle(Settle::Release).await?),
            _ => {
                let wait = Wait::new("session", Scope::Lane, claimed.now() + OPENS);
                Ok(claimed.park(wait.because("its session is being opened")).await?)
            }
        }
    }
}
