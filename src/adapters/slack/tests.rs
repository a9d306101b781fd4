//! The channel without a network: what it makes of events.

mod webhooks;

use std::fmt::Write;
use std::sync::Arc;

use channel::{Channel, Credentials, Login};
use model::{Account, Content, Inbound, InboundKind, ManualClock, NoticeEffect, Timestamp};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::Slack;
use crate::AdaptersConfig;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn slack_at(seconds: i64) -> Slack {
    let mut config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap());
    config.clock = Arc::new(ManualClock::new(Timestamp::from_micros(seconds * 1_000_000)));
    Slack::new(&config)
}

fn account(settings: &Value) -> Account {
    serde_json::from_value(json!({
        "id": "018f0000-0000-7000-8000-000000000001",
        "workspace_id": "018f0000-0000-7000-8000-000000000002",
        "channel": "slack", "name": "Shop", "external_id": "T024BE91L:A024BE91L", "settings": settings,
        "intake": "webhook", "connection": "connected", "connection_detail": null, "sending": "active",
        "sending_reason": null, "sending_until": null, "holds": [], "failures_in_a_row": 0, "timezone": "UTC",
        "pacing": {}, "pace_scale": 1.0, "redelivery": "at_least_once", "first_connected_at": null,
        "registered_at": null, "campaigns_resumed_at": null,
        "created_at": "1970-01-01T00:00:00Z", "updated_at": "1970-01-01T00:00:00Z",
    }))
    .unwrap()
}

/// The account of the bot `UBOT00000`, which is the bot `BBOT00000` of the app `A024BE91L`.
fn bot() -> Account {
    account(&json!({"bot_user_id": "UBOT00000", "bot_id": "BBOT00000", "slack_app_id": "A024BE91L"}))
}

fn login() -> Login {
    let credentials =
        Credentials::default().with("bot_token", "xoxb-t0ken").with("app_signing_secret", SECRET);
    Login { account: bot(), credentials }
}

fn parse(payload: &Value) -> Vec<Inbound> {
    slack_at(0).parse(&bot(), payload).unwrap()
}

fn event(event: &Value) -> Vec<Inbound> {
    parse(&json!({"type": "event_callback", "api_app_id": "A024BE91L", "event": event, "event_time": 7}))
}

/// An event in one line.
fn line(inbound: &Inbound) -> String {
    let mut line =
        format!("{} {}", inbound.chat_kind, if inbound.chat.is_empty() { "-" } else { &inbound.chat });
    if let Some(thread) = &inbound.thread {
        let _ = write!(line, " thread {thread}");
    }
    if let Some(from) = &inbound.from {
        let _ = write!(line, " from {}", from.address);
        let _ = from.name.as_ref().map(|name| write!(line, " `{name}`"));
    }
    let _ = write!(line, " at {}: ", inbound.at.as_micros() / 1_000_000);
    let _ = match &inbound.kind {
        InboundKind::Message { provider_id, content, reply_to, .. } => {
            let reply = reply_to.as_ref().map(|id| format!(" answers {id}")).unwrap_or_default();
            write!(line, "message {provider_id}{reply} {}", said(content))
        }
        InboundKind::Edited { provider_id, content } => {
            write!(line, "edited {provider_id} {}", said(content))
        }
        other => write!(line, "{}", serde_json::to_string(other).unwrap()),
    };
    line
}

fn said(content: &Content) -> String {
    match content {
        Content::Unsupported { kind, .. } => format!("unsupported {kind}"),
        content => serde_json::to_string(content).unwrap(),
    }
}

