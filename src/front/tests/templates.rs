//! Templates and variables: what a message says is decided when it is accepted.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, App};

async fn template(app: &App, name: &str, text: &str) -> String {
    let made = app.post("/v1/templates", json!({"name": name, "text": text})).await.ok(201);
    made["id"].as_str().unwrap().to_owned()
}

/// Sends a text with variables.
async fn rendered(app: &App, account: &str, text: &str, variables: Value) -> Answer {
    let body = json!({
        "account_id": account, "to": {"address": "anna"}, "content": {"type": "text", "text": text},
        "variables": variables,
    });
    app.post("/v1/messages", body).await
}

fn text(message: &Value) -> &str {
    message["content"]["text"].as_str().unwrap()
}

#[tokio::test]
async fn variables_render_a_text_and_without_them_it_stays() {
    let app = App::new().await;
    let account = app.account("one").await;
    let said = "{{ contact.address }}: {{ order.id | upper }} {a|a} of {{ account.name }}";
    let message = rendered(&app, &account, said, json!({"order": {"id": "x7"}})).await.ok(202);
    assert_eq!(text(&message), "anna: X7 a of Fake one");
    let shown = app.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(shown["content"], message["content"], "the row says what is sent");
    assert_eq!(text(&app.text(&account, "anna", said).await), said);

    let caption = |variables: Value| {
        let content =
            json!({"type": "image", "media": {"url": "https://x.example/a.png"}, "caption": "{{ n }}{|}"});
        json!({"account_id": account, "to": {"address": "anna"}, "content": content, "variables": variables})
    };
    assert_eq!(app.post("/v1/messages", caption(json!({}))).await.field(), "variables.n");
    // The network takes no captions, so an empty one is all that fits.
    let message = app.post("/v1/messages", caption(json!({"n": ""}))).await.ok(202);
    assert_eq!(message["content"]["caption"], "");
}

#[tokio::test]
async fn what_a_contact_is_called_is_known_however_it_is_named() {
    let app = App::new().await;
    let account = app.account("one").await;
    let said = "Hi {{ contact.name | default('there') }}";
    let first = rendered(&app, &account, said, json!({})).await.ok(202);
    assert_eq!(text(&first), "Hi there");
    assert_eq!(
        rendered(&app, &account, "Hi {{ contact.name }}", json!({})).await.field(),
        "variables.contact.name"
    );
    let contact = first["contact_id"].as_str().unwrap();
    app.patch(&format!("/v1/contacts/{contact}"), json!({"name": "Anna {a|b} {{ x }}"})).await.ok(200);
    for to in [
        json!({"address": "anna"}),
        json!({"contact_id": contact}),
        json!({"conversation_id": first["conversation_id"]}),
    ] {
        let body = json!({
            "account_id": account, "to": to, "content": {"type": "text", "text": said}, "variables": {},
        });
        let message = app.post("/v1/messages", body).await.ok(202);
        assert_eq!(text(&message), "Hi Anna {a|b} {{ x }}", "a name is never read as a text");
    }
    let given = json!({"contact": {"name": "Ms Lind"}});
    let message = rendered(&app, &account, "{{ contact.name }}, {{ contact.address }}", given).await.ok(202);
    assert_eq!(text(&message), "Ms Lind, anna", "what is given goes first");
}

#[tokio::test]
async fn mistakes_in_texts_and_variables_name_their_field() {
    let app = App::new().await;
    let account = app.account("one").await;
    let long = template(&app, "long", "{{ words }}").await;
    let content = |text: &str| json!({"type": "text", "text": text});
    let words = json!({"words": "x".repeat(101)});
    for (part, field) in [
        (json!({"content": content("{{ name }}"), "variables": {}}), "variables.name"),
        (json!({"content": content("{a|b"), "variables": {}}), "content.text"),
        (json!({"content": content("{{ words }}"), "variables": words}), "content.text"),
        (json!({"content": content("{{ words }}"), "variables": {"words": " "}}), "content.text"),
        (json!({"content": content("x"), "variables": {"n": "x".repeat(70_000)}}), "variables"),
        (json!({"content": content("x"), "variables": [1]}), "variables"),
        (
            json!({"content": {"type": "location", "latitude": 1, "longitude": 1}, "variables": {}}),
            "variables",
        ),
        (json!({"template_id": long}), "variables.words"),
        (json!({"template_id": long, "variables": words}), "template_id"),
        (json!({"template_id": long, "content": content("x")}), "template_id"),
        (json!({"template_id": uuid::Uuid::nil()}), "template_id"),
        (json!({"template_id": "long"}), "template_id"),
        (json!({}), "content"),
    ] {
        let mut body = json!({"account_id": account, "to": {"address": "anna"}});
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        assert_eq!(app.post("/v1/messages", body).await.field(), field, "{part}");
    }
    let answer = rendered(&app, &account, "Hi {{ nmae }}", json!({"name": "x"})).await;
    assert!(answer.text.contains("there are account.name, name"), "{}", answer.text);
    assert_eq!(app.get("/v1/messages").await.ok(200)["data"], json!([]));
}

