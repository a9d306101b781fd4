//! How updates reach the bot: by being asked for, or by webhook.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::Instant;

use super::Shared;
use super::answer::{Refusal, Reply, bad_request};
use super::methods;
use super::params::Params;
use super::state::Bot;

/// How long Telegram waits for a webhook's answer.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers `getUpdates`: at once if something waits, else as soon as something happens or the time is up.
pub(crate) async fn get_updates(shared: &Arc<Shared>, token: &str, params: &Params) -> Reply {
    let limit = usize::try_from(params.int("limit").unwrap_or(100).clamp(1, 100)).unwrap_or(100);
    let timeout = u64::try_from(params.int("timeout").unwrap_or(0).clamp(0, 50)).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(timeout);
    let mine = shared.with_bot(token, |bot| {
        no_webhook(bot)?;
        methods::set_allowed(bot, params)?;
        confirm(bot, params.int("offset").unwrap_or(0));
        bot.poll += 1;
        Ok(bot.poll)
    })?;
    let _waiting = Waiting::new(shared, token);
    // The poll before this one learns that it is not alone.
    shared.news.notify_waiters();
    loop {
        let news = shared.news.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let found = shared.with_bot(token, |bot| {
            no_webhook(bot)?;
            if bot.poll != mine {
                return Err(Refusal::new(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                ));
            }
            let batch = bot.updates.iter().take(limit).map(|(_, update)| update.clone());
            Ok(batch.collect::<Vec<Value>>())
        })?;
        if !found.is_empty() || Instant::now() >= deadline {
            return Ok(found.into());
        }
        let _ = tokio::time::timeout_at(deadline, news).await;
    }
}

/// Counts who waits in `getUpdates`, also when they hang up.
struct Waiting<'a> {
    shared: &'a Shared,
    token: &'a str,
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared, token: &'a str) -> Self {
        let _ = shared.with_bot(token, |bot| {
            bot.polling += 1;
            Ok(())
        });
        Self { shared, token }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let _ = self.shared.with_bot(self.token, |bot| {
            bot.polling -= 1;
            Ok(())
        });
    }
}

fn no_webhook(bot: &Bot) -> Result<(), Refusal> {
    if bot.webhook.is_some() {
        return Err(Refusal::new(
            409,
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
        ));
    }
    Ok(())
}

/// Forgets what lies before `offset`; a negative one keeps only so many of the newest. One that lies far ahead means
/// nothing: after a quiet week numbers start anywhere.
fn confirm(bot: &mut Bot, offset: i64) {
    if offset < 0 {
        let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
        while bot.updates.len() > keep {
            bot.updates.pop_front();
        }
    } else if offset <= bot.next_update + 10 {
        while bot.updates.front().is_some_and(|(id, _)| *id < offset) {
            bot.updates.pop_front();
        }
    }
}

/// Delivers a bot's updates to its webhook for as long as the simulator lives: in order, each again and again until it
/// is answered with 2xx.
pub(crate) async fn deliver(shared: Arc<Shared>, token: String) {
    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    loop {
        let news = shared.news.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let next = shared.with_bot(&token, |bot| {
            let webhook = bot.webhook.clone();
            Ok(webhook.zip(bot.updates.front().cloned()))
        });
        let Ok(Some((webhook, (id, update)))) = next else {
            news.await;
            continue;
        };
        let mut request = hyper::Request::post(&webhook.url).header("content-type", "application/json");
        if let Some(secret) = &webhook.secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let request = request.body(Full::from(update.to_string())).expect("the URL was checked");
        let answered = tokio::time::timeout(WEBHOOK_TIMEOUT, async {
            let response = client.request(request).await.map_err(|_| "Connection failed".to_owned())?;
            let status = response.status();
            // The connection is used again only once the answer is read.
            let _ = response.into_body().collect().await;
            if status.is_success() {
                Ok(())
            } else {
                Err(format!("Wrong response from the webhook: {status}"))
            }
        });
        let outcome = answered.await.unwrap_or_else(|_| Err("Read timeout expired".to_owned()));
        let failed = outcome.is_err();
        let _ = shared.with_bot(&token, |bot| {
            if let Some(current) = bot.webhook.as_mut().filter(|w| w.generation == webhook.generation) {
                current.last_error = outcome.err();
                if !failed && bot.updates.front().is_some_and(|(front, _)| *front == id) {
                    bot.updates.pop_front();
                }
            }
            Ok(())
        });
        shared.news.notify_waiters();
        if failed {
            tokio::time::sleep(shared.options.webhook_retry).await;
        }
    }
}

/// Reads a downloaded path back to the file that `getFile` gave it.
pub(crate) fn download(bot: &Bot, path: &str) -> Result<bytes::Bytes, Refusal> {
    let file = bot.files.values().find(|file| !file.path.is_empty() && file.path == path);
    file.map(|file| file.bytes.clone()).ok_or_else(|| bad_request("file not found").with_code(404))
}