/// Fills in what the samples leave blank.
fn fill(value: &mut Value, key: &str) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| fill(value, key)),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, key)),
        Value::String(text) if text.is_empty() || text == "0000000000.000000" => {
            let filled = match key {
                "channel" | "channel_id" => "C024BE91L",
                "old_channel_id" => "G012Y48650T",
                "new_channel_id" => "C012Y48650U",
                "user" | "user_id" => "U024BE7LH",
                "bot_id" => "B024BE91L",
                "ts" | "event_ts" | "deleted_ts" => "1710000000.000200",
                "thread_ts" => "1710000000.000100",
                "text" => "words",
                "id" => "F024BE91L",
                "mimetype" => "image/png",
                "reaction" => "tada",
                "bot" | "oauth" => "UBOT00000",
                "team_id" => "T024BE91L",
                "event_id" => "Ev024BE91L",
                _ => return,
            };
            filled.clone_into(text);
        }
        _ => {}
    }
}

/// Slack's own samples of events, by name.
fn samples() -> Option<Vec<(String, Value)>> {
    let folder = std::fs::read_dir(crate::shared_fixtures::path("slack/events")?).unwrap();
    let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
    files.sort();
    let sample = |file: &std::path::PathBuf| {
        let name = file.file_name()?.to_str()?.strip_suffix("Payload.json")?.to_owned();
        Some((name, serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()))
    };
    Some(files.iter().map(|file| sample(file).unwrap()).collect())
}

#[test]
fn samples_of_slacks_own_sdk_mean_what_they_should() {
    let Some(samples) = samples() else { return };
    let mut got = String::new();
    for (name, mut sample) in samples {
        // As they are: blank, and nothing breaks.
        let _ = parse(&sample);
        fill(&mut sample, "");
        for inbound in parse(&sample) {
            let _ = writeln!(got, "{name}: {}", line(&inbound));
        }
    }
    let expected = include_str!("meanings.txt");
    for (got, expected) in got.lines().zip(expected.lines()) {
        assert_eq!(got, expected);
    }
    assert_eq!(got, expected);
}

