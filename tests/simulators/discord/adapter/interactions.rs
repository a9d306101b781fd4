//! Commands and pressed buttons: believed by their signature, answered at once, ended by a call where something still shows.

use channel::{Channel, Method, WebhookError, WebhookRequest, WebhookResponse};
use model::{Content, ConversationKind, InboundKind};
use serde_json::{Value, json};

use super::Stage;

impl Stage {
    fn receive(&self, body: &Value) -> Result<WebhookResponse, WebhookError> {
        let body = body.to_string().into_bytes();
        let headers = self.server.signed(&body);
        let request = WebhookRequest { method: Method::Post, headers: &headers, query: "", body: &body };
        self.channel.receive(&self.login, &request)
    }

    /// The endpoint is told, its answer taken, and the event acknowledged as the ingest job does.
    async fn tell(&self, interaction: &Value) -> (Value, Vec<model::Inbound>) {
        let response = self.receive(interaction).unwrap();
        let answer: Value = serde_json::from_str(&response.answer.unwrap().body).unwrap();
        self.server.answered(id(interaction), answer.clone());
        let mut meant = Vec::new();
        for event in response.events {
            assert_eq!(event.account, Some(self.server.app()));
            meant.extend(self.channel.parse(&self.login.account, &event.payload).unwrap());
            let acknowledger = self.channel.acknowledger().unwrap();
            if acknowledger.awaits(&event.payload) {
                acknowledger.acknowledge(&self.login, &event.payload).await.unwrap();
                acknowledger
                    .acknowledge(&self.login, &event.payload)
                    .await
                    .expect("a repetition is harmless");
            }
        }
        (answer, meant)
    }
}

fn id(interaction: &Value) -> u64 {
    interaction["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn discords_ping_is_answered_and_nothing_happened() {
    let stage = Stage::new().await;
    let response =
        stage.receive(&json!({ "id": "1", "application_id": "2", "type": 1, "version": 1 })).unwrap();
    let answer = response.answer.unwrap();
    assert_eq!((answer.content_type, answer.body.as_str()), ("application/json", r#"{"type":1}"#));
    assert_eq!(response.events, []);
    let suggestions = stage.receive(&json!({ "id": "1", "type": 4, "data": {} })).unwrap();
    assert_eq!(suggestions.events, []);
    assert_eq!(suggestions.answer.unwrap().body, r#"{"data":{"choices":[]},"type":8}"#);
    let ping = stage.receive(&json!({ "version": 1, "application_id": "2", "type": 0 })).unwrap();
    assert_eq!(ping, WebhookResponse::default());
}

#[tokio::test]
async fn a_command_is_words_and_leaves_nothing_thinking() {
    let mut stage = Stage::new().await;
    let data = json!({ "id": "9", "name": "order", "type": 1, "options": [{ "name": "number", "type": 4, "value": 7 }] });
    let told = stage.server.interaction(2, stage.chat, stage.ada, data.clone());
    let (answer, meant) = stage.tell(&told).await;
    assert_eq!(answer, json!({ "type": 5, "data": { "flags": 64 } }));
    assert_eq!(meant.len(), 1);
    assert_eq!(
        (meant[0].chat.clone(), meant[0].chat_kind),
        (stage.chat.to_string(), ConversationKind::Direct)
    );
    assert_eq!(meant[0].from.as_ref().unwrap().address, stage.ada.to_string());
    let InboundKind::Message { content, provider_id, .. } = &meant[0].kind else { panic!("{meant:?}") };
    assert_eq!(
        (content, provider_id.as_str()),
        (&Content::text("/order number:7"), told["id"].as_str().unwrap())
    );
    assert_eq!(stage.server.interaction_now(id(&told)).original, None, "it thinks no more");

    stage.login.account.settings["command_answer"] = "One moment".into();
    let told = stage.server.interaction(2, stage.chat, stage.ada, data);
    stage.tell(&told).await;
    assert_eq!(stage.server.interaction_now(id(&told)).original.unwrap()["content"], "One moment");
}

#[tokio::test]
async fn a_pressed_button_and_a_choice_say_what_they_carry() {
    let stage = Stage::new().await;
    let channel = stage.server.channel();
    let message = json!({ "id": "77", "components": [
        { "type": 1, "components": [{ "type": 2, "style": 2, "label": "Yes", "custom_id": "y" }] },
        { "type": 1, "components": [{ "type": 3, "custom_id": "list:0", "options": [
            { "label": "Tea", "value": "tea" }, { "label": "Milk", "value": "milk" }
        ]}]},
    ]});
    let mut told =
        stage.server.interaction(3, channel, stage.ada, json!({ "custom_id": "y", "component_type": 2 }));
    told["message"] = message.clone();
    let (answer, meant) = stage.tell(&told).await;
    assert_eq!(answer, json!({ "type": 6 }));
    assert_eq!(meant[0].chat_kind, ConversationKind::Group);
    let said = |inbound: &model::Inbound| match &inbound.kind {
        InboundKind::Message { content: Content::Callback { data, title }, reply_to, .. } => {
            (data.clone(), title.clone().unwrap_or_default(), reply_to.clone().unwrap_or_default())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(said(&meant[0]), ("y".to_owned(), "Yes".to_owned(), "77".to_owned()));
    let data = json!({ "custom_id": "list:0", "component_type": 3, "values": ["tea", "milk"] });
    let mut told = stage.server.interaction(3, channel, stage.ada, data);
    told["message"] = message;
    let (_, meant) = stage.tell(&told).await;
    assert_eq!(said(&meant[0]), ("tea".to_owned(), "Tea".to_owned(), "77".to_owned()));
    assert_eq!(said(&meant[1]), ("milk".to_owned(), "Milk".to_owned(), "77".to_owned()));
}

#[tokio::test]
async fn an_app_is_believed_by_its_own_key_alone() {
    let stage = Stage::new().await;
    let apps = stage.channel.apps().unwrap();
    let told =
        stage.server.interaction(3, stage.chat, stage.ada, json!({ "custom_id": "y", "component_type": 2 }));
    let body = told.to_string().into_bytes();
    let headers = stage.server.signed(&body);
    let request = WebhookRequest { method: Method::Post, headers: &headers, query: "", body: &body };
    let app = channel::Credentials::default().with("app_public_key", stage.server.public_key());
    let response = apps.receive(&app, &request).unwrap();
    assert_eq!(response.events[0].account, Some(stage.server.app()));
    let other = channel::Credentials::default().with("public_key", stage.server.public_key());
    assert_eq!(apps.receive(&other, &request), Err(WebhookError::Signature));
    assert_eq!(apps.provider(), "discord");
    assert!(apps.fields().iter().all(|field| field.name.starts_with(channel::APP_PREFIX)));
}
