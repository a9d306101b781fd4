//! A TikTok Shop conversation, the whole way in and out: a real process against an open API that checks every call, with
//! events that are posted by webhook and with events that are asked for.

use std::time::Duration;

use outbound::{Http, HttpConfig};
use serde_json::{Value, json};
use tests::harness::{Api, Installation, until};
use tests::simulators::tiktok::{Notification, Options, TikTok, text as words};

use super::{BINARY, becomes, text};

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0 a photo";

/// An installation whose TikTok is the simulator, with one shop connected.
struct Stage {
    installation: Installation,
    tiktok: TikTok,
    app: String,
    shop: String,
    account: String,
}

impl Stage {
    async fn new(intake: &str) -> Self {
        // The account's real rate is judged elsewhere: here two processes share a busy machine.
        let tiktok = TikTok::start(Options { calls_per_second: None, ..Options::default() }).await;
        let vars = [
            ("ROOKERY_TIKTOK_URL", tiktok.base_url()),
            // Received files lie at links; the simulator's are on this machine.
            ("ROOKERY_ALLOW_PRIVATE_ADDRESSES", "true".to_owned()),
        ];
        let installation = Installation::embedded_with(BINARY, &vars).await;
        let (app, secret) = tiktok.app();
        let (shop, _) = tiktok.shop("Seller", "Bird shop");
        let (access, refresh) = tiktok.tokens(&app, "Seller");
        let body = json!({
            "channel": "tiktok", "intake": intake,
            "credentials": {"app_key": app, "app_secret": secret, "access_token": access, "refresh_token": refresh},
        });
        let account = installation.api().post("/v1/accounts", &body).await;
        assert_eq!((&account["external_id"], &account["intake"]), (&json!(shop), &json!(intake)));
        let account = account["id"].as_str().unwrap().to_owned();
        Self { installation, tiktok, app, shop, account }
    }

    fn api(&self) -> &Api {
        self.installation.api()
    }

    /// Posts a webhook as TikTok does; answers the status.
    async fn post(&self, notification: &Notification) -> u16 {
        let url = format!("{}/webhooks/tiktok/{}", self.api().base(), self.account);
        let http = Http::new(&HttpConfig::default()).unwrap();
        let request = http.provider().post(&url, Duration::from_secs(20)).body(notification.body.clone());
        let request =
            notification.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.answer(1 << 20).await.unwrap().status
    }

    /// Posts everything that happened, and all of it once more from its end.
    async fn post_all(&self) {
        let happened = self.tiktok.notifications(&self.app, &self.shop);
        for notification in happened.iter().chain(happened.iter().rev()) {
            assert_eq!(self.post(notification).await, 200);
        }
    }

    async fn messages(&self, direction: &str) -> Vec<Value> {
        let mut messages = self.api().all(&format!("/v1/messages?account_id={}", self.account)).await;
        messages.retain(|message| message["direction"] == direction);
        messages.sort_by_key(|message| message["id"].as_str().map(str::to_owned));
        messages
    }

    /// What the buyer said, once there are so many.
    async fn heard(&self, count: usize) -> Vec<Value> {
        until("everything arrived", async || {
            let heard = self.messages("inbound").await;
            (heard.len() >= count).then_some(heard)
        })
        .await
    }

    /// Sends a text and gives the message once its fate is known.
    async fn say(&self, to: &str, said: &str) -> Value {
        let message = self.api().post("/v1/messages", &text(&self.account, to, said, "conversation")).await;
        becomes(self.api(), message["id"].as_str().unwrap(), &["sent", "failed"]).await
    }
}

async fn a_conversation(stage: &Stage, by_webhook: bool) {
    let chat = stage.tiktok.conversation(&stage.shop, "Anna");
    stage.tiktok.writes(&chat, "TEXT", &words("Is this the bird shop?"));
    let picture = stage.tiktok.put_file(JPEG.into());
    stage.tiktok.writes(&chat, "IMAGE", &json!({ "url": picture, "width": "1", "height": "1" }));
    stage.tiktok.says(&chat, "ROBOT", "TEXT", &words("A robot speaks for the shop."));
    if by_webhook {
        stage.post_all().await;
    }
    let heard = stage.heard(2).await;
    let said = heard.iter().find(|message| message["content"]["type"] == "text").unwrap();
    assert_eq!(said["content"]["text"], "Is this the bird shop?");
    let seen = heard.iter().find(|message| message["content"]["type"] == "image").unwrap();
    let file = seen["content"]["media"]["media_id"].as_str().unwrap().to_owned();
    until("the picture is stored", async || {
        let file = stage.api().get(&format!("/v1/media/{file}")).await;
        assert_ne!(file["state"], "failed", "{file}");
        (file["state"] == "stored" && file["size"] == JPEG.len()).then_some(())
    })
    .await;

    let answer = stage.say(&chat, "It is.").await;
    assert_eq!(answer["status"], "sent", "{answer}");
    let received = stage.tiktok.messages(&chat).pop().unwrap();
    assert_eq!(received["id"], answer["provider_id"]);
    stage.tiktok.writes(&chat, "TEXT", &words("Thank you."));
    if by_webhook {
        stage.post_all().await;
    }
    // What came after our message is there, so its echo was read too: it is the message that we know.
    assert_eq!(stage.heard(3).await.len(), 3);
    assert_eq!(stage.messages("outbound").await.len(), 1);
    let conversations = stage.api().all("/v1/conversations").await;
    assert_eq!((conversations.len(), &conversations[0]["address"]), (1, &json!(chat)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_asked_for() {
    let stage = Stage::new("poll").await;
    a_conversation(&stage, false).await;
    let contact = stage.api().all("/v1/contacts").await;
    assert_eq!(contact[0]["name"], "Anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_comes_by_webhook_twice_and_in_any_order() {
    let stage = Stage::new("webhook").await;
    let mut forged = stage.tiktok.notification(&stage.app, &stage.shop, 14, &json!({}));
    forged.body.push(b' ');
    assert_eq!(stage.post(&forged).await, 401);
    a_conversation(&stage, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_is_written_to_first_and_a_closed_conversation_fails_with_its_rule() {
    let stage = Stage::new("webhook").await;
    let buyer = format!("buyer:{}", stage.tiktok.buyer(&stage.shop, "Ben"));
    let first = stage.say(&buyer, "Your parcel is here.").await;
    assert_eq!(first["status"], "sent", "{first}");
    let chat = stage.tiktok.conversation(&stage.shop, "Ben");
    until("the conversation has TikTok's id", async || {
        let conversations = stage.api().all("/v1/conversations").await;
        (conversations[0]["address"] == chat.as_str()).then_some(())
    })
    .await;
    let mut second = text(&stage.account, "", "Will you fetch it?", "conversation");
    second["to"] = json!({ "conversation_id": first["conversation_id"] });
    let second = stage.api().post("/v1/messages", &second).await;
    becomes(stage.api(), second["id"].as_str().unwrap(), &["sent"]).await;
    assert_eq!(stage.tiktok.messages(&chat).len(), 2);
    let created = stage
        .tiktok
        .calls()
        .iter()
        .filter(|call| call.what.ends_with("POST /customer_service/202309/conversations"))
        .count();
    assert_eq!(created, 1, "from then on the conversation is known");

    stage.tiktok.close(&chat, 45_109_001, "The conversation is closed.");
    let message = stage.say(&chat, "Hello?").await;
    assert_eq!(message["status"], "failed");
    let reason = message["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("cannot_send_message") && reason.contains("60 days of an order"), "{message}");
}
