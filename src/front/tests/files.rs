//! Files: what comes in goes out the same, links end and cannot be made up, and a message carries what its channel takes.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use front::FrontConfig;
use serde_json::{Value, json};

use crate::support::{Answer, App};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";

async fn upload(app: &App, query: &str, body: &[u8], extra: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(format!("/v1/media{query}"));
    request = request.header("authorization", format!("Bearer {}", app.key));
    for (name, value) in extra {
        request = request.header(*name, *value);
    }
    // In pieces: nobody knows its length beforehand.
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        body.chunks(1_000).map(|piece| Ok(piece.to_vec())).collect();
    app.send(request.body(Body::from_stream(futures::stream::iter(pieces))).unwrap()).await
}

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, bytes) in parts {
        body.extend_from_slice(
            format!("--edge\r\nContent-Disposition: form-data; {headers}\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=edge");

fn stored(app: &App) -> usize {
    std::fs::read_dir(app.media_folder())
        .unwrap()
        .flat_map(|workspace| std::fs::read_dir(workspace.unwrap().path()).unwrap())
        .count()
}

async fn link(app: &App, file: &Value) -> String {
    let shown = app.get(&format!("/v1/media/{}", file["id"].as_str().unwrap())).await.ok(200);
    shown["url"].as_str().unwrap().replace("https://rookery.example", "")
}

#[tokio::test]
async fn a_file_is_known_by_its_bytes_and_its_link_shows_it() {
    let app = App::new().await;
    let file = upload(&app, "?name=M%C3%BC%22.png", PNG, &[("content-type", "image/jpeg")]).await.ok(201);
    assert_eq!(
        (&file["state"], &file["mime"], &file["name"]),
        (&json!("stored"), &json!("image/png"), &json!("Mü\".png"))
    );
    assert_eq!(file["size"], PNG.len());
    let link = link(&app, &file).await;
    let nobody = [("authorization", "")];
    let shown = app.call(Method::GET, &link, None, &nobody).await;
    assert_eq!(shown.status, 200);
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-disposition", "inline; filename=\"M__.png\"; filename*=UTF-8''M%C3%BC%22.png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("content-length", "16"),
    ] {
        assert_eq!(shown.headers[name], value, "{name}");
    }
    let etag = shown.headers["etag"].to_str().unwrap().to_owned();
    let again = app.call(Method::GET, &link, None, &[nobody[0], ("if-none-match", &etag)]).await;
    assert_eq!(again.status, 304);
    let part = app.call(Method::GET, &link, None, &[nobody[0], ("range", "bytes=1-3")]).await;
    assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "PNG"));
    assert_eq!(part.headers["content-range"], "bytes 1-3/16");
    let behind = app.call(Method::GET, &link, None, &[nobody[0], ("range", "bytes=16-")]).await;
    assert_eq!(behind.headers["content-range"], "bytes */16");
    behind.problem(416);
}