#[tokio::test]
async fn a_template_speaks_each_channels_words() {
    let app = App::new().await;
    let body = json!({"name": "hello", "text": "dear {{ n }}", "variants": {"plain": "yo {{ n }}"}});
    let made = app.post("/v1/templates", body).await.ok(201);
    assert_eq!(made["variables"], json!(["n"]));
    let connect = json!({"channel": "plain", "credentials": {"token": "two:x"}});
    let plain = app.post("/v1/accounts", connect).await.ok(201)["id"].clone();
    for (account, said) in [(json!(app.account("one").await), "dear 5"), (plain, "yo 5")] {
        let body = json!({
            "account_id": account, "to": {"address": "anna"}, "template_id": made["id"], "variables": {"n": 5},
        });
        let message = app.post("/v1/messages", body).await.ok(202);
        assert_eq!(text(&message), said);
    }
}

#[tokio::test]
async fn each_message_of_a_batch_varies_by_itself() {
    let app = App::new().await;
    let account = app.account("one").await;
    let hello = template(&app, "hello", "{a|b|c|d} {{ n }}").await;
    let mut messages: Vec<_> = (0..100)
        .map(|n| {
            json!({
                "account_id": account, "to": {"address": "anna"}, "template_id": hello, "variables": {"n": n},
                "purpose": "campaign",
            })
        })
        .collect();
    messages[7]["variables"] = json!({});
    messages[8]["template_id"] = json!(uuid::Uuid::nil());
    let answer = app.post("/v1/messages/batch", json!({"messages": messages})).await.ok(200);
    let results = answer["results"].as_array().unwrap();
    let mut first = BTreeSet::new();
    for (n, result) in results.iter().enumerate().filter(|(n, _)| ![7, 8].contains(n)) {
        let said = text(&result["message"]);
        assert_eq!(&said[1..], format!(" {n}"));
        first.insert(said[..1].to_owned());
    }
    assert_eq!(first.into_iter().collect::<String>(), "abcd");
    assert_eq!(results[7]["problem"]["errors"][0]["field"], "variables.n");
    assert_eq!(results[8]["problem"]["errors"][0]["field"], "template_id");
}

#[tokio::test]
async fn an_equal_request_is_answered_as_before_though_its_template_is_gone() {
    let app = App::new().await;
    let account = app.account("one").await;
    let hello = template(&app, "hello", "{a|b|c|d|e|f|g|h}").await;
    let body = json!({"account_id": account, "to": {"address": "anna"}, "template_id": hello});
    let first = app.post_keyed("k", "/v1/messages", body.clone()).await.ok(202);
    assert_eq!(app.post_keyed("k", "/v1/messages", body.clone()).await.ok(202), first);
    app.delete(&format!("/v1/templates/{hello}")).await.ok(204);
    assert_eq!(app.post_keyed("k", "/v1/messages", body.clone()).await.ok(202), first);
    assert_eq!(app.post_keyed("l", "/v1/messages", body).await.field(), "template_id");
}

