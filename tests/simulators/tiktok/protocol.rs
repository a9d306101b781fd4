//! The simulator by itself, spoken to as the documentation says: what the adapter never does must be judged right too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{ManualClock, Timestamp};
use outbound::{Http, HttpConfig, Method};
use serde_json::{Value, json};

use super::{Options, TikTok, call_signature};

const NOW: i64 = 1_795_000_000;
const CONVERSATIONS: &str = "/customer_service/202309/conversations";

struct Caller {
    server: TikTok,
    http: Http,
    app: (String, String),
    shop: String,
    cipher: String,
    token: String,
}

impl Caller {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(NOW * 1_000_000)));
        let server = TikTok::start(Options { clock, calls_per_second: None, ..Options::default() }).await;
        let app = server.app();
        let (shop, cipher) = server.shop("Seller", "Shop");
        let token = server.tokens(&app.0, "Seller").0;
        Self { server, http: Http::new(&HttpConfig::default()).unwrap(), app, shop, cipher, token }
    }

    /// A call with these parameters changed; one that is emptied is left out.
    async fn call(&self, method: Method, path: &str, changed: &[(&str, &str)], body: &str) -> (u16, Value) {
        let usual = [
            ("app_key", self.app.0.as_str()),
            ("timestamp", "1795000000"),
            ("shop_cipher", self.cipher.as_str()),
            ("page_size", "10"),
        ];
        let mut query: BTreeMap<_, _> = usual
            .iter()
            .chain(changed)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        query.retain(|_, value| !value.is_empty());
        if !query.contains_key("sign") {
            let signature = call_signature(&self.app.1, path, &query, body.as_bytes(), false);
            query.insert("sign".to_owned(), signature);
        }
        let url = format!("{}{path}", self.server.base_url());
        let request = self.http.provider().request(method, &url, Duration::from_secs(5));
        let request = request.query(&query).header("x-tts-access-token", &self.token);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let answer = request.answer(1 << 20).await.unwrap();
        (answer.status, answer.json().unwrap())
    }

    async fn code(&self, method: Method, path: &str, changed: &[(&str, &str)], body: &str) -> i64 {
        self.call(method, path, changed, body).await.1["code"].as_i64().unwrap()
    }
}

#[tokio::test]
async fn a_call_is_checked_from_its_path_to_its_shop() {
    let caller = Caller::new().await;
    assert_eq!(caller.code(Method::GET, CONVERSATIONS, &[], "").await, 0);
    for (method, path, changed, code) in [
        (Method::GET, "/customer_service/202309/nothing", &[][..], 36_009_009),
        (Method::DELETE, CONVERSATIONS, &[], 36_009_010),
        (Method::GET, CONVERSATIONS, &[("app_key", "unknown")], 36_009_004),
        (Method::GET, CONVERSATIONS, &[("timestamp", "1794999699")], 36_009_004),
        (Method::GET, CONVERSATIONS, &[("timestamp", "1795000031")], 36_009_004),
        (Method::GET, CONVERSATIONS, &[("timestamp", "1794999700")], 0),
        (Method::GET, CONVERSATIONS, &[("sign", "00")], 106_001),
        (Method::GET, CONVERSATIONS, &[("shop_cipher", "")], 106_013),
        (Method::GET, CONVERSATIONS, &[("shop_cipher", "GCP_other")], 101_000),
        (Method::GET, CONVERSATIONS, &[("page_size", "21")], 36_009_004),
        (Method::GET, CONVERSATIONS, &[("page_token", "nowhere")], 36_009_004),
        (Method::GET, "/authorization/202309/shops", &[("shop_cipher", "")], 0),
    ] {
        assert_eq!(caller.code(method, path, changed, "").await, code, "{path} {changed:?}");
    }
    let (status, shops) = caller.call(Method::GET, "/authorization/202309/shops", &[], "").await;
    assert_eq!((status, shops["data"]["shops"][0]["cipher"].as_str()), (200, Some(caller.cipher.as_str())));
}

