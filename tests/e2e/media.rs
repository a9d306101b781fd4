//! Files: sent as they were uploaded, fetched as they were received, whatever happens in between.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tests::harness::{Api, Installation, until};

use super::{BINARY, becomes, unbroken};

macro_rules! every_installation {
    ($($name:ident($role:literal)),+ $(,)?) => {
        mod embedded { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(tests::harness::Installation::embedded(super::BINARY).await, "serve").await;
            }
        )+ }

        mod fleet { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(installation) = tests::harness::Installation::fleet(super::BINARY).await {
                    super::$name(installation, $role).await;
                }
            }
        )+ }
    };
}

every_installation! {
    files_of_every_kind_arrive_as_they_were_uploaded("worker"),
    a_received_file_is_fetched_and_its_link_shows_it("worker"),
    a_received_file_survives_the_death_of_whoever_was_to_fetch_it("worker"),
    a_file_that_the_provider_lost_says_so("worker"),
    a_message_whose_file_is_gone_fails_and_holds_nobody("worker"),
    what_the_channel_does_not_take_is_refused_at_once("worker"),
}

/// A file that begins with `head`, too long for one piece.
fn file(head: &[u8], len: usize) -> Vec<u8> {
    let noise = (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]);
    head.iter().copied().chain(noise).collect()
}

async fn upload(installation: &Installation, mime: &str, bytes: &[u8]) -> Value {
    let answer = installation.api().post_bytes("/v1/media?name=a%20file", mime, bytes.to_vec()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body
}

fn message(account: &str, content: &Value) -> Value {
    json!({"account_id": account, "to": {"address": "alice"}, "content": content, "purpose": "transactional"})
}

/// The provider, as the account called `shop` sees it.
fn provider(installation: &Installation) -> Api {
    Api::new(installation.sandbox().base(), installation.token("shop"))
}

/// What the provider got as the content of a message.
async fn taken(installation: &Installation, id: &str) -> Value {
    let record = installation.record().await;
    let call = record.iter().find(|call| call["client_id"] == id && call["outcome"] == "accepted");
    call.unwrap_or_else(|| panic!("the provider never took {id}"))["content"].clone()
}

async fn files_of_every_kind_arrive_as_they_were_uploaded(installation: Installation, _: &str) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let kinds: [(&str, &str, &[u8]); 6] = [
        ("image", "image/png", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"),
        ("video", "video/mp4", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41"),
        ("audio", "audio/mpeg", b"ID3\x03\0\0\0\0\0\0"),
        ("voice", "audio/ogg; codecs=opus", b"OggS\0\x02"),
        ("document", "application/pdf", b"%PDF-1.7\n"),
        ("sticker", "image/webp", b"RIFF\x10\0\0\0WEBPVP8 "),
    ];
    let mut sent = Vec::new();
    for (kind, mime, head) in kinds {
        let bytes = file(head, 3_000_000);
        let uploaded = upload(&installation, mime, &bytes).await;
        assert_eq!((&uploaded["mime"], &uploaded["size"]), (&json!(mime), &json!(bytes.len())), "{kind}");
        let content = json!({"type": kind, "media": {"media_id": uploaded["id"]}});
        let message = api.post("/v1/messages", &message(&account, &content)).await;
        sent.push((message["id"].as_str().unwrap().to_owned(), kind, mime, bytes));
    }
    for (id, kind, mime, bytes) in sent {
        becomes(api, &id, &["sent", "delivered", "read"]).await;
        let content = taken(&installation, &id).await;
        assert_eq!(
            (&content["type"], &content["mime"], &content["name"]),
            (&json!(kind), &json!(mime), &json!("a file"))
        );
        let path = format!("/v1/files/{}", content["file"].as_str().unwrap());
        let arrived = provider(&installation).get_bytes(&path).await;
        assert_eq!(arrived.header("content-type"), Some(mime), "{kind}");
        assert!(arrived.body == bytes, "{kind} arrived changed");
    }
    let content =
        json!({"type": "image", "media": {"url": "https://example.com/a.png"}, "caption": "A link."});
    let linked = api.post("/v1/messages", &message(&account, &content)).await;
    let id = linked["id"].as_str().unwrap();
    becomes(api, id, &["sent", "delivered", "read"]).await;
    let content = taken(&installation, id).await;
    assert_eq!((&content["url"], &content["file"]), (&json!("https://example.com/a.png"), &Value::Null));
    unbroken(&installation).await;
}

/// Lets a contact send a file to the account called `shop`, and waits for the message.
async fn receives(installation: &Installation, bytes: &[u8]) -> Value {
    let lies = provider(installation).post_bytes("/v1/files", "image/png", bytes.to_vec()).await;
    contact_sends(installation, lies.body["id"].as_str().unwrap()).await
}

async fn contact_sends(installation: &Installation, file: &str) -> Value {
    let content = json!({"type": "image", "file": file, "mime": "image/jpeg", "name": "hello.png"});
    let event = json!({"token": installation.token("shop"), "chat": "bob", "from": {"id": "bob"}, "content": content});
    installation.sandbox().post("/control/inbound", &event).await;
    until("the message is there", async || {
        let page = installation.api().get("/v1/messages").await;
        page["data"].as_array()?.iter().find(|message| message["direction"] == "inbound").cloned()
    })
    .await
}

/// Waits until a received file has this state, and gives it.
async fn file_becomes(installation: &Installation, message: &Value, state: &str) -> Value {
    let id = message["content"]["media"]["media_id"].as_str().expect("the message names its file");
    until(&format!("the file is {state}"), async || {
        let file = installation.api().get(&format!("/v1/media/{id}")).await;
        (file["state"] == state).then_some(file)
    })
    .await
}

/// The path of a signed link, for whoever has no key.
async fn follow(installation: &Installation, url: &str) -> outbound::Answer {
    let path = &url[url.find("/media/").expect("a link to a file")..];
    Api::new(installation.api().base(), "").get_bytes(path).await
}

async fn a_received_file_is_fetched_and_its_link_shows_it(installation: Installation, _: &str) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let bytes = file(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 9_000_000);
    let message = receives(&installation, &bytes).await;
    let stored = file_becomes(&installation, &message, "stored").await;
    assert_eq!((&stored["mime"], &stored["name"]), (&json!("image/png"), &json!("hello.png")));
    assert_eq!((&stored["size"], &stored["message_id"]), (&json!(bytes.len()), &message["id"]));
    let url = stored["url"].as_str().unwrap();
    let shown = follow(&installation, url).await;
    assert!(shown.status == 200 && shown.body == bytes, "the link shows {} bytes", shown.body.len());
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    let (path, signature) = url.split_at(url.len() - 1);
    let mut tampered = path.to_owned();
    write!(tampered, "{}", if signature == "0" { "1" } else { "0" }).unwrap();
    let expired = url.replace("expires=1", "expires=0");
    for wrong in [tampered, expired] {
        assert_eq!(follow(&installation, &wrong).await.status, 403, "{wrong}");
    }
    // It can be sent on.
    let content = json!({"type": "image", "media": {"media_id": stored["id"]}});
    let forwarded = api.post("/v1/messages", &self::message(&account, &content)).await;
    let id = forwarded["id"].as_str().unwrap();
    becomes(api, id, &["sent", "delivered", "read"]).await;
    let path = format!("/v1/files/{}", taken(&installation, id).await["file"].as_str().unwrap());
    assert!(provider(&installation).get_bytes(&path).await.body == bytes, "it was sent on changed");
}

async fn a_received_file_survives_the_death_of_whoever_was_to_fetch_it(
    mut installation: Installation,
    role: &str,
) {
    installation.connect("shop", 50.0, json!({})).await;
    installation.api().call("POST", "/v1/queues/media/pause", &json!({})).await;
    let bytes = file(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 100_000);
    let message = receives(&installation, &bytes).await;
    file_becomes(&installation, &message, "pending").await;
    installation.kill(role);
    installation.restart(role).await;
    installation.api().call("POST", "/v1/queues/media/resume", &json!({})).await;
    let stored = file_becomes(&installation, &message, "stored").await;
    assert!(follow(&installation, stored["url"].as_str().unwrap()).await.body == bytes, "it came changed");
}

async fn a_file_that_the_provider_lost_says_so(installation: Installation, _: &str) {
    let account = installation.connect("shop", 50.0, json!({})).await;
    let message = contact_sends(&installation, "f123").await;
    let failed = file_becomes(&installation, &message, "failed").await;
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("file_not_found")), "{failed}");
    assert_eq!(failed["url"], Value::Null);
    let content = json!({"type": "image", "media": {"media_id": failed["id"]}});
    let refused =
        installation.api().try_post("/v1/messages", &self::message(&account, &content), &[]).await.unwrap();
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["code"]),
        (422, &json!("not_stored")),
        "{refused:?}"
    );
}

