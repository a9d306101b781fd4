//! The simulator itself: that it is strict, and that what it says has Meta's form.

use std::sync::Arc;
use std::time::Duration;

use outbound::{Answer, Http, HttpConfig};
use serde_json::{Value, json};

use super::*;

struct Echo;

impl Product for Echo {
    fn answer(&self, _core: &Core, call: &Call, grant: &Grant) -> Reply {
        match call.parts().as_slice() {
            ["things"] if grant.allows("read_things", "7") => Ok(page(&[json!(1), json!(2), json!(3)], call)),
            ["things"] => Err(Refusal::new(403, 200, "(#200) Permissions error")),
            [id] => Err(Refusal::unknown(id)),
            _ => Core::success(),
        }
    }
}

async fn get(core: &Core, path: &str, token: &str) -> Answer {
    let http = Http::new(&HttpConfig::default()).unwrap();
    let url = format!("{}/{path}", core.base_url());
    let request = http.provider().get(&url, Duration::from_secs(5));
    request.bearer(token).answer(1 << 20).await.unwrap()
}

fn code(answer: &Answer) -> i64 {
    answer.json::<Value>().unwrap()["error"]["code"].as_i64().unwrap()
}

#[tokio::test]
async fn tokens_versions_permissions_and_pages() {
    let meta = Meta::start(Arc::new(Echo)).await;
    let core = &meta.core;
    let app = core.app();
    let token = core.token(&app, &[("read_things", &["7"])]);
    assert_eq!(code(&get(core, "v25.0/things", "wrong").await), 190);
    assert_eq!(code(&get(core, "v3.0/things", &token).await), 2635);
    assert_eq!(code(&get(core, "v25.0/nobody", &token).await), 100);
    let other = core.token(&app, &[("read_things", &["8"])]);
    assert_eq!(code(&get(core, "v25.0/things", &other).await), 200);
    let first: Value = get(core, "v25.0/things?limit=2", &token).await.json().unwrap();
    assert_eq!((&first["data"], first["paging"]["next"].is_string()), (&json!([1, 2]), true));
    let last: Value = get(core, "v25.0/things?limit=2&after=2", &token).await.json().unwrap();
    assert_eq!((&last["data"], last["paging"]["next"].is_null()), (&json!([3]), true));
    core.revoke(&token, 463);
    let gone: Value = get(core, "v25.0/things", &token).await.json().unwrap();
    assert_eq!((&gone["error"]["code"], &gone["error"]["error_subcode"]), (&json!(190), &json!(463)));
}

#[tokio::test]
async fn a_code_is_good_once_and_for_its_redirect() {
    let meta = Meta::start(Arc::new(Echo)).await;
    let core = &meta.core;
    let app = core.app();
    let token = core.token(&app, &[]);
    let given = core.code(&app, "https://here/", &token);
    let path = |redirect: &str| {
        let App { id, secret } = &app;
        format!(
            "v25.0/oauth/access_token?client_id={id}&client_secret={secret}&redirect_uri={redirect}&code={given}"
        )
    };
    assert_eq!(get(core, &path("https://there/"), "").await.status, 400);
    let answer: Value = get(core, &path("https://here/"), "").await.json().unwrap();
    assert_eq!(answer["access_token"], json!(token));
    assert_eq!(get(core, &path("https://here/"), "").await.status, 400);
}

#[test]
fn bodies_are_escaped_and_signed_as_they_are_written() {
    assert_eq!(escaped(&json!({ "a": "\u{e9}/\u{1f44b}" })), r#"{"a":"\u00e9\/\ud83d\udc4b"}"#);
    assert_eq!(
        signature("Jefe", b"what do ya want for nothing?"),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

/// An address that answers Meta's question by `word` and keeps what it is told.
async fn listener(word: &'static str) -> (String, Arc<Mutex<Vec<(String, String)>>>) {
    type Told = Arc<Mutex<Vec<(String, String)>>>;
    let told: Told = Arc::default();
    let keep = Arc::clone(&told);
    let post = move |headers: axum::http::HeaderMap, body: String| async move {
        let signature = headers["x-hub-signature-256"].to_str().unwrap().to_owned();
        keep.lock().unwrap().push((signature, body));
    };
    let get = move |query: axum::extract::Query<std::collections::BTreeMap<String, String>>| async move {
        let asked = query["hub.mode"] == "subscribe" && query["hub.verify_token"] == word;
        if asked { query["hub.challenge"].clone() } else { "no".to_owned() }
    };
    let router = axum::Router::new().route("/hook", axum::routing::get(get).post(post));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, told)
}

#[tokio::test]
async fn an_address_is_asked_and_then_told_with_a_signature() {
    let meta = Meta::start(Arc::new(Echo)).await;
    let (url, told) = listener("a word & more").await;
    assert!(meta.core.verify(&url, "a word & more").await);
    assert!(!meta.core.verify(&url, "another").await);
    let app = meta.core.app();
    for _ in 0..2 {
        assert_eq!(meta.core.deliver(&url, &app, &json!({ "a": "\u{e9}" })).await, 200);
    }
    let told = told.lock().unwrap();
    assert_eq!((told.len(), told[0].1.as_str()), (2, r#"{"a":"\u00e9"}"#));
    assert_eq!(told[0].0, signature(&app.secret, told[0].1.as_bytes()));
}