#[tokio::test]
async fn a_form_and_its_bytes_are_one_file() {
    let app = App::new().await;
    let body = form(&[("name=\"note\"", b"x"), ("name=\"file\"; filename=\"C:\\dir\\a.txt\"", b"hello")]);
    let file = upload(&app, "", &body, &[FORM]).await.ok(201);
    assert_eq!((&file["name"], &file["size"]), (&json!("a.txt"), &json!(5)));
    let link = link(&app, &file).await;
    let shown = app.get(&link).await;
    assert_eq!(shown.text, "hello");
    assert!(shown.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(upload(&app, "", &form(&[("name=\"note\"", b"x")]), &[FORM]).await.field(), "file");
    upload(&app, "", b"--edge\r\nnonsense", &[FORM]).await.problem(400);
    assert_eq!(upload(&app, "", b"", &[]).await.field(), "file");
    assert_eq!(upload(&app, "?name=a%00b", b"x", &[]).await.field(), "name");
    assert_eq!(stored(&app), 1);
}

#[tokio::test]
async fn a_file_that_is_too_large_leaves_nothing() {
    let app = App::with(FrontConfig { upload_limit: 5_000, body_limit: 100, ..FrontConfig::default() }).await;
    upload(&app, "", &[7; 5_000], &[]).await.ok(201);
    upload(&app, "", &[7; 5_001], &[]).await.problem(413);
    upload(&app, "", b"", &[("content-length", "5001")]).await.problem(413);
    let body = form(&[("name=\"file\"", &[7; 5_001])]);
    upload(&app, "", &body, &[FORM]).await.problem(413);
    assert_eq!(stored(&app), 1);
}

#[tokio::test]
async fn equal_uploads_with_one_key_are_one() {
    let app = App::new().await;
    let key = ("idempotency-key", "k1");
    let first = upload(&app, "", b"hello", &[key]).await.ok(201);
    assert_eq!(upload(&app, "", b"hello", &[key]).await.ok(201), first);
    let (kind, _) = upload(&app, "", b"other", &[key]).await.problem(422);
    assert_eq!(kind, "/problems/idempotency-key-reused");
    assert_eq!(stored(&app), 1);
    let link = link(&app, &first).await;
    assert_eq!(app.get(&link).await.text, "hello");
}

#[tokio::test]
async fn links_end_and_cannot_be_made_up() {
    let app = App::new().await;
    let one = upload(&app, "", b"one", &[]).await.ok(201);
    let two = upload(&app, "", b"two", &[]).await.ok(201);
    let (first, second) = (link(&app, &one).await, link(&app, &two).await);
    let (path, query) = first.split_once('?').unwrap();
    let (other, _) = second.split_once('?').unwrap();
    for wrong in [
        path.to_owned(),
        format!("{other}?{query}"),
        format!("{path}?{}", query.replace("expires=", "expires=9")),
        format!("{path}?{}", query.replace("signature=", "signature=00")),
        format!("{path}?expires=x&signature=y"),
    ] {
        app.get(&wrong).await.problem(403);
    }
    let short = App::with(FrontConfig { link_lasting: Duration::ZERO, ..FrontConfig::default() }).await;
    let file = upload(&short, "", b"gone", &[]).await.ok(201);
    short.get(&link(&short, &file).await).await.problem(403);
}

#[tokio::test]
async fn a_message_carries_what_its_channel_takes() {
    let app = App::new().await;
    let account = app.account("one").await;
    let picture = upload(&app, "?name=a.png", PNG, &[]).await.ok(201)["id"].clone();
    let text = upload(&app, "", b"hello", &[("content-type", "text/plain")]).await.ok(201)["id"].clone();
    let large = upload(&app, "", &[PNG, &[0; 1_000]].concat(), &[]).await.ok(201)["id"].clone();
    let body = |media: Value| json!({"account_id": account, "to": {"address": "anna"}, "content": {"type": "image", "media": media}});
    let sent = app
        .post("/v1/messages", body(json!({"media_id": picture, "mime": "image/gif", "size": 1})))
        .await
        .ok(202);
    let media = &sent["content"]["media"];
    assert_eq!(
        (&media["mime"], &media["size"], &media["name"]),
        (&json!("image/png"), &json!(16), &json!("a.png"))
    );
    app.post("/v1/messages", body(json!({"url": "https://example.com/a.png"}))).await.ok(202);
    for (media, field) in [
        (json!({"media_id": uuid::Uuid::nil()}), "media_id"),
        (json!({"media_id": text}), "media_id"),
        (json!({"media_id": large}), "media_id"),
        (json!({"url": "http://127.0.0.1/a.png"}), "url"),
        (json!({"url": "http://localhost/a.png"}), "url"),
        (json!({"url": "a.png"}), "url"),
        (json!({"url": "https://example.com/a.png", "provider_ref": "theirs"}), "provider_ref"),
    ] {
        assert_eq!(app.post("/v1/messages", body(media)).await.field(), format!("content.media.{field}"));
    }
    assert_eq!(app.post("/v1/messages", body(json!({}))).await.field(), "content.media");
    let other = app.store.create_workspace("other").await.unwrap();
    let scopes = vec!["messages:read".to_owned()];
    let stranger = app.key_in(other, scopes, None).await;
    app.get_as(&stranger, &format!("/v1/media/{}", picture.as_str().unwrap())).await.problem(404);
}
