//! What a webhook must show, whose it is, and where a person is led to connect.

use channel::{Channel, Credentials, Method, WebhookError, WebhookRequest, WebhookResponse, signature};
use serde_json::{Value, json};

use super::{SECRET, login, slack_at};

/// Slack's published example, signed with [`SECRET`]: time, body and signature.
const SIGNED_AT: i64 = 1_531_420_618;
const COMMAND: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
    channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
    response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
    trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

fn headers(signed_at: &str, signature: &str) -> Vec<(String, String)> {
    [("x-slack-request-timestamp", signed_at), ("x-slack-signature", signature)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn receive_at(now: i64, headers: &[(String, String)], body: &str) -> Result<WebhookResponse, WebhookError> {
    let request = WebhookRequest { method: Method::Post, headers, query: "", body: body.as_bytes() };
    let login = login();
    let own = Channel::receive(&slack_at(now), &login, &request);
    let shared = slack_at(now).apps().unwrap().receive(&login.credentials, &request);
    match (&own, &shared) {
        (Ok(own), Ok(shared)) => {
            assert!(own.events.iter().all(|event| event.account.is_none()), "the address says whose it is");
            assert_eq!(own.answer, shared.answer);
        }
        _ => assert_eq!(own, shared, "both addresses want the same proof"),
    }
    shared
}

fn signed(body: &str) -> Result<WebhookResponse, WebhookError> {
    let at = SIGNED_AT.to_string();
    let parts = [b"v0:", at.as_bytes(), b":", body.as_bytes()];
    let signature = format!("v0={}", signature::hmac_sha256_hex(SECRET.as_bytes(), &parts));
    receive_at(SIGNED_AT, &headers(&at, &signature), body)
}

#[test]
fn slacks_published_signature_is_believed_for_five_minutes() {
    let at = SIGNED_AT.to_string();
    let good = headers(&at, SIGNATURE);
    for now in [SIGNED_AT, SIGNED_AT + 300, SIGNED_AT - 300] {
        let response = receive_at(now, &good, COMMAND).unwrap();
        assert_eq!(response.events.len(), 1);
        assert_eq!(response.answer, None, "Slack reads an empty 200 as done");
        let told = &response.events[0];
        assert_eq!(
            told.dedupe_key,
            "slash_command:398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
        );
        assert_eq!(told.payload["command"], "/webhook-collect");
        assert!(told.payload["response_url"].as_str().unwrap().starts_with("https://hooks.slack.com/"));
        assert_eq!(told.payload.get("token"), None, "the old secret is not kept");
    }
    for now in [SIGNED_AT + 301, SIGNED_AT - 301, 0] {
        assert_eq!(receive_at(now, &good, COMMAND), Err(WebhookError::Signature), "{now}");
    }
    let changed = COMMAND.replace("roadrunner", "roadrunneR");
    let later = (SIGNED_AT + 1).to_string();
    for (headers, body) in [
        (Vec::new(), COMMAND),
        (good[..1].to_vec(), COMMAND),
        (good[1..].to_vec(), COMMAND),
        (good.clone(), changed.as_str()),
        (headers(&later, SIGNATURE), COMMAND),
        (headers("", SIGNATURE), COMMAND),
        (headers("soon", SIGNATURE), COMMAND),
        (headers(&at, ""), COMMAND),
        (headers(&at, &SIGNATURE.to_uppercase()), COMMAND),
        (headers(&at, SIGNATURE.strip_prefix("v0=").unwrap()), COMMAND),
    ] {
        assert_eq!(receive_at(SIGNED_AT, &headers, body), Err(WebhookError::Signature), "{headers:?}");
    }
}

#[test]
fn a_webhook_is_answered_split_and_belongs_to_somebody() {
    let answered = signed(r#"{"token":"x","challenge":"3eZbrw1aB1","type":"url_verification"}"#).unwrap();
    assert_eq!(answered.events, []);
    assert_eq!(answered.answer.unwrap().body, "3eZbrw1aB1");
    assert_eq!(signed("ssl_check=1&token=x"), Ok(WebhookResponse::default()));

    let form = |payload: &Value| {
        format!(
            "payload={}",
            form_urlencoded::byte_serialize(payload.to_string().as_bytes()).collect::<String>()
        )
    };
    let authorized = |authorization: Value| {
        json!({"type": "event_callback", "event_id": "Ev1", "team_id": "TELSEWHERE", "api_app_id": "A1",
               "authorizations": [authorization], "event": {"type": "message"}})
        .to_string()
    };
    for (body, key, account) in [
        (
            r#"{"type":"event_callback","event_id":"Ev1","team_id":"T1","api_app_id":"A1","event":{}}"#.to_owned(),
            "Ev1",
            Some("T1:A1"),
        ),
        (authorized(json!({"team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": false})), "Ev1", Some("T1:A1")),
        (authorized(json!({"team_id": null, "enterprise_id": "E1", "is_enterprise_install": true})), "Ev1", Some("E1:A1")),
        (
            form(&json!({"type": "block_actions", "trigger_id": "1.2.x", "api_app_id": "A1", "team": {"id": "T1"}})),
            "block_actions:1.2.x",
            Some("T1:A1"),
        ),
        (
            form(&json!({"type": "block_actions", "trigger_id": "1.2.x", "api_app_id": "A1", "team": null,
                         "is_enterprise_install": true, "enterprise": {"id": "E1"}})),
            "block_actions:1.2.x",
            Some("E1:A1"),
        ),
        (
            "command=%2Fx&trigger_id=1.2.x&team_id=T1&enterprise_id=E1&is_enterprise_install=true&api_app_id=A1".to_owned(),
            "slash_command:1.2.x",
            Some("E1:A1"),
        ),
    ] {
        let response = signed(&body).unwrap();
        let told = &response.events[0];
        assert_eq!((told.dedupe_key.as_str(), told.account.as_deref()), (key, account), "{body}");
    }
    let limited = |minute: u32| {
        signed(&format!(
            r#"{{"type":"app_rate_limited","minute_rate_limited":{minute},"team_id":"T1","api_app_id":"A1"}}"#
        ))
        .unwrap()
        .events[0]
            .dedupe_key
            .clone()
    };
    assert_eq!(limited(1), limited(1));
    assert_ne!(limited(1), limited(2));
    for malformed in ["", "{", "[]", "{}", "x=1", "payload=x", "payload=[]", r#"{"type":"url_verification"}"#]
    {
        assert_eq!(signed(malformed), Err(WebhookError::Malformed("Slack")), "{malformed}");
    }
}

#[test]
fn a_person_is_led_to_slack_with_the_apps_scopes() {
    let slack = slack_at(0);
    let oauth = slack.apps().unwrap().oauth().unwrap();
    let app = Credentials::default().with("app_client_id", "1.2").with("app_client_secret", "s3cret");
    let page = oauth.page(&app, "https://us.example/back?x=1", "st&te").unwrap();
    assert!(
        page.starts_with("https://slack.com/oauth/v2/authorize?client_id=1.2&scope=app_mentions%3Aread%2C")
    );
    assert!(page.ends_with("&redirect_uri=https%3A%2F%2Fus.example%2Fback%3Fx%3D1&state=st%26te"), "{page}");
    let error = oauth.page(&Credentials::default(), "https://us.example", "x").unwrap_err();
    assert!(error.message.contains("app_client_id"), "{error}");
}

#[test]
fn tokens_that_end_are_renewed_two_hours_before() {
    let slack = slack_at(0);
    let ends = Credentials::default().with("refresh_token", "xoxe-1").with("token_expires_at", "50000");
    let renewer = slack.refresher().unwrap();
    let renew_at = renewer.refresh_at(&ends).unwrap();
    assert_eq!(renew_at.as_micros(), (50_000 - 7_200) * 1_000_000);
    let lasts = Credentials::default().with("bot_token", "xoxb-1");
    assert_eq!(renewer.refresh_at(&lasts), None);
}

#[test]
fn mutilated_webhooks_break_nothing() {
    let event = r#"{"type":"event_callback","event_id":"Ev1","team_id":"T1","api_app_id":"A1","authorizations":[{"team_id":"T1","is_bot":true}],"event":{"type":"message","text":"&lt;<@U1|x>*a*"}}"#;
    let press = "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%221.2.x%22%7D&x=1";
    let slack = slack_at(SIGNED_AT);
    let mut read = 0;
    for body in [event, press, COMMAND] {
        for place in 0..body.len() {
            for odd in [0_u8, b'"', b'{', b'%', b'&', b'9', 0xff] {
                let mut bytes = body.as_bytes().to_vec();
                bytes[place] = odd;
                let at = SIGNED_AT.to_string();
                let parts = [b"v0:", at.as_bytes(), b":", bytes.as_slice()];
                let signature = format!("v0={}", signature::hmac_sha256_hex(SECRET.as_bytes(), &parts));
                let headers = headers(&at, &signature);
                let request =
                    WebhookRequest { method: Method::Post, headers: &headers, query: "", body: &bytes };
                if let Ok(response) = Channel::receive(&slack, &login(), &request) {
                    read += response.events.len();
                    for event in response.events {
                        let _ = slack.parse(&login().account, &event.payload);
                    }
                }
            }
        }
    }
    assert!(read > 500, "most of it is still a webhook: {read}");
}
