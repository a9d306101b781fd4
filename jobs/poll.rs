//! Asking a provider for an account's events, for as long as the account is ours.
//!
//! What a poll brings is committed together with the place to go on from; only then the next poll confirms it to the
//! provider. So a crash anywhere repeats events and loses none, and repeated ones are one row.

use std::sync::Arc;
use std::time::Duration;

use channel::{Channel, ChannelError, ErrorClass, Login, Polled};
use model::{Account, Connection, Intake};
use queue::Push;
use store::{NewInboundEvent, Owned, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{App, feedback};

/// The first pause after a failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A provider that answers "nothing" at once is not asked more often.
const QUIET: Duration = Duration::from_secs(1);
/// A channel that cannot be asked is looked at again after so long.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// After so many refusals in a row the provider is told anew that we ask: a webhook may have been set behind our back.
const TELL_AGAIN: u32 = 3;

/// What to do next.
enum Next {
    Go,
    Pause(Duration),
    End,
}

struct Poll {
    app: App,
    owned: Owned,
    failures: u32,
    /// What the row says is wrong.
    noted: Option<String>,
}

/// Asks until it is told to stop, the account wants it no more, or somebody else owns it.
pub(crate) async fn run(app: App, owned: Owned, stop: CancellationToken) {
    let account = owned.account_id;
    let mut poll = Poll { app, owned, failures: 0, noted: None };
    loop {
        let next = poll.once(&stop).await.unwrap_or_else(|error| {
            tracing::warn!(account.id = %account, %error, "a poll met a store that does not answer");
            Next::Pause(poll.backoff())
        });
        match next {
            Next::Go => {}
            Next::Pause(pause) => {
                if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
            }
            Next::End => return,
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

impl Poll {
    async fn once(&mut self, stop: &CancellationToken) -> Result<Next, StoreError> {
        // Read anew each time: credentials change, accounts are disconnected and deleted.
        let Some((account, credentials)) = self.app.store.login(self.owned.account_id).await? else {
            return Ok(Next::End);
        };
        if !wants_polling(&account) {
            return Ok(Next::End);
        }
        let Some(channel) = self.app.channels.get(&account.channel).cloned() else {
            return Ok(Next::Pause(LOOK_AGAIN));
        };
        let Some(poller) = channel.poller() else { return Ok(Next::Pause(LOOK_AGAIN)) };
        let login = Login { account, credentials: credentials.into() };
        let asked = Instant::now();
        let answer = poller.poll(&login, self.owned.cursor.as_deref());
        match stop.run_until_cancelled(answer).await {
            None => Ok(Next::End),
            Some(Ok(batch)) => self.take(&login.account.channel, batch, asked.elapsed()).await,
            Some(Err(error)) => self.failed(&channel, &login, error).await,
        }
    }

    async fn take(&mut self, channel: &str, polled: Polled, took: Duration) -> Result<Next, StoreError> {
        self.failures = 0;
        let rest = polled.rest;
        if polled.events.is_empty() && self.owned.cursor.as_ref() == Some(&polled.cursor) {
            self.note(None).await?;
            let pause = rest.or((took < QUIET).then_some(QUIET));
            return Ok(pause.map_or(Next::Go, Next::Pause));
        }
        let events: Vec<NewInboundEvent> = polled
            .events
            .into_iter()
            .map(|event| NewInboundEvent { dedupe_key: event.dedupe_key, payload: event.payload })
            .collect();
        let Some(new) = self.app.store.record_poll(&self.owned, channel, &events, &polled.cursor).await?
        else {
            tracing::info!(account.id = %self.owned.account_id, "another worker owns the account by now");
            return Ok(Next::End);
        };
        self.owned.cursor = Some(polled.cursor);
        self.noted = None;
        if new > 0 {
            metrics::counter!("rookery_inbound_events_total", "channel" => channel.to_owned())
                .increment(new as u64);
            let push = Push::ingest_events(self.owned.account_id).routed(self.app.own_route());
            if let Err(error) = self.app.lanes.push(vec![push]).await {
                tracing::debug!(%error, "the drain was not told of new events; the sweep will");
            }
        }
        Ok(rest.map_or(Next::Go, Next::Pause))
    }

    async fn failed(
        &mut self,
        channel: &Arc<dyn Channel>,
        login: &Login,
        error: ChannelError,
    ) -> Result<Next, StoreError> {
        let account = &login.account;
        metrics::counter!("rookery_poll_errors_total", "channel" => channel.name(), "code" => error.code.clone())
            .increment(1);
        tracing::info!(account.id = %account.id, %error, "a poll failed");
        self.failures = self.failures.saturating_add(1);
        match error.class {
            ErrorClass::AccountStopped { reason, lasting } => {
                return self.stopped(login, reason, lasting, &error).await;
            }
            ErrorClass::RetryAfter(Some(pause))
            | ErrorClass::BulkHeld(pause)
            | ErrorClass::RecipientHeld(pause) => {
                self.note(Some(&error)).await?;
                return Ok(Next::Pause(pause.max(FIRST_PAUSE)));
            }
            ErrorClass::Permanent
            | ErrorClass::Retry
            | ErrorClass::RetryAfter(None)
            | ErrorClass::Ambiguous => {}
        }
        let refused = error.class == ErrorClass::Permanent || error.code == "409";
        if refused && self.failures.is_multiple_of(TELL_AGAIN) {
            tracing::warn!(account.id = %account.id, "telling the provider anew that its events are asked for");
            if let Err(error) = channel.connect(&login.credentials, &account.settings, None).await {
                tracing::warn!(account.id = %account.id, %error, "the provider did not take it");
            }
        }
        self.note(Some(&error)).await?;
        Ok(Next::Pause(self.backoff()))
    }

    /// The provider wants nothing of the account: for a while, or until somebody acts.
    async fn stopped(
        &mut self,
        login: &Login,
        reason: &'static str,
        lasting: Option<Duration>,
        error: &ChannelError,
    ) -> Result<Next, StoreError> {
        let (account, store) = (&login.account, &self.app.store);
        let current = store.login(account.id).await?.map(|(_, credentials)| credentials.into());
        if current.as_ref() != Some(&login.credentials) {
            // It speaks of credentials that were replaced in the meantime.
            return Ok(Next::Go);
        }
        if !store.note_intake(&self.owned, Some(&error.to_string())).await? {
            return Ok(Next::End);
        }
        let next = if let Some(lasting) = lasting {
            let now = self.app.clock.now();
            let until = feedback::stop_account(&self.app, account, reason, now, Some(lasting)).await?;
            Next::Pause(until.map_or(lasting, |until| until.since(now)))
        } else {
            feedback::count_alert(account, reason);
            let detail = format!("{reason}: {error}");
            store
                .set_connection(account.workspace_id, account.id, Connection::Error, Some(&detail), "system")
                .await?;
            Next::End
        };
        self.app.has_news(account.workspace_id).await;
        Ok(next)
    }

    /// Writes what is wrong where people look, when it changed.
    async fn note(&mut self, error: Option<&ChannelError>) -> Result<(), StoreError> {
        let words = error.map(ToString::to_string);
        if words != self.noted {
            self.app.store.note_intake(&self.owned, words.as_deref()).await?;
            self.noted = words;
        }
        Ok(())
    }

    /// A pause that doubles with each failure, a fifth more or less so that a crowd does not come back at once.
    fn backoff(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(10);
        let jitter = f64::from(u16::try_from(self.app.ids.number() % 1_000).unwrap_or(0)) / 1_000.0;
        FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE).mul_f64(0.8 + 0.4 * jitter)
    }
}

fn wants_polling(account: &Account) -> bool {
    account.intake == Intake::Poll && account.connection == Connection::Connected
}
