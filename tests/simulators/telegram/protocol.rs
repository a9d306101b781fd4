//! The simulator by itself, spoken to as the documentation says: what the adapter never does must be judged right too.

use std::time::Duration;

use outbound::{Answer, Http, HttpConfig, Method};
use serde_json::{Value, json};

use super::{BotHandle, Options, Telegram};

struct Caller {
    server: Telegram,
    bot: BotHandle,
    http: Http,
}

impl Caller {
    async fn new(options: Options) -> Self {
        let server = Telegram::start(options).await;
        let bot = server.bot();
        Self { server, bot, http: Http::new(&HttpConfig::default()).unwrap() }
    }

    fn url(&self, method: &str) -> String {
        format!("{}/bot{}/{method}", self.server.base_url(), self.bot.token)
    }

    async fn call(&self, method: &str, params: Value) -> (u16, Value) {
        let request = self.http.provider().post(&self.url(method), Duration::from_secs(5)).json(&params);
        read(&request.answer(1 << 20).await.unwrap())
    }

    /// The words of a refusal.
    async fn refusal(&self, method: &str, params: Value) -> String {
        let (status, body) = self.call(method, params).await;
        assert_eq!((body["ok"].as_bool(), body["error_code"].as_u64()), (Some(false), Some(status.into())));
        body["description"].as_str().unwrap().to_owned()
    }
}

fn read(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json().unwrap())
}

#[tokio::test]
async fn parameters_come_in_a_query_in_a_form_or_as_json_and_methods_in_any_case() {
    let caller = Caller::new(Options::default()).await;
    let get = caller.http.provider().request(Method::GET, &caller.url("GETME"), Duration::from_secs(5));
    let (status, body) = read(&get.answer(1 << 20).await.unwrap());
    assert_eq!((status, body["result"]["id"].as_i64()), (200, Some(caller.bot.id())));

    let ada = caller.bot.person("Ada");
    let url = caller.url(&format!("sendMessage?chat_id={}&text=from%20the%20query", ada.chat));
    let (status, body) =
        read(&caller.http.provider().get(&url, Duration::from_secs(5)).answer(1 << 20).await.unwrap());
    assert_eq!((status, body["result"]["text"].as_str()), (200, Some("from the query")));

    let bob = caller.bot.person("Bob");
    let keyboard = "%7B%22inline_keyboard%22%3A%5B%5B%7B%22text%22%3A%22a%22%2C%22callback_data%22%3A%22b%22%7D%5D%5D%7D";
    let form = caller
        .http
        .provider()
        .post(&caller.url("sendMessage"), Duration::from_secs(5))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("chat_id={}&text=from+the+form&reply_markup={keyboard}", bob.chat));
    let (status, body) = read(&form.answer(1 << 20).await.unwrap());
    assert_eq!((status, body["result"]["text"].as_str()), (200, Some("from the form")));
    assert_eq!(body["result"]["reply_markup"]["inline_keyboard"][0][0]["callback_data"], "b");
}

#[tokio::test]
async fn refusals_have_telegrams_words() {
    let caller = Caller::new(Options { enforce_limits: false, ..Options::default() }).await;
    let ada = caller.bot.person("Ada");
    let theirs = ada.writes("x");
    for (method, params, words) in [
        ("sendMesage", json!({}), "Not Found: method not found"),
        ("sendMessage", json!({"text": "x"}), "Bad Request: chat_id is empty"),
        ("sendMessage", json!({"chat_id": 1, "text": "x"}), "Bad Request: chat not found"),
        ("sendMessage", json!({"chat_id": ada.chat}), "Bad Request: message text is empty"),
        (
            "sendMessage",
            json!({"chat_id": ada.chat, "text": "<b> </b>", "parse_mode": "HTML"}),
            "Bad Request: message text is empty",
        ),
        (
            "sendMessage",
            json!({"chat_id": ada.chat, "text": "<x>", "parse_mode": "html"}),
            "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 0",
        ),
        (
            "sendMessage",
            json!({"chat_id": ada.chat, "text": "x", "reply_parameters": {"message_id": 99}}),
            "Bad Request: message to be replied not found",
        ),
        ("sendPhoto", json!({"chat_id": ada.chat}), "Bad Request: there is no photo in the request"),
        (
            "sendPhoto",
            json!({"chat_id": ada.chat, "photo": "nothing"}),
            "Bad Request: wrong file identifier/HTTP URL specified",
        ),
        (
            "sendPhoto",
            json!({"chat_id": ada.chat, "photo": "https://gone.invalid/x"}),
            "Bad Request: failed to get HTTP URL content",
        ),
        (
            "sendLocation",
            json!({"chat_id": ada.chat, "latitude": 91, "longitude": 0}),
            "Bad Request: wrong latitude specified",
        ),
        (
            "sendContact",
            json!({"chat_id": ada.chat, "phone_number": "1"}),
            "Bad Request: first name must be non-empty",
        ),
        (
            "editMessageText",
            json!({"chat_id": ada.chat, "message_id": theirs, "text": "y"}),
            "Bad Request: message can't be edited",
        ),
        (
            "deleteMessage",
            json!({"chat_id": ada.chat, "message_id": 99}),
            "Bad Request: message to delete not found",
        ),
        (
            "setMessageReaction",
            json!({"chat_id": ada.chat, "message_id": theirs, "reaction": [{"type": "emoji", "emoji": "🥕"}]}),
            "Bad Request: REACTION_INVALID",
        ),
        (
            "sendChatAction",
            json!({"chat_id": ada.chat, "action": "dance"}),
            "Bad Request: wrong parameter action in request",
        ),
        (
            "answerCallbackQuery",
            json!({"callback_query_id": "1"}),
            "Bad Request: query is too old and response timeout expired or query ID is invalid",
        ),
        (
            "getFile",
            json!({"file_id": "x"}),
            "Bad Request: wrong file_id or the file is temporarily unavailable",
        ),
    ] {
        assert_eq!(caller.refusal(method, params.clone()).await, words, "{method} {params}");
    }
    assert_eq!(caller.bot.messages(ada.chat).len(), 1);
}