/// The stored bytes of a file, wherever the installation keeps them.
fn lies_at(folder: &std::path::Path, id: &str) -> Option<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path());
    entries
        .into_iter()
        .find_map(|path| if path.is_dir() { lies_at(&path, id) } else { path.ends_with(id).then_some(path) })
}

async fn a_message_whose_file_is_gone_fails_and_holds_nobody(installation: Installation, _: &str) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let uploaded = upload(&installation, "application/pdf", b"%PDF-1.7").await;
    api.post(&format!("/v1/accounts/{account}/pause"), &json!({})).await;
    let content = json!({"type": "document", "media": {"media_id": uploaded["id"]}});
    let lost = api.post("/v1/messages", &message(&account, &content)).await;
    let content = json!({"type": "text", "text": "Still here."});
    let behind = api.post("/v1/messages", &message(&account, &content)).await;
    let path =
        lies_at(&installation.folder(), uploaded["id"].as_str().unwrap()).expect("its bytes are stored");
    std::fs::remove_file(path).unwrap();
    api.post(&format!("/v1/accounts/{account}/resume"), &json!({})).await;
    let failed = becomes(api, lost["id"].as_str().unwrap(), &["failed"]).await;
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.starts_with("media_lost")), "{failed}");
    becomes(api, behind["id"].as_str().unwrap(), &["sent", "delivered", "read"]).await;
    assert_eq!(installation.report().await["accepted"], 1);
}

async fn what_the_channel_does_not_take_is_refused_at_once(installation: Installation, _: &str) {
    let account = installation.connect("shop", 50.0, json!({})).await;
    // The sandbox takes 64 MB.
    let large = upload(&installation, "application/pdf", &file(b"%PDF-1.7\n", 64 * 1024 * 1024)).await;
    let content = json!({"type": "document", "media": {"media_id": large["id"]}});
    let refused =
        installation.api().try_post("/v1/messages", &message(&account, &content), &[]).await.unwrap();
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.body["errors"][0]["field"], "content.media.media_id");
    let content = json!({"type": "document", "media": {"url": "http://169.254.169.254/latest"}});
    let refused =
        installation.api().try_post("/v1/messages", &message(&account, &content), &[]).await.unwrap();
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("content.media.url")));
    assert_eq!(installation.api().get("/v1/messages").await["data"], json!([]));
}
