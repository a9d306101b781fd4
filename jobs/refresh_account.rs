//! `refresh-account`: renew an account's credentials before they end.
//!
//! Some providers take the old credentials back as they give new ones. So one renewal at a time is made of an account: its row
//! says who is at it, and nothing is replaced but what the renewal was made from. Any worker may do it, of a pinned account
//! too: it is no call that says where the account lives.

use std::collections::BTreeMap;
use std::time::Duration;

use channel::{APP_PREFIX, ChannelError, Credentials, ErrorClass, Login, Refresher};
use model::{AccountId, Timestamp};
use queue::{Claimed, Settle};
use serde_json::json;
use store::Refreshing;

use crate::persist::insist;
use crate::{App, JobError, Policy, feedback};

/// No timeout: the call has its own, and what it brings must be committed however long the store is away.
pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_hours(24 * 365), backoff: Duration::from_secs(5) };

/// Should the worker die, another one tries after so long: a call is over by then.
const OVER: Duration = Duration::from_mins(2);
/// The first pause after a failure; it doubles with each one in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The stop of an account whose credentials cannot be renewed.
const REVOKED: &str = "token_revoked";

pub(crate) async fn run(app: &App, claimed: Claimed, id: AccountId) -> Result<(), JobError> {
    refresh(app, id).await?;
    Ok(claimed.settle(Settle::Done).await?)
}

async fn refresh(app: &App, id: AccountId) -> Result<(), JobError> {
    let now = app.clock.now();
    let Some(refreshing) = app.store.claim_refresh(id, now, now + OVER).await? else { return Ok(()) };
    let Some(channel) = app.channels.get(&refreshing.account.channel).cloned() else {
        // Switched off: it comes up again.
        return Ok(());
    };
    let Some(refresher) = channel.refresher() else {
        app.store.end_refreshes(&refreshing).await?;
        return Ok(());
    };
    let login =
        Login { account: refreshing.account.clone(), credentials: refreshing.credentials.clone().into() };
    let answer = tokio::time::timeout(app.timing.call, refresher.refresh(&login)).await;
    let answer = answer
        .unwrap_or_else(|_| Err(ChannelError::ambiguous("timeout", "the provider did not answer in time")));
    let outcome = if answer.is_ok() { "renewed" } else { "failed" };
    let channel = refreshing.account.channel.clone();
    metrics::counter!("rookery_credential_refreshes_total", "channel" => channel, "outcome" => outcome)
        .increment(1);
    match answer {
        Ok(credentials) => keep(app, refresher, &refreshing, credentials).await,
        Err(error) => fail(app, &refreshing, &error).await,
    }
}

async fn keep(
    app: &App,
    refresher: &dyn Refresher,
    refreshing: &Refreshing,
    credentials: Credentials,
) -> Result<(), JobError> {
    let soonest = app.clock.now() + FIRST_PAUSE;
    let next = refresher.refresh_at(&credentials).map(|at| at.max(soonest));
    let is_own = |name: &str| !name.starts_with(APP_PREFIX) || refreshing.own.iter().any(|own| own == name);
    let own: BTreeMap<String, String> =
        credentials.into_secrets().into_iter().filter(|(name, _)| is_own(name)).collect();
    let id = refreshing.account.id;
    // What is lost here is lost for good.
    let kept = insist(app, || app.store.keep_refreshed(refreshing, &own, next)).await;
    if kept == Some(true) {
        // Its owner goes on with what is valid now.
        app.hints.control().restart(id);
    } else {
        tracing::info!(account.id = %id, "an account got other credentials while its old ones were renewed");
    }
    Ok(())
}

async fn fail(app: &App, refreshing: &Refreshing, error: &ChannelError) -> Result<(), JobError> {
    let (account, now) = (&refreshing.account, app.clock.now());
    tracing::warn!(account.id = %account.id, %error, failures = refreshing.failures, "credentials were not renewed");
    let least = match error.class {
        ErrorClass::Permanent | ErrorClass::AccountStopped { .. } => {
            return revoke(app, refreshing, error, now).await;
        }
        ErrorClass::RetryAfter(Some(wait)) => wait,
        _ => Duration::ZERO,
    };
    let until = now + pause(refreshing.failures, app.ids.number()).max(least);
    app.store.postpone_refresh(refreshing, until).await?;
    Ok(())
}

