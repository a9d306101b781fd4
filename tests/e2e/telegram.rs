//! A Telegram conversation, the whole way in and out: real processes against a Bot API that checks every call, with
//! events delivered by webhook and with events that are asked for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::harness::{Api, Installation, until};
use tests::servers::{self, Postgres};
use tests::simulators::telegram::{BotHandle, Fault, Options, Person, Telegram};

use super::{BINARY, becomes, text};

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0 a photo";
const OGG: &[u8] = b"OggS a recording";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42 a film";
const MP3: &[u8] = b"ID3 a song";
const WEBP: &[u8] = b"RIFF\0\0\0\0WEBPVP8 a sticker";

macro_rules! every_way {
    ($($module:ident: $start:ident, $intake:literal;)+) => { $(
        mod $module {
            #[tokio::test(flavor = "multi_thread")]
            async fn a_conversation_arrives() {
                if let Some(stage) = super::Stage::$start($intake).await {
                    super::a_conversation_arrives(&stage).await;
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn each_content_kind_goes_out() {
                if let Some(stage) = super::Stage::$start($intake).await {
                    super::each_content_kind_goes_out(&stage).await;
                }
            }
        }
    )+ };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_somebody_else_set_is_taken_away_where_updates_are_asked_for() {
    let Some(stage) = Stage::embedded("poll").await else { return };
    let anna = stage.bot.person("Anna");
    let elsewhere = Api::new(stage.telegram.base_url(), "");
    let hook = json!({"url": "http://127.0.0.1:9/nobody"});
    let set = elsewhere.call("POST", &format!("/bot{}/setWebhook", stage.bot.token), &hook).await;
    assert_eq!(set.status, 200, "{set:?}");
    anna.writes("Anybody there?");
    until("people see what is wrong", async || {
        let status = stage.api().get(&format!("/v1/accounts/{}/status", stage.account)).await;
        status["owner"]["error"].as_str().filter(|error| error.contains("webhook is active")).map(drop)
    })
    .await;
    assert_eq!(stage.heard(|heard| !heard.is_empty()).await[0]["content"]["text"], "Anybody there?");
    assert_eq!(stage.bot.webhook(), None);
    until("nothing is wrong any more", async || {
        let status = stage.api().get(&format!("/v1/accounts/{}/status", stage.account)).await;
        status["owner"]["error"].is_null().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_down_fails_nothing_however_many_calls_it_met() {
    let Some(stage) = Stage::embedded("webhook").await else { return };
    let (api, account) = (stage.api(), &stage.account);
    let quick = json!({
        "pacing": {"failures": {"in_a_row": 5, "first_s": 0.2, "longest_s": 1}}, "i_accept_the_risk": true,
    });
    let changed = api.call("PATCH", &format!("/v1/accounts/{account}"), &quick).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    // Many calls at once meet it, and then some of those that try whether it is there again; too few for the breaker of
    // the host, which all accounts share.
    for _ in 0..16 {
        stage.bot.meets("sendMessage", Fault::Gateway(502));
    }
    let mut messages = Vec::new();
    for n in 0..12 {
        let person = stage.bot.person(&format!("Customer {n}"));
        let message = text(account, &person.chat.to_string(), "Hello.", "transactional");
        messages.push(api.post("/v1/messages", &message).await);
    }
    let is_alert = |event: &Value| event["kind"] == "account.alert" && event["data"]["reason"] == "breaker";
    let alert = api.event(is_alert).await;
    assert_eq!(alert["data"]["failures"], 5, "{alert}");
    for message in &messages {
        becomes(api, message["id"].as_str().unwrap(), &["sent"]).await;
    }
    let account = api.get(&format!("/v1/accounts/{account}")).await;
    assert_eq!((&account["failures_in_a_row"], &account["holds"]), (&json!(0), &json!([])), "{account}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_cannot_renew_stops_asking_and_goes_on_once_it_can() {
    if !servers::present("a store that is away") {
        return;
    }
    let mut postgres = Postgres::start();
    let telegram = Telegram::start(Options::default()).await;
    let vars = [("ROOKERY_TELEGRAM_URL", telegram.base_url()), ("DATABASE_URL", postgres.url())];
    let Some(installation) = Installation::fleet_with(BINARY, &vars).await else { return };
    let stage = Stage::connected(installation, telegram, "poll").await;
    let anna = stage.bot.person("Anna");
    postgres.kill();
    let away = Instant::now();
    until("nobody asks any more", async || (stage.bot.polling() == 0).then_some(())).await;
    assert!(away.elapsed() < Duration::from_secs(30), "the poll ended by itself, after {:?}", away.elapsed());
    anna.writes("Are you there?");
    postgres.restart();
    assert_eq!(stage.heard(|heard| !heard.is_empty()).await[0]["content"]["text"], "Are you there?");
    until("it was confirmed", async || (stage.bot.pending() == 0).then_some(())).await;
}

/// Updates of every kind, among them those that ship with the Telegram crates' own tests.
const EXAMPLES: [&str; 2] = [
    include_str!("../../src/adapters/telegram/fixtures/crates.json"),
    include_str!("../../src/adapters/telegram/fixtures/kinds.json"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_example_update_goes_in_by_webhook() {
    every_example_update_goes_in("webhook").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_update_goes_in_by_polling() {
    every_example_update_goes_in("poll").await;
}

async fn every_example_update_goes_in(intake: &str) {
    let Some(stage) = Stage::embedded(intake).await else { return };
    let mut told = 0;
    for examples in EXAMPLES {
        let examples: Vec<Value> = serde_json::from_str(examples).expect("a list of examples");
        for example in &examples {
            let update = example["update"].as_object().expect("an update");
            for (kind, body) in update.iter().filter(|(kind, _)| *kind != "update_id") {
                stage.bot.tell(kind, body.clone());
                told += 1;
            }
        }
    }
    assert!(told > 80, "{told} examples");
    until("every update was taken and read", async || {
        let queues = stage.api().try_get("/v1/queues").await?.body["data"].clone();
        let ingest = queues.as_array()?.iter().find(|queue| queue["queue"] == "ingest")?.clone();
        let idle = ingest["waiting"] == 0 && ingest["claimed"] == 0;
        (idle && stage.bot.pending() == 0).then_some(())
    })
    .await;
    let metrics = stage.api().text("/metrics").await.expect("an answer");
    assert_eq!(counted(&metrics, "what=\"unreadable\""), 0, "{metrics}");
    let messages = counted(&metrics, "what=\"message\"");
    assert!(messages > 40, "{messages} messages of {told} updates");
    let shown = stage.api().all(&format!("/v1/messages?account_id={}", stage.account)).await;
    assert_eq!(shown.len(), messages);
}

/// What the process counted of Telegram's events, those with this label.
fn counted(metrics: &str, label: &str) -> usize {
    let lines = metrics.lines().filter(|line| {
        line.starts_with("rookery_events_ingested_total") && line.contains("telegram") && line.contains(label)
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

every_way! {
    embedded_by_webhook: embedded, "webhook";
    embedded_by_polling: embedded, "poll";
    fleet_by_webhook: fleet, "webhook";
    fleet_by_polling: fleet, "poll";
}

/// An installation whose Telegram is the simulator, with one bot connected.
struct Stage {
    installation: Installation,
    telegram: Telegram,
    bot: BotHandle,
    account: String,
}

impl Stage {
    async fn embedded(intake: &str) -> Option<Self> {
        let telegram = Telegram::start(Options::default()).await;
        let vars = [("ROOKERY_TELEGRAM_URL", telegram.base_url())];
        let installation = Installation::embedded_with(BINARY, &vars).await;
        Some(Self::connected(installation, telegram, intake).await)
    }

    async fn fleet(intake: &str) -> Option<Self> {
        let telegram = Telegram::start(Options::default()).await;
        let vars = [("ROOKERY_TELEGRAM_URL", telegram.base_url())];
        let installation = Installation::fleet_with(BINARY, &vars).await?;
        Some(Self::connected(installation, telegram, intake).await)
    }

    async fn connected(installation: Installation, telegram: Telegram, intake: &str) -> Self {
        let bot = telegram.bot();
        let body = json!({
            "channel": "telegram", "credentials": {"bot_token": bot.token}, "intake": intake,
        });
        let account = installation.api().post("/v1/accounts", &body).await;
        assert_eq!(account["intake"], intake);
        assert_eq!(account["external_id"], bot.id().to_string());
        if intake == "poll" {
            assert_eq!(bot.webhook(), None);
            until("the bot is asked for its updates", async || (bot.polling() > 0).then_some(())).await;
        } else {
            let (url, secret) = bot.webhook().expect("a webhook is set");
            assert_eq!(account["webhook_url"], url);
            assert!(secret.is_some_and(|secret| secret.len() >= 32));
        }
        let account = account["id"].as_str().expect("it has an id").to_owned();
        Self { installation, telegram, bot, account }
    }

    fn api(&self) -> &Api {
        self.installation.api()
    }

    /// Sends content and gives the message as the Bot API has it, once it was taken.
    async fn sent(&self, person: &Person, content: &Value) -> Value {
        let mut body = text(&self.account, &person.chat.to_string(), "", "conversation");
        body["content"] = content.clone();
        let message = self.api().post("/v1/messages", &body).await;
        let message = becomes(self.api(), message["id"].as_str().expect("an id"), &["sent", "failed"]).await;
        assert_eq!(message["status"], "sent", "{message}");
        let messages = self.bot.messages(person.chat);
        let same = |there: &&Value| {
            message["provider_id"].as_str() == Some(there["message_id"].to_string().as_str())
        };
        messages.iter().find(same).unwrap_or_else(|| panic!("{message} is not in {messages:?}")).clone()
    }

    /// What came from the other side, oldest first, once `done` says so.
    async fn heard(&self, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        // The API may be away for a while.
        let path = format!("/v1/messages?account_id={}&limit=200", self.account);
        let mut last = Vec::new();
        until("everything arrived", async || {
            let answer = self.api().try_get(&path).await?;
            answer.body["data"].as_array()?.clone_into(&mut last);
            last.retain(|message| message["direction"] == "inbound");
            last.sort_by_key(|message| message["id"].as_str().map(str::to_owned));
            done(&last).then(|| last.clone())
        })
        .await
    }
}

fn of_type<'a>(messages: &'a [Value], kind: &str) -> Vec<&'a Value> {
    messages.iter().filter(|message| message["content"]["type"] == kind).collect()
}

async fn a_conversation_arrives(stage: &Stage) {
    let anna = stage.bot.person("Anna");
    let first = anna.writes("Is this the shop?");
    let question = json!({
        "type": "text", "text": "It is. Shall we call you?", "buttons": [[{"title": "Yes", "data": "call"}]],
    });
    let asked = stage.sent(&anna, &question).await;
    let asked_id = asked["message_id"].as_i64().unwrap();
    assert_eq!(asked["reply_markup"]["inline_keyboard"][0][0]["callback_data"], "call");

    anna.sends("photo", JPEG, Some("This one."));
    anna.sends("voice", OGG, None);
    anna.sends("sticker", WEBP, None);
    anna.sends_location(52.52, 13.405);
    anna.answers(asked_id, "Tomorrow, please.");
    let pressed = anna.presses(asked_id, "call");
    anna.edits(first, "Is this the bird shop?");
    anna.reacts(asked_id, &["👍"]);

    let heard = stage.heard(|heard| {
        heard.len() >= 7 && heard.iter().any(|message| message["content"]["text"] == "Is this the bird shop?")
    });
    let heard = heard.await;
    assert_eq!(heard.len(), 7, "{heard:#?}");
    let one = |kind: &str| {
        let found = of_type(&heard, kind);
        assert_eq!(found.len(), 1, "{kind} in {heard:#?}");
        found[0].clone()
    };
    let (photo, voice, sticker) = (one("image"), one("voice"), one("sticker"));
    assert_eq!(photo["content"]["caption"], "This one.");
    assert_eq!(sticker["content"]["emoji"], "🦊");
    for (message, bytes) in [(&photo, JPEG), (&voice, OGG), (&sticker, WEBP)] {
        stored(stage, message, bytes).await;
    }
    let place = one("location");
    assert_eq!(
        (&place["content"]["latitude"], &place["content"]["longitude"]),
        (&json!(52.52), &json!(13.405))
    );
    let callback = one("callback");
    assert_eq!(
        (&callback["content"]["data"], &callback["content"]["title"]),
        (&json!("call"), &json!("Yes"))
    );
    until("the button spins no more", async || stage.bot.callback_answer(&pressed).map(drop)).await;

    let texts = of_type(&heard, "text");
    let edited = texts.iter().find(|message| message["content"]["text"] == "Is this the bird shop?").unwrap();
    assert!(edited["edited_at"].is_string(), "{edited}");
    let reply = texts.iter().find(|message| message["content"]["text"] == "Tomorrow, please.").unwrap();
    let ours = until("the reaction arrived", async || {
        let message = stage.api().get(&format!("/v1/messages/{}", reply["reply_to"].as_str()?)).await;
        (message["reactions"][0]["emoji"] == "👍").then_some(message)
    })
    .await;
    assert_eq!(ours["provider_id"], asked_id.to_string());
    assert_eq!(ours["reactions"][0]["by"], anna.id.to_string());

    let conversations = stage.api().all("/v1/conversations").await;
    assert_eq!(conversations.len(), 1, "{conversations:#?}");
    assert_eq!(conversations[0]["address"], anna.chat.to_string());
    assert_eq!(conversations[0]["unread_count"], 7);
    let contact = conversations[0]["contact_id"].as_str().unwrap();
    let contact = stage.api().get(&format!("/v1/contacts/{contact}")).await;
    assert_eq!(contact["name"], "Anna");
    until("every update was confirmed", async || (stage.bot.pending() == 0).then_some(())).await;
    assert_eq!(stage.bot.unknown_parameters(), Vec::<String>::new());
}

/// The file of a message was fetched and is kept.
async fn stored(stage: &Stage, message: &Value, bytes: &[u8]) {
    let id =
        message["content"]["media"]["media_id"].as_str().unwrap_or_else(|| panic!("no file in {message}"));
    let file = until("a file is stored", async || {
        let file = stage.api().get(&format!("/v1/media/{id}")).await;
        assert_ne!(file["state"], "failed", "{file}");
        (file["state"] == "stored").then_some(file)
    })
    .await;
    assert_eq!((&file["size"], &file["message_id"]), (&json!(bytes.len()), &message["id"]));
}

async fn each_content_kind_goes_out(stage: &Stage) {
    let ben = stage.bot.person("Ben");
    let markdown =
        stage.sent(&ben, &json!({"type": "text", "format": "markdown", "text": "**Good** day"})).await;
    assert_eq!((&markdown["text"], &markdown["entities"][0]["type"]), (&json!("Good day"), &json!("bold")));
    for (kind, field, mime, bytes) in [
        ("image", "photo", "image/jpeg", JPEG),
        ("video", "video", "video/mp4", MP4),
        ("audio", "audio", "audio/mpeg", MP3),
        ("voice", "voice", "audio/ogg", OGG),
        ("document", "document", "text/plain", b"a file"),
        ("sticker", "sticker", "image/webp", WEBP),
    ] {
        let url = format!("https://files.example/{kind}");
        let sent = stage.sent(&ben, &json!({"type": kind, "media": {"url": url}})).await;
        assert!(sent.get(field).is_some(), "{kind}: {sent}");

        let file = stage.api().post_bytes("/v1/media?name=file", mime, bytes.to_vec()).await;
        assert_eq!(file.status, 201, "{file:?}");
        let sent = stage.sent(&ben, &json!({"type": kind, "media": {"media_id": file.body["id"]}})).await;
        let file = if field == "photo" { &sent["photo"][1] } else { &sent[field] };
        let there = file["file_id"].as_str().and_then(|id| stage.bot.file(id));
        assert_eq!(there.as_deref(), Some(bytes), "{kind}: {sent}");
    }
    let place = json!({"type": "location", "latitude": 48.2, "longitude": 16.37, "name": "Shop", "address": "Ring 1"});
    let venue = stage.sent(&ben, &place).await;
    assert_eq!((&venue["venue"]["title"], &venue["location"]["latitude"]), (&json!("Shop"), &json!(48.2)));
    let card = json!({"type": "contacts", "contacts": [{"name": "Carla", "phones": ["+43 1 2345"]}]});
    let card = stage.sent(&ben, &card).await;
    assert_eq!(card["contact"]["first_name"], "Carla");
    assert_eq!(stage.bot.unknown_parameters(), Vec::<String>::new());

    // Whoever takes the token back stops the account; messages say what they wait for.
    stage.bot.revoke();
    let path = format!("/v1/accounts/{}", stage.account);
    if stage.api().get(&path).await["intake"] == "poll" {
        // A poll that waits is answered once something happens.
        ben.writes("Who are you?");
        until("the owner found out", async || {
            (stage.api().get(&path).await["connection"] == "error").then_some(())
        })
        .await;
    }
    let waiting = text(&stage.account, &ben.chat.to_string(), "Still there?", "conversation");
    let waiting = stage.api().post("/v1/messages", &waiting).await;
    let id = waiting["id"].as_str().unwrap();
    let message = until("the message says why it waits", async || {
        let message = stage.api().get(&format!("/v1/messages/{id}")).await;
        ["stopped", "disconnected"].contains(&message["waiting"]["rule"].as_str()?).then_some(message)
    })
    .await;
    assert!(
        message["waiting"]["detail"].as_str().is_some_and(|why| why.contains("token_revoked")),
        "{message}"
    );
}
