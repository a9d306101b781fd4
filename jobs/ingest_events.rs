//! `ingest-events`: turn an account's unprocessed provider events into conversations, messages and receipts.
//!
//! It drains: batch after batch until nothing is left. A batch that breaks is tried event by event, and the one that
//! breaks is set aside with the reason, so that one bad event stops nobody's chat.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use channel::{Channel, Login};
use model::{Account, AccountId, ConversationId, Job, MediaId};
use queue::{Claimed, HoldTarget, JobId, LaneId, Op, Push, Settle};
use store::{Ingested, PendingEvent, StoreError};

use crate::stop_words::StopWords;
use crate::{App, JobError, Policy, feedback};

pub(crate) const POLICY: Policy = Policy { timeout: Duration::from_mins(2), backoff: Duration::from_secs(1) };

/// Events in one transaction.
const BATCH: u32 = 200;
/// Batches in one go; then others get their turn.
const BATCHES: u32 = 20;
/// How long an acknowledgement to the provider may take.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);

pub(crate) async fn run(app: &App, claimed: Claimed, id: AccountId) -> Result<(), JobError> {
    let Some((account, credentials)) = app.store.login(id).await? else {
        return Ok(claimed.settle(Settle::Done).await?);
    };
    let Some(channel) = app.channels.get(&account.channel).cloned() else {
        let later = claimed.now() + Duration::from_mins(1);
        return Ok(claimed.settle(Settle::Later(later)).await?);
    };
    if !app.serves(&account) {
        let width = Push::ingest_events(id).width;
        return app.pass_on(claimed, &account, width).await;
    }
    let login = Login { account: account.clone(), credentials: credentials.into() };
    for _ in 0..BATCHES {
        let events = app.store.unprocessed_events(id, BATCH).await?;
        if events.is_empty() {
            return Ok(claimed.settle(Settle::Done).await?);
        }
        fault!("ingest_read");
        ingest(app, channel.as_ref(), &account, &events).await?;
        fault!("ingest_applied");
        acknowledge(&channel, &login, events);
        app.has_news(account.workspace_id).await;
        fault!("ingest_told");
    }
    let now = claimed.now();
    Ok(claimed.settle(Settle::Later(now)).await?)
}

async fn ingest(
    app: &App,
    channel: &dyn Channel,
    account: &Account,
    events: &[PendingEvent],
) -> Result<(), StoreError> {
    let stop_words = StopWords::of(channel.capabilities(), account);
    let meaning = |event: &PendingEvent| {
        let mut meaning = channel.parse(account, &event.payload).map_err(|error| error.to_string())?;
        stop_words.read(&mut meaning);
        Ok(meaning)
    };
    let batch: Vec<Ingested> =
        events.iter().map(|event| Ingested { id: event.id, meaning: meaning(event) }).collect();
    match apply(app, account, &batch).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_outage() => Err(error),
        Err(error) => {
            tracing::warn!(account.id = %account.id, %error, "a batch of events broke; trying them one by one");
            for event in &batch {
                if let Err(error) = apply(app, account, std::slice::from_ref(event)).await {
                    if error.is_outage() {
                        return Err(error);
                    }
                    app.store.set_event_aside(event.id, &error.to_string()).await?;
                }
            }
            Ok(())
        }
    }
}

/// Tells the provider that somebody's press of a button has arrived, where it waits for that. Beside the way of the events:
/// they are committed, and a provider that does not listen only shows its spinner for longer.
fn acknowledge(channel: &Arc<dyn Channel>, login: &Login, events: Vec<PendingEvent>) {
    let Some(acknowledger) = channel.acknowledger() else { return };
    let waiting: Vec<_> = events.into_iter().filter(|event| acknowledger.awaits(&event.payload)).collect();
    if waiting.is_empty() {
        return;
    }
    let (channel, login) = (Arc::clone(channel), login.clone());
    tokio::spawn(async move {
        let Some(acknowledger) = channel.acknowledger() else { return };
        for event in waiting {
            let told =
                tokio::time::timeout(ACKNOWLEDGE, acknowledger.acknowledge(&login, &event.payload)).await;
            if let Ok(Err(error)) = told {
                tracing::debug!(account.id = %login.account.id, %error, "an event was not acknowledged");
            }
        }
    });
}

async fn apply(app: &App, account: &Account, batch: &[Ingested]) -> Result<(), StoreError> {
    let summary = app.store.apply_inbound(account, batch).await?;
    let count = |what: &'static str, n: usize| {
        metrics::counter!("rookery_events_ingested_total", "channel" => account.channel.clone(), "what" => what)
            .increment(n as u64);
    };
    count("message", summary.messages);
    count("receipt", summary.receipts);
    count("opted_out", summary.opted_out);
    count("notice", summary.notices);
    count("ignored", summary.ignored);
    count("unreadable", summary.unreadable);
    if let Some(effect) = &summary.sending {
        feedback::heard(app, account, effect).await;
    }
    if let Err(error) = look_again(app, account, &summary.wrote).await {
        tracing::debug!(account.id = %account.id, %error, "what waits for who wrote was not looked at again; it waits on");
    }
    if !summary.media.is_empty() {
        // At once, before a provider's handles end; what does not arrive is found by the sweep.
        let route = app.route_of(account);
        let push = |media: &MediaId| Push::fetch_media(*media, account.id).routed(route);
        let pushes = summary.media.iter().map(push).collect();
        if let Err(error) = app.lanes.push(pushes).await {
            tracing::debug!(%error, "received files were not pushed; the sweep will");
        }
    }
    Ok(())
}

/// Who wrote is no new contact and gets replies at their own pace: what waited for either is asked again.
async fn look_again(app: &App, account: &Account, wrote: &BTreeSet<ConversationId>) -> Result<(), JobError> {
    let heads = app.store.heads_of(account.id, wrote).await?;
    let lane = LaneId::send(account.id);
    if heads.is_empty() {
        return Ok(());
    }
    // What a row holds is held again at the next look.
    let chats = wrote.iter().map(|chat| HoldTarget::Key(lane.clone(), chat.to_string()));
    let jobs = heads.into_iter().map(|id| HoldTarget::Job(lane.clone(), JobId::from(Job::SendMessage(id))));
    app.lanes.apply(chats.chain(jobs).map(|target| Op::Resume { target }).collect()).await?;
    Ok(())
}