#[tokio::test]
async fn files_on_the_web_are_judged_by_what_lies_there() {
    let caller = Caller::new(Options { enforce_limits: false, ..Options::default() }).await;
    let ada = caller.bot.person("Ada");
    caller.bot.web_file("https://x.y/large.jpg", "photo", "image/jpeg", 6 << 20);
    caller.bot.web_file("https://x.y/page", "photo", "text/html", 100);
    caller.bot.web_file("https://x.y/moving.tgs", "sticker", "application/x-tgsticker", 100);
    for (method, field, url, words) in [
        ("sendPhoto", "photo", "https://x.y/large.jpg", "Bad Request: failed to get HTTP URL content"),
        ("sendPhoto", "photo", "https://x.y/page", "Bad Request: wrong type of the web page content"),
        (
            "sendSticker",
            "sticker",
            "https://x.y/moving.tgs",
            "Bad Request: animated sticker must be uploaded as an InputFile",
        ),
    ] {
        assert_eq!(caller.refusal(method, json!({"chat_id": ada.chat, field: url})).await, words);
    }
}

#[tokio::test]
async fn webhooks_want_https_a_known_port_and_a_plain_secret() {
    let caller = Caller::new(Options { http_webhooks: false, ..Options::default() }).await;
    for (params, words) in [
        (
            json!({"url": "http://x.y/"}),
            "Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
        ),
        (
            json!({"url": "https://x.y:444/"}),
            "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        ),
        (
            json!({"url": "https://x.y/", "secret_token": "a b"}),
            "Bad Request: secret token contains unallowed characters",
        ),
        (
            json!({"url": "https://x.y/", "secret_token": "a".repeat(257)}),
            "Bad Request: secret token is too long",
        ),
    ] {
        assert_eq!(caller.refusal("setWebhook", params).await, words);
    }
    let set = json!({"url": "https://x.invalid:8443/", "allowed_updates": ["message", "unheard_of"], "max_connections": 3});
    assert_eq!(caller.call("setWebhook", set).await.0, 200);
    // Left out, what was asked for before stays; what was not asked for is not kept.
    assert_eq!(caller.call("setWebhook", json!({"url": "https://x.invalid/"})).await.0, 200);
    let ada = caller.bot.person("Ada");
    let id = ada.writes("x");
    ada.edits(id, "y");
    let info = caller.call("getWebhookInfo", json!({})).await.1["result"].clone();
    assert_eq!(
        (info["url"].as_str(), info["pending_update_count"].as_u64()),
        (Some("https://x.invalid/"), Some(1))
    );
    assert!(info["allowed_updates"].as_array().unwrap().contains(&json!("message")));
    assert_eq!(caller.call("deleteWebhook", json!({"drop_pending_updates": true})).await.0, 200);
    assert_eq!(caller.bot.pending(), 0);
}

#[tokio::test]
async fn a_negative_offset_keeps_the_newest_and_one_far_ahead_means_nothing() {
    let caller = Caller::new(Options::default()).await;
    let ada = caller.bot.person("Ada");
    for n in 0..5 {
        ada.writes(&n.to_string());
    }
    let texts = |body: Value| -> Vec<String> {
        let updates = body["result"].as_array().unwrap().clone();
        updates.iter().map(|update| update["message"]["text"].as_str().unwrap().to_owned()).collect()
    };
    let two = caller.call("getUpdates", json!({"limit": 2})).await.1;
    assert_eq!(texts(two), ["0", "1"]);
    assert_eq!(texts(caller.call("getUpdates", json!({"offset": i64::MAX})).await.1).len(), 5);
    assert_eq!(texts(caller.call("getUpdates", json!({"offset": -2})).await.1), ["3", "4"]);
    assert_eq!(caller.bot.pending(), 2);
}