#[tokio::test]
async fn a_body_is_signed_as_it_was_sent_and_read_as_json() {
    let caller = Caller::new().await;
    let chat = caller.server.conversation(&caller.shop, "Ada");
    let path = format!("{CONVERSATIONS}/{chat}/messages");
    let text = json!({ "type": "TEXT", "content": "{\"content\":\"hi\"}" }).to_string();
    let query = [("app_key", &caller.app.0), ("shop_cipher", &caller.cipher)];
    let mut query: BTreeMap<_, _> = query.map(|(name, value)| (name.to_owned(), value.clone())).into();
    query.insert("timestamp".to_owned(), NOW.to_string());
    query.insert("page_size".to_owned(), "10".to_owned());
    let unsigned = call_signature(&caller.app.1, &path, &query, b"", false);
    assert_eq!(caller.code(Method::POST, &path, &[("sign", &unsigned)], &text).await, 106_001);
    assert_eq!(caller.code(Method::POST, &path, &[], &text).await, 0);
    assert_eq!(caller.code(Method::POST, &path, &[], "{").await, 36_009_023);
    for body in [
        json!({}),
        json!({ "type": "TEXT", "content": { "content": "not a string" } }),
        json!({ "type": "TEXT", "content": "{\"content\":\"\"}" }),
        json!({ "type": "TEXT", "content": json!({ "content": "x".repeat(2001) }).to_string() }),
        json!({ "type": "AUDIO", "content": "{}" }),
        json!({ "type": "IMAGE", "content": "{\"url\":\"https://x.y/z\",\"width\":1,\"height\":1}" }),
    ] {
        assert_eq!(caller.code(Method::POST, &path, &[], &body.to_string()).await, 36_009_004, "{body}");
    }
    // Read without a body, and with an empty object that is signed.
    for body in ["", "{}"] {
        assert_eq!(caller.code(Method::POST, &format!("{path}/read"), &[], body).await, 0);
    }
    assert_eq!(caller.server.messages(&chat).len(), 1);
}

#[tokio::test]
async fn messages_come_in_pages_from_either_end() {
    let caller = Caller::new().await;
    let chat = caller.server.conversation(&caller.shop, "Ada");
    for n in 0..12 {
        caller.server.writes(&chat, "TEXT", &super::text(&n.to_string()));
    }
    let path = format!("{CONVERSATIONS}/{chat}/messages");
    let (_, page) = caller.call(Method::GET, &path, &[], "").await;
    let page = &page["data"];
    assert_eq!(page["messages"].as_array().unwrap().len(), 10);
    assert!(page["messages"][0]["content"].as_str().unwrap().contains("11"), "the newest is the first");
    let token = page["next_page_token"].as_str().unwrap().to_owned();
    let (_, rest) = caller.call(Method::GET, &path, &[("page_token", &token)], "").await;
    assert_eq!(
        (rest["data"]["messages"].as_array().unwrap().len(), &rest["data"]["next_page_token"]),
        (2, &json!(""))
    );
    let (_, oldest) = caller.call(Method::GET, &path, &[("sort_order", "ASC")], "").await;
    assert!(oldest["data"]["messages"][0]["content"].as_str().unwrap().contains("\"0\""));
}

#[tokio::test]
async fn webhooks_go_to_https_domains_only() {
    let caller = Caller::new().await;
    let path = "/event/202309/webhooks";
    for (address, code) in [
        ("https://x.example/hook", 0),
        ("http://x.example/hook", 36_009_004),
        ("https://127.0.0.1/hook", 36_009_004),
        ("https://x.example:8443/hook", 36_009_004),
    ] {
        let body = json!({ "event_type": "NEW_MESSAGE", "address": address }).to_string();
        assert_eq!(caller.code(Method::PUT, path, &[], &body).await, code, "{address}");
    }
    let (_, listed) = caller.call(Method::GET, path, &[], "").await;
    assert_eq!(listed["data"]["webhooks"][0]["address"], "https://x.example/hook");
    assert_eq!(caller.code(Method::DELETE, path, &[], "{\"event_type\":\"NEW_MESSAGE\"}").await, 0);
    assert_eq!(caller.server.webhook(&caller.shop, "NEW_MESSAGE"), None);
}