#[test]
fn messages_of_every_kind_mean_what_they_should() {
    let message = |more: Value| {
        let mut message = json!({
            "type": "message", "channel": "D024BE91L", "channel_type": "im", "user": "U024BE7LH",
            "text": "a &amp; b", "ts": "1710000000.000200", "event_ts": "1710000001.000000",
        });
        message.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        event(&message).iter().map(line).collect::<Vec<_>>().join(" | ")
    };
    let direct = "direct D024BE91L from U024BE7LH at 1710000000: message 1710000000.000200";
    for (more, expected) in [
        (json!({}), format!("{direct} {{\"type\":\"text\",\"text\":\"a & b\"}}")),
        (
            json!({"subtype": "me_message"}),
            format!("{direct} {{\"type\":\"text\",\"text\":\"_a & b_\",\"format\":\"markdown\"}}"),
        ),
        (
            json!({"thread_ts": "1700000000.000100", "subtype": "thread_broadcast"}),
            "direct D024BE91L thread 1700000000.000100 from U024BE7LH at 1710000000: \
             message 1710000000.000200 answers 1700000000.000100 {\"type\":\"text\",\"text\":\"a & b\"}"
                .to_owned(),
        ),
        // The first message of its own thread.
        (
            json!({"thread_ts": "1710000000.000200", "channel": "C1", "channel_type": "channel"}),
            "group C1 from U024BE7LH at 1710000000: message 1710000000.000200 \
             {\"type\":\"text\",\"text\":\"a & b\"}"
                .to_owned(),
        ),
        (
            json!({"text": "", "files": [
                {"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 7},
                {"id": "F2", "name": "b.pdf", "mimetype": "application/pdf"},
                {"id": "F3", "mimetype": "audio/webm", "subtype": "slack_audio"},
                {"id": "F4", "mode": "tombstone"},
                {"id": "F5", "title": "Plan", "is_external": true, "external_url": "https://drive.example/x"},
                {"id": "F6", "mode": "file_access", "file_access": "check_file_info"},
            ]}),
            [
                format!("{direct} {{\"type\":\"image\",\"media\":{{\"provider_ref\":\"F1\",\"mime\":\"image/png\",\"name\":\"a.png\",\"size\":7}}}}"),
                format!("{direct}:F2 {{\"type\":\"document\",\"media\":{{\"provider_ref\":\"F2\",\"mime\":\"application/pdf\",\"name\":\"b.pdf\"}}}}"),
                format!("{direct}:F3 {{\"type\":\"voice\",\"media\":{{\"provider_ref\":\"F3\",\"mime\":\"audio/webm\"}}}}"),
                format!("{direct}:F4 unsupported file that is gone"),
                format!("{direct}:F5 {{\"type\":\"text\",\"text\":\"Plan\\nhttps://drive.example/x\"}}"),
                format!("{direct}:F6 {{\"type\":\"document\",\"media\":{{\"provider_ref\":\"F6\"}}}}"),
            ]
            .join(" | "),
        ),
        // Another bot is somebody; so is another app.
        (
            json!({"subtype": "bot_message", "user": null, "bot_id": "B1", "username": "CI", "app_id": "A1",
                   "text": "", "attachments": [{"fallback": "build failed"}]}),
            "direct D024BE91L from B1 `CI` at 1710000000: message 1710000000.000200 \
             {\"type\":\"text\",\"text\":\"build failed\"}"
                .to_owned(),
        ),
        (json!({"text": ""}), format!("{direct} unsupported empty message")),
    ] {
        assert_eq!(message(more), expected);
    }
    for (own, what) in [
        (json!({"bot_id": "BBOT00000"}), "own message"),
        (json!({"user": "UBOT00000"}), "own message"),
        (json!({"bot_id": "B2", "app_id": "A024BE91L"}), "own message"),
        (json!({"bot_id": "B2", "bot_profile": {"app_id": "A024BE91L"}}), "own message"),
        (json!({"subtype": "channel_join"}), "message channel_join"),
        (json!({"subtype": "message_replied"}), "message message_replied"),
        (json!({"subtype": "tabbed_canvas_updated"}), "message tabbed_canvas_updated"),
    ] {
        assert!(message(own).ends_with(&format!("{{\"kind\":\"ignored\",\"what\":\"{what}\"}}")), "{what}");
    }
}

#[test]
fn an_account_that_does_not_know_its_bot_reads_it_from_the_event() {
    let payload = json!({
        "type": "event_callback",
        "authorizations": [{"user_id": "UBOT00000", "is_bot": true}],
        "event": {"type": "message", "channel": "C1", "user": "UBOT00000", "text": "hi", "ts": "1.000001"},
    });
    let parsed = slack_at(0).parse(&account(&json!({})), &payload).unwrap();
    assert!(matches!(&parsed[0].kind, InboundKind::Ignored { what } if what == "own message"));
}

#[test]
fn changes_are_told_from_previews() {
    let changed = |now: Value, before: Value| {
        let mut told = event(&json!({
            "type": "message", "subtype": "message_changed", "channel": "D1", "event_ts": "1710000009.000000",
            "message": now, "previous_message": before,
        }));
        assert_eq!(told.len(), 1);
        told.remove(0)
    };
    let said = |text: &str| json!({"user": "U024BE7LH", "ts": "1710000000.000200", "text": text});
    let edited = json!({"user": "U024BE7LH", "ts": "1710000000.000200", "text": "b",
                        "edited": {"user": "U024BE7LH", "ts": "1710000005.000000"}});
    let found = changed(edited.clone(), said("a"));
    assert_eq!(
        line(&found),
        "direct D1 from U024BE7LH at 1710000005: edited 1710000000.000200 {\"type\":\"text\",\"text\":\"b\"}"
    );
    assert!(matches!(changed(said("b"), said("a")).kind, InboundKind::Edited { .. }), "an app's edit");
    for (now, before) in [(said("a"), said("a")), (edited.clone(), edited), (said("a"), Value::Null)] {
        let told = changed(now.clone(), before);
        assert!(matches!(told.kind, InboundKind::Ignored { .. }), "a preview: {now}");
    }
    let tombstone =
        json!({"subtype": "tombstone", "ts": "1710000000.000200", "text": "This message was deleted."});
    assert_eq!(
        changed(tombstone, said("a")).kind,
        InboundKind::Deleted { provider_id: "1710000000.000200".to_owned() }
    );
    let deleted = event(&json!({
        "type": "message", "subtype": "message_deleted", "channel": "D1", "deleted_ts": "1710000000.000200",
        "event_ts": "1710000009.000000", "previous_message": {"files": [{"id": "F1"}, {"id": "F2"}]},
    }));
    let gone: Vec<_> = deleted.into_iter().map(|inbound| inbound.kind).collect();
    let id = |id: &str| InboundKind::Deleted { provider_id: id.to_owned() };
    assert_eq!(gone, [id("1710000000.000200"), id("1710000000.000200:F2")]);
}

#[test]
fn reactions_moves_and_the_end() {
    let reaction = |kind: &str, user: &str, name: &str| {
        let item = json!({"type": "message", "channel": "C1", "ts": "1710000000.000200"});
        let told = json!({"type": kind, "user": user, "reaction": name, "item": item, "event_ts": "1710000003.0001"});
        event(&told).remove(0)
    };
    let added = reaction("reaction_added", "U024BE7LH", "+1::skin-tone-2");
    assert_eq!(
        line(&added),
        "group C1 from U024BE7LH at 1710000003: {\"kind\":\"reacted\",\"provider_id\":\"1710000000.000200\",\"emoji\":[\"👍🏻\"]}"
    );
    let removed = reaction("reaction_removed", "U024BE7LH", "tada");
    assert!(matches!(removed.kind, InboundKind::Reacted { emoji, .. } if emoji.is_empty()));
    assert!(matches!(reaction("reaction_added", "UBOT00000", "tada").kind, InboundKind::Ignored { .. }));

    let revoked = |tokens: Value| event(&json!({"type": "tokens_revoked", "tokens": tokens})).remove(0).kind;
    let stopped = NoticeEffect::Stopped { reason: "token_revoked".to_owned(), until: None };
    assert!(matches!(
        revoked(json!({"bot": ["UBOT00000"]})),
        InboundKind::AccountNotice { effect, .. } if effect == stopped
    ));
    assert!(matches!(revoked(json!({"oauth": ["U1"], "bot": ["UOTHER000"]})), InboundKind::Ignored { .. }));
    let removed = event(&json!({"type": "app_uninstalled"})).remove(0);
    assert_eq!(removed.at, Timestamp::from_micros(7_000_000));
    assert!(matches!(removed.kind, InboundKind::AccountNotice { effect, .. } if effect == stopped));
    let limited = parse(&json!({"type": "app_rate_limited", "minute_rate_limited": 60, "team_id": "T1"}));
    assert!(matches!(
        &limited[0].kind,
        InboundKind::AccountNotice { effect: NoticeEffect::None, what, .. } if what == "app_rate_limited"
    ));
}

#[test]
fn what_people_press_choose_and_command_is_something_they_said() {
    let pressed = |actions: Value| {
        let told = parse(&json!({
            "type": "block_actions", "trigger_id": "1.2.x", "api_app_id": "A1",
            "user": {"id": "U024BE7LH", "username": "ada"}, "channel": {"id": "D1"},
            "container": {"type": "message", "message_ts": "1710000000.000200", "channel_id": "D1"},
            "message": {"ts": "1710000000.000200", "thread_ts": "1700000000.000100"},
            "actions": actions, "response_url": "https://hooks.slack.com/actions/T1/1/x",
        }));
        told.iter().map(line).collect::<Vec<_>>().join(" | ")
    };
    let said = "direct D1 thread 1700000000.000100 from U024BE7LH `ada` at 1710000007: \
                message action:1710000007.500000:0 answers 1710000000.000200";
    let option =
        |text: &str, value: &str| json!({"text": {"type": "plain_text", "text": text}, "value": value});
    for (mut action, expected) in [
        (
            json!({"action_id": "carries:0.0", "value": "yes", "text": {"type": "plain_text", "text": "Yes :tada:"}}),
            r#"{"type":"callback","data":"yes","title":"Yes 🎉"}"#,
        ),
        (json!({"action_id": "says:0.0", "value": "No"}), r#"{"type":"text","text":"No"}"#),
        (
            json!({"action_id": "chooses", "type": "static_select", "selected_option": option("Tea", "tea")}),
            r#"{"type":"callback","data":"tea","title":"Tea"}"#,
        ),
        (
            json!({"action_id": "c", "selected_options": [option("A", "a"), option("B", "b")]}),
            r#"{"type":"callback","data":"a,b","title":"A,B"}"#,
        ),
        (
            json!({"action_id": "d", "selected_date": "2026-11-20"}),
            r#"{"type":"callback","data":"2026-11-20"}"#,
        ),
        (json!({"action_id": "bare"}), r#"{"type":"callback","data":"bare"}"#),
    ] {
        action["action_ts"] = "1710000007.500000".into();
        assert_eq!(pressed(json!([action])), format!("{said} {expected}"));
    }
    assert!(pressed(json!([{"action_id": "opens:0.0"}])).contains("opened link"));

    let command = parse(&json!({
        "type": "slash_command", "command": "/weather", "text": "94070 &amp; <@U1|bob>", "channel_id": "C1",
        "channel_name": "general", "user_id": "U024BE7LH", "user_name": "ada", "trigger_id": "1.2.x",
    }));
    assert_eq!(
        line(&command[0]),
        "group C1 from U024BE7LH `ada` at 0: message command:1.2.x {\"type\":\"text\",\"text\":\"/weather 94070 & @bob\"}"
    );
    let shortcut = parse(&json!({
        "type": "message_action", "callback_id": "ticket", "trigger_id": "1.2.x", "channel": {"id": "C1"},
        "user": {"id": "U024BE7LH", "name": "ada"}, "message": {"ts": "1710000000.000200"},
    }));
    assert_eq!(
        line(&shortcut[0]),
        "group C1 from U024BE7LH `ada` at 0: message action:1.2.x answers 1710000000.000200 {\"type\":\"callback\",\"data\":\"ticket\"}"
    );
    for other in ["view_submission", "view_closed", "shortcut", "block_suggestion", "of_next_year"] {
        let told = parse(&json!({"type": other, "user": {"id": "U024BE7LH"}}));
        assert_eq!(told[0].kind, InboundKind::Ignored { what: other.to_owned() });
    }
}

#[test]
fn what_is_no_event_is_an_error_that_does_not_quote_it() {
    for payload in [json!([]), json!({}), json!({"text": "private words"}), json!({"type": ["private"]})] {
        let error = slack_at(0).parse(&bot(), &payload).unwrap_err();
        assert!(!error.to_string().contains("private"), "{error}");
    }
}

#[test]
fn no_secret_shows_in_debug_output() {
    let shown = format!("{:?} {:?}", slack_at(0), login());
    assert!(!shown.contains("t0ken") && !shown.contains(SECRET), "{shown}");
}

#[test]
fn mutilated_events_break_nothing() {
    let Some(samples) = samples() else { return };
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(""),
        json!("1710000000.\u{1f44d}"),
        json!([[]]),
        json!({"a": 1}),
    ];
    let slack = slack_at(0);
    let mut tried = 0;
    for (_, mut sample) in samples {
        fill(&mut sample, "");
        let places = places(&sample);
        for (turn, place) in places.iter().enumerate().take(400) {
            let mut payload = sample.clone();
            *payload.pointer_mut(place).unwrap() = odd[turn % odd.len()].clone();
            let _ = slack.parse(&bot(), &payload);
            tried += 1;
        }
    }
    assert!(tried > 3_000, "{tried}");
}

/// The JSON pointer of everything within.
fn places(value: &Value) -> Vec<String> {
    let within = |key: String, value: &Value| {
        let inner = places(value).into_iter().map(|place| format!("/{key}{place}"));
        std::iter::once(format!("/{key}")).chain(inner).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(key, value)| within(key.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(at, item)| within(at.to_string(), item)).collect()
        }
        _ => Vec::new(),
    }
}
