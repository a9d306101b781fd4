//! A WhatsApp Cloud conversation, the whole way in and out: a real process against a Graph API that checks every call and
//! signs what it tells, twice and out of order.

use model::{Clock, SystemClock};
use serde_json::{Value, json};
use tests::harness::{Api, Installation, text, until};
use tests::simulators::whatsapp_cloud::{Cloud, Options};

use super::{BINARY, becomes};

const ANNA: &str = "16505551234";
const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0 a photo";

/// An installation whose Meta is the simulator, with one number connected.
struct Stage {
    installation: Installation,
    cloud: Cloud,
    account: String,
    webhook: String,
}

impl Stage {
    async fn new() -> Self {
        let cloud = Cloud::start(Options::default()).await;
        let vars = [("ROOKERY_WHATSAPP_CLOUD_URL", cloud.meta.core.base_url())];
        let installation = Installation::embedded_with(BINARY, &vars).await;
        let body = json!({
            "channel": "whatsapp_cloud",
            "credentials": {"access_token": cloud.token, "app_secret": cloud.app.secret, "verify_token": "a word"},
            "settings": {"phone_number_id": cloud.number, "waba_id": cloud.business},
        });
        let account = installation.api().post("/v1/accounts", &body).await;
        assert_eq!(account["external_id"], json!(cloud.number));
        let field = |name: &str| {
            account[name].as_str().unwrap_or_else(|| panic!("no {name} in {account}")).to_owned()
        };
        let (id, webhook) = (field("id"), field("webhook_url"));
        Self { installation, cloud, account: id, webhook }
    }

    fn api(&self) -> &Api {
        self.installation.api()
    }

    /// Meta tells of this, which happened just now.
    async fn told(&self, changes: &[Value]) {
        let changes: Vec<_> = changes.iter().cloned().map(just_now).collect();
        let body = self.cloud.delivery(&changes);
        assert_eq!(self.cloud.meta.core.deliver(&self.webhook, &self.cloud.app, &body).await, 200);
    }

    async fn messages(&self, direction: &str) -> Vec<Value> {
        let mut all = self.api().all(&format!("/v1/messages?account_id={}", self.account)).await;
        all.retain(|message| message["direction"] == direction);
        all
    }

    async fn sent(&self, content: Value) -> Value {
        let mut body = text(&self.account, ANNA, "", "conversation");
        body["content"] = content;
        let message = self.api().post("/v1/messages", &body).await;
        let message = becomes(self.api(), message["id"].as_str().unwrap(), &["sent", "failed"]).await;
        assert_eq!(message["status"], "sent", "{message}");
        message
    }
}

fn just_now(mut change: Value) -> Value {
    let now = SystemClock.now().as_micros() / 1_000_000;
    for place in ["/value/messages/0/timestamp", "/value/statuses/0/timestamp"] {
        if let Some(at) = change.pointer_mut(place) {
            *at = now.to_string().into();
        }
    }
    change
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_in_and_out() {
    let stage = Stage::new().await;
    let (cloud, core) = (&stage.cloud, &stage.cloud.meta.core);
    assert!(core.verify(&stage.webhook, "a word").await, "Meta finds the right address");
    assert!(!core.verify(&stage.webhook, "another").await);

    cloud.person(ANNA);
    // She never wrote: nothing but a template may go to her.
    let early = text(&stage.account, ANNA, "Hello?", "conversation");
    let refused = stage.api().call("POST", "/v1/messages", &early).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["code"]),
        (422, &json!("window_closed")),
        "{refused:?}"
    );
    let photo = cloud.received_file("image/jpeg", JPEG.into());
    let image = json!({"id": photo, "mime_type": "image/jpeg", "caption": "This one."});
    let changes = [
        cloud.message_change(ANNA, "wamid.1", "text", &json!({"body": "Is this the shop?"})),
        cloud.message_change(ANNA, "wamid.2", "image", &image),
    ];
    stage.told(&changes).await;
    stage.told(&changes).await;
    let heard = until("both arrived", async || {
        Some(stage.messages("inbound").await).filter(|heard| heard.len() >= 2)
    });
    let heard = heard.await;
    assert_eq!(heard.len(), 2, "{heard:#?}");
    let photo = heard.iter().find(|message| message["content"]["type"] == "image").unwrap();
    let file = photo["content"]["media"]["media_id"].as_str().unwrap();
    until("the photo was fetched", async || {
        let file = stage.api().get(&format!("/v1/media/{file}")).await;
        assert_ne!(file["state"], "failed", "{file}");
        (file["state"] == "stored" && file["size"] == json!(JPEG.len())).then_some(())
    })
    .await;

    let asked = stage.sent(json!({"type": "text", "text": "It is. Call you?", "buttons": [[{"title": "Yes", "data": "call"}]]})).await;
    let id = asked["provider_id"].as_str().unwrap();
    let there = cloud.message(id).unwrap().body;
    assert_eq!(there["interactive"]["action"]["buttons"][0]["reply"]["id"], "call");
    // The receipts come the wrong way round, and twice.
    for status in ["read", "delivered", "sent", "read"] {
        stage.told(&[cloud.status_change(ANNA, id, status)]).await;
    }
    becomes(stage.api(), asked["id"].as_str().unwrap(), &["read"]).await;
    let reply = json!({"type": "button_reply", "button_reply": {"id": "call", "title": "Yes"}});
    let thumb = json!({"message_id": id, "emoji": "👍"});
    stage
        .told(&[
            cloud.message_change(ANNA, "wamid.3", "interactive", &reply),
            cloud.message_change(ANNA, "wamid.4", "reaction", &thumb),
        ])
        .await;
    until("the button was pressed", async || {
        let heard = stage.messages("inbound").await;
        heard
            .iter()
            .any(|message| message["content"] == json!({"type": "callback", "data": "call", "title": "Yes"}))
            .then_some(())
    })
    .await;
    until("the reaction arrived", async || {
        let message = stage.api().get(&format!("/v1/messages/{}", asked["id"].as_str()?)).await;
        (message["reactions"][0]["emoji"] == "👍").then_some(())
    })
    .await;
    let file = stage.api().post_bytes("/v1/media?name=a.jpg", "image/jpeg", JPEG.to_vec()).await;
    let sent = stage.sent(json!({"type": "image", "media": {"media_id": file.body["id"]}})).await;
    let there = cloud.message(sent["provider_id"].as_str().unwrap()).unwrap().body;
    assert_eq!(cloud.file(there["image"]["id"].as_str().unwrap()).unwrap(), JPEG);
    let conversations = stage.api().all("/v1/conversations").await;
    assert_eq!((conversations.len(), &conversations[0]["address"]), (1, &json!(ANNA)));

    // Nobody else is believed, and nothing of it is kept.
    let forged = core.app();
    let body = cloud.delivery(&[cloud.message_change(ANNA, "wamid.5", "text", &json!({"body": "forged"}))]);
    assert_eq!(core.deliver(&stage.webhook, &forged, &body).await, 401);
    assert_eq!(stage.messages("inbound").await.len(), 3);
}