/// The provider wants these credentials no more: the account stops, and a person has to connect it anew.
async fn revoke(
    app: &App,
    refreshing: &Refreshing,
    error: &ChannelError,
    now: Timestamp,
) -> Result<(), JobError> {
    if !app.store.end_refreshes(refreshing).await? {
        // Somebody did already.
        return Ok(());
    }
    let account = &refreshing.account;
    let until = feedback::stop_account(app, account, REVOKED, now, None).await?;
    feedback::rest(app, account, REVOKED, until).await;
    let detail =
        json!({"detail": format!("its credentials could not be renewed: {error}"), "reason": REVOKED});
    app.store.alert_account(account, &detail).await?;
    app.has_news(account.workspace_id).await;
    Ok(())
}

/// Doubles with each failure in a row, a fifth more or less so that a crowd does not come back at once.
fn pause(failures: u32, random: u64) -> Duration {
    let jitter = f64::from(u16::try_from(random % 1_000).unwrap_or(0)) / 1_000.0;
    FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE).mul_f64(0.8 + 0.4 * jitter)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use channel::{
        Accepted, Capabilities, Channel, ConnectStep, Connected, Outgoing, Pacing, ParseError, TextUnit,
        WebhookError, WebhookRequest, WebhookResponse,
    };
    use model::{
        Account, Clock, Connection, Ids, Inbound, Intake, ManualClock, Redelivery, Sending, WorkspaceId,
    };
    use serde_json::Value;
    use store::{NewAccount, Sealer, Store, StoreConfig};

    use super::*;
    use crate::fixture::NOW;

    const HOUR: Duration = Duration::from_hours(1);

    /// A provider whose tokens last an hour. Each renewal ends as it was told.
    #[derive(Debug)]
    struct Rotating {
        capabilities: Capabilities,
        clock: Arc<ManualClock>,
        answers: Mutex<Vec<Result<&'static str, ErrorClass>>>,
    }

    #[async_trait]
    impl Channel for Rotating {
        fn name(&self) -> &'static str {
            "rotating"
        }

        fn capabilities(&self) -> &Capabilities {
            &self.capabilities
        }

        fn connect_steps(&self) -> Vec<ConnectStep> {
            Vec::new()
        }

        async fn connect(
            &self,
            _: &Credentials,
            _: &Value,
            _: Option<&str>,
        ) -> Result<Connected, ChannelError> {
            Err(ChannelError::permanent("none", "nobody connects here"))
        }

        async fn send(&self, _: &Login, _: &Outgoing) -> Result<Accepted, ChannelError> {
            Err(ChannelError::permanent("none", "nobody sends here"))
        }

        fn receive(&self, _: &Login, _: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
            Err(WebhookError::Signature)
        }

        fn parse(&self, _: &Account, _: &Value) -> Result<Vec<Inbound>, ParseError> {
            Ok(Vec::new())
        }

        fn refresher(&self) -> Option<&dyn Refresher> {
            Some(self)
        }
    }

    #[async_trait]
    impl Refresher for Rotating {
        fn refresh_at(&self, _: &Credentials) -> Option<Timestamp> {
            Some(self.clock.now() + HOUR)
        }

        async fn refresh(&self, login: &Login) -> Result<Credentials, ChannelError> {
            assert_eq!(login.credentials.get("app_secret"), "shh", "it sees the app's secrets");
            let answer = self.answers.lock().unwrap().remove(0);
            let error = |class| ChannelError::new(class, "invalid_grant", "no");
            answer.map(|token| login.credentials.clone().with("token", token)).map_err(error)
        }
    }

    struct Bench {
        app: App,
        clock: Arc<ManualClock>,
        workspace: WorkspaceId,
        account: AccountId,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        async fn new(answers: Vec<Result<&'static str, ErrorClass>>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (clock, ids) = (Arc::new(ManualClock::new(NOW)), Arc::new(Ids::from_os()));
            let path = folder.path().join("rookery.db");
            let sealer = Sealer::parse(&Sealer::generate(&ids)).unwrap();
            let shared: Arc<dyn Clock> = clock.clone();
            let config = StoreConfig::Sqlite { path };
            let store = Store::open(&config, sealer, shared.clone(), ids.clone()).await.unwrap();
            let channel =
                Rotating { capabilities: capabilities(), clock: clock.clone(), answers: answers.into() };
            let channels = [Arc::new(channel) as Arc<dyn Channel>].into_iter().collect();
            let engine = Arc::new(queue::MemoryEngine::new(shared.clone()));
            let lanes = queue::Lanes::on_clock(engine, shared.clone());
            let http = outbound::Http::new(&outbound::HttpConfig::default()).unwrap();
            let place = media::MediaPlace::Folder(folder.path().join("media"));
            let media = media::MediaStore::open(place, &http).unwrap();
            let hints = events::Hints::in_process();
            let timing = crate::Timing::default();
            let app = App::new(store, lanes, None, channels, media, hints, shared, ids, timing);
            let workspace = app.store.default_workspace().await.unwrap();
            let secrets = BTreeMap::from([("app_secret".to_owned(), "shh".to_owned())]);
            let app_id = app.store.keep_default_app("rotating", &secrets).await.unwrap();
            let new = NewAccount {
                channel: "rotating".to_owned(),
                name: "shop".to_owned(),
                external_id: Some("shop".to_owned()),
                app_id: Some(app_id),
                credentials: BTreeMap::from([("token".to_owned(), "old".to_owned())]),
                refresh_at: Some(NOW + HOUR),
                settings: json!({}),
                intake: Intake::Webhook,
                connection: Connection::Connected,
                timezone: "UTC".to_owned(),
                pacing: json!({}),
                pace_scale: 1.0,
                registered_at: None,
                redelivery: Redelivery::AtLeastOnce,
            };
            let account = app.store.create_account(workspace, &new).await.unwrap().id;
            Self { app, clock, workspace, account, _folder: folder }
        }

        async fn due(&self) -> bool {
            !self.app.store.due_refreshes(self.clock.now(), 10).await.unwrap().is_empty()
        }

        async fn own(&self) -> BTreeMap<String, String> {
            self.app.store.own_secrets(self.account).await.unwrap()
        }
    }

    fn capabilities() -> Capabilities {
        Capabilities {
            sends: Vec::new(),
            text_max: 1,
            text_unit: TextUnit::Chars,
            caption_max: 0,
            captions: Vec::new(),
            media: Vec::new(),
            buttons: false,
            replies: false,
            edits: false,
            deletes: false,
            reactions: false,
            typing: false,
            receipts: false,
            deduplicates: false,
            width: 1,
            pacing: Pacing::Provider,
            limits: Vec::new(),
            window: None,
        }
    }

    #[tokio::test]
    async fn new_credentials_are_kept_without_the_apps_and_renewed_again() {
        let bench = Bench::new(vec![Ok("new"), Ok("newer")]).await;
        refresh(&bench.app, bench.account).await.unwrap();
        assert_eq!(bench.own().await["token"], "old", "it was not due");
        for token in ["new", "newer"] {
            bench.clock.advance(HOUR);
            assert!(bench.due().await);
            refresh(&bench.app, bench.account).await.unwrap();
            assert_eq!(bench.own().await, BTreeMap::from([("token".to_owned(), token.to_owned())]));
            assert!(!bench.due().await);
        }
    }

    #[tokio::test]
    async fn what_may_be_mended_is_tried_later_and_what_may_not_stops_the_account() {
        let bench = Bench::new(vec![Err(ErrorClass::Retry), Err(ErrorClass::Permanent)]).await;
        bench.clock.advance(HOUR);
        refresh(&bench.app, bench.account).await.unwrap();
        let account = async || bench.app.store.account(bench.workspace, bench.account).await.unwrap();
        assert_eq!((account().await.sending, bench.due().await), (Sending::Active, false));
        bench.clock.advance(FIRST_PAUSE * 2);
        assert!(bench.due().await);
        refresh(&bench.app, bench.account).await.unwrap();
        let stopped = account().await;
        assert_eq!((stopped.sending, stopped.sending_reason.as_deref()), (Sending::Stopped, Some(REVOKED)));
        bench.clock.advance(HOUR * 24);
        assert!(!bench.due().await, "a person has to connect it anew");
        assert_eq!(bench.own().await["token"], "old");
    }

    #[test]
    fn pauses_double_to_an_hour() {
        let seconds = |failures| pause(failures, 500).as_secs();
        assert_eq!([0, 1, 2, 6, 7, 1_000].map(seconds), [30, 60, 120, 1_920, 3_600, 3_600]);
        assert!(pause(0, 0) < pause(0, 999));
    }
}
