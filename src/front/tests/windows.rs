//! The time in which a provider lets one answer: told with conversations, and kept by those who send.

use std::time::Duration;

use model::{Clock as _, Content, ConversationKind, Inbound, InboundKind, Party, SystemClock, Timestamp};
use serde_json::{Value, json};
use store::Ingested;

use crate::support::{App, SECRET};

const HOUR: Duration = Duration::from_hours(1);

/// An account of the mall, whose provider has a window.
async fn account(app: &App) -> String {
    let secrets = [("app_id", "7"), ("app_secret", SECRET)];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    app.store.keep_default_app("bazaar", &secrets).await.unwrap();
    let body = json!({"channel": "mall", "credentials": {"token": format!("page:{SECRET}")}});
    app.post("/v1/accounts", body).await.ok(201)["id"].as_str().unwrap().to_owned()
}

/// Somebody wrote, so long ago.
async fn wrote(app: &App, account: &str, chat: &str, ago: Duration, echo: bool) {
    let (account, _) = app.store.login(account.parse().unwrap()).await.unwrap().unwrap();
    let at: Timestamp = SystemClock.now() - ago;
    let meaning = vec![Inbound {
        chat: chat.to_owned(),
        chat_kind: ConversationKind::Direct,
        chat_title: None,
        thread: None,
        from: Some(Party { address: chat.to_owned(), name: None, phone: None }),
        at,
        kind: InboundKind::Message {
            provider_id: format!("{chat}-1"),
            content: Content::text("hello"),
            reply_to: None,
            echo,
        },
    }];
    let event = Ingested { id: uuid::Uuid::nil().into(), meaning: Ok(meaning) };
    app.store.apply_inbound(&account, &[event]).await.unwrap();
}

fn text(account: &str, to: &str) -> Value {
    json!({"account_id": account, "to": {"address": to}, "content": {"type": "text", "text": "hi"}})
}

async fn can_send(app: &App, chat: &str) -> Value {
    let all = app.get("/v1/conversations").await.ok(200)["data"].clone();
    let found = all.as_array().unwrap().iter().find(|chat_of| chat_of["address"] == chat).unwrap().clone();
    let path = format!("/v1/conversations/{}", found["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.ok(200)["can_send"], found["can_send"]);
    found["can_send"].clone()
}

#[tokio::test]
async fn conversations_say_whether_one_may_write() {
    let app = App::new().await;
    let account = account(&app).await;
    wrote(&app, &account, "anna", HOUR, false).await;
    wrote(&app, &account, "ben", HOUR * 25, false).await;
    wrote(&app, &account, "carl", HOUR * 24 * 8, false).await;
    wrote(&app, &account, "dora", HOUR, true).await;
    let anna = can_send(&app, "anna").await;
    assert_eq!((&anna["allowed"], &anna["reason"]), (&json!(true), &Value::Null));
    assert!(anna["until"].is_string());
    assert_eq!(can_send(&app, "ben").await["reason"], "person_only");
    let closed =
        json!({"allowed": false, "until": null, "reason": "window_closed", "template_required": true});
    assert_eq!(can_send(&app, "carl").await, closed);
    assert_eq!(can_send(&app, "dora").await["reason"], "unknown", "only we wrote, as far as anybody knows");

    let plain = app.account("one").await;
    app.text(&plain, "erna", "hi").await;
    let always = json!({"allowed": true, "until": null, "reason": null, "template_required": false});
    assert_eq!(can_send(&app, "erna").await, always);
}

#[tokio::test]
async fn what_the_provider_would_refuse_is_refused_with_a_way_out() {
    let app = App::new().await;
    let account = account(&app).await;
    wrote(&app, &account, "anna", HOUR, false).await;
    wrote(&app, &account, "ben", HOUR * 25, false).await;
    wrote(&app, &account, "dora", HOUR, true).await;
    for open in ["anna", "dora"] {
        app.post("/v1/messages", text(&account, open)).await.ok(202);
    }
    for closed in ["ben", "stranger"] {
        let refused = app.post("/v1/messages", text(&account, closed)).await;
        assert_eq!(refused.json()["errors"][0]["code"], "window_closed", "{}", refused.text);
        assert!(refused.text.contains("provider_template"), "{}", refused.text);
        assert_eq!(refused.field(), "to");
        let mut template = text(&account, closed);
        template["content"] = json!({"type": "provider_template", "name": "hello", "language": "en_US"});
        app.post("/v1/messages", template).await.ok(202);
    }
    let mut by_person = text(&account, "ben");
    by_person["origin"] = json!("agent");
    app.post("/v1/messages", by_person).await.ok(202);
    let mut later = text(&account, "ben");
    later["send_at"] = json!("2099-01-01T00:00:00Z");
    app.post("/v1/messages", later).await.ok(202);

    let batch = json!({"messages": [text(&account, "anna"), text(&account, "ben")]});
    let answer = app.post("/v1/messages/batch", batch).await.ok(200);
    let statuses = [&answer["results"][0]["status"], &answer["results"][1]["status"]];
    assert_eq!(statuses, [&json!(202), &json!(422)]);
}