#[tokio::test]
async fn templates_are_checked_kept_changed_and_deleted() {
    let app = App::new().await;
    for (body, field) in [
        (json!({"text": "x"}), "name"),
        (json!({"name": " ", "text": "x"}), "name"),
        (json!({"name": "n".repeat(201), "text": "x"}), "name"),
        (json!({"name": "a\0", "text": "x"}), "name"),
        (json!({"name": "n"}), "text"),
        (json!({"name": "n", "text": "\n"}), "text"),
        (json!({"name": "n", "text": "{{ name | uper }}"}), "text"),
        (json!({"name": "n", "text": "{a|b"}), "text"),
        (json!({"name": "n", "text": "x", "variants": {"fake": "{a|b"}}), "variants.fake"),
        (json!({"name": "n", "text": "x", "variants": {"pigeon": "x"}}), "variants.pigeon"),
        (json!({"name": "n", "text": "x", "variants": {"fake": 1}}), "variants.fake"),
        (json!({"name": "n", "text": "x", "colour": 1}), "colour"),
    ] {
        assert_eq!(app.post("/v1/templates", body.clone()).await.field(), field, "{body}");
    }
    let body =
        json!({"name": "one", "text": "{{ a }}{{ b | default('x') }}", "variants": {"fake": "{{ c }}"}});
    let made = app.post_keyed("k", "/v1/templates", body.clone()).await.ok(201);
    assert_eq!(made["variables"], json!(["a", "b", "c"]));
    assert_eq!(app.post_keyed("k", "/v1/templates", body.clone()).await.ok(201), made);
    app.post("/v1/templates", body).await.problem(409);
    let path = format!("/v1/templates/{}", made["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.ok(200), made);
    assert_eq!(app.patch(&path, json!({"text": "{|"})).await.field(), "text");
    let changed = app.patch(&path, json!({"text": "x", "variants": {}})).await.ok(200);
    assert_eq!(
        (&changed["name"], &changed["text"], &changed["variables"]),
        (&json!("one"), &json!("x"), &json!([]))
    );
    let two = template(&app, "two", "x").await;
    app.patch(&path, json!({"name": "two"})).await.problem(409);
    let listed = app.get("/v1/templates?limit=1").await.ok(200);
    assert_eq!(listed["data"], json!([changed]));
    let cursor = listed["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/templates?cursor={cursor}")).await.ok(200);
    assert_eq!((&rest["data"][0]["id"], &rest["next_cursor"]), (&json!(two), &Value::Null));
    app.delete(&path).await.ok(204);
    app.delete(&path).await.problem(404);
    app.get(&path).await.problem(404);
}

#[tokio::test]
async fn a_preview_shows_texts_that_differ_and_how_many_there_are() {
    let app = App::new().await;
    let account = app.account("one").await;
    let body = json!({"name": "hi", "text": "{hi|hello} {{ name }}{!|}", "variants": {"fake": "{{ account.name }} {{ w }}"}});
    let path = format!(
        "/v1/templates/{}/preview",
        app.post("/v1/templates", body).await.ok(201)["id"].as_str().unwrap()
    );
    let shown = app.post(&path, json!({"variables": {"name": "Anna"}, "samples": 20})).await.ok(200);
    let samples: BTreeSet<_> =
        shown["samples"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert_eq!(samples, BTreeSet::from(["hello Anna", "hello Anna!", "hi Anna", "hi Anna!"]));
    assert_eq!(shown["texts"], 4);
    let few = app.post(&path, json!({"variables": {"name": "Anna"}})).await.ok(200);
    assert_eq!(few["samples"].as_array().unwrap().len(), 3);
    assert_eq!(app.post(&path, json!({})).await.field(), "variables.name");
    let body = json!({"name": "known", "text": "Hi {{ contact.name | default(\"there\") }}!"});
    let id = app.post("/v1/templates", body).await.ok(201)["id"].as_str().unwrap().to_owned();
    let known = app.post(&format!("/v1/templates/{id}/preview"), json!({})).await.ok(200);
    assert_eq!(known["samples"], json!(["Hi there!"]));
    assert_eq!(app.post(&path, json!({"samples": 0})).await.field(), "samples");
    assert_eq!(app.post(&path, json!({"samples": 21})).await.field(), "samples");
    let shown = app.post(&path, json!({"account_id": account, "variables": {"w": 1}})).await.ok(200);
    assert_eq!(shown, json!({"samples": ["Fake one 1"], "texts": 1}));
    let long = json!({"account_id": account, "variables": {"w": "x".repeat(100)}});
    assert_eq!(app.post(&path, long).await.field(), "text");
    let nobody = json!({"account_id": uuid::Uuid::nil(), "variables": {"w": 1}});
    assert_eq!(app.post(&path, nobody).await.field(), "account_id");
    assert_eq!(app.get("/v1/messages").await.ok(200)["data"], json!([]), "nothing was sent");
}

#[tokio::test]
async fn keys_use_templates_by_their_scopes() {
    let app = App::new().await;
    let account = app.account("one").await;
    let id = template(&app, "hi", "x").await;
    let path = format!("/v1/templates/{id}");
    let body = || json!({"name": "more", "text": "x"});
    let reader = app.key_with(vec!["messages:read".to_owned()], None).await;
    app.get_as(&reader, &path).await.ok(200);
    app.post_as(&reader, &format!("{path}/preview"), json!({})).await.ok(200);
    app.post_as(&reader, "/v1/templates", body()).await.problem(403);
    let both = || vec!["messages:read".to_owned(), "messages:write".to_owned()];
    let limited = app.key_with(both(), Some(vec![account.parse().unwrap()])).await;
    app.post_as(&limited, "/v1/templates", body()).await.problem(403);
    let message = json!({"account_id": account, "to": {"address": "anna"}, "template_id": id});
    app.post_as(&limited, "/v1/messages", message.clone()).await.ok(202);
    let other = app.store.create_workspace("other").await.unwrap();
    let stranger = app.key_in(other, both(), None).await;
    app.get_as(&stranger, &path).await.problem(404);
    assert_eq!(app.get_as(&stranger, "/v1/templates").await.ok(200)["data"], json!([]));
    app.post_as(&stranger, "/v1/templates", json!({"name": "hi", "text": "x"})).await.ok(201);
}
