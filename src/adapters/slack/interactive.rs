//! What people do apart from writing: they press buttons, choose from lists, give commands. It has been answered by the
//! time it is read here; whoever wants to say more within half an hour finds a `response_url` in the event as it is kept.

use model::{Content, Inbound, InboundKind, Timestamp};
use serde_json::Value;

use super::blocks::{OPENS, SAYS, array};
use super::parse::{ignored, in_chat, person, text};
use super::{ids, mrkdwn, receive};

/// What such a payload means, by its `type`.
pub(super) fn payload(kind: &str, payload: &Value) -> Vec<Inbound> {
    match kind {
        receive::COMMAND => vec![command(payload)],
        "block_actions" | "interactive_message" => actions(kind, payload),
        "message_action" => vec![shortcut(payload)],
        // Forms and shortcuts that belong to no conversation, and kinds to come.
        other => vec![unplaced(payload, other)],
    }
}

/// `/weather 94070` is something that somebody said. Slack does not tell when.
fn command(payload: &Value) -> Inbound {
    let (Some(channel), Some(trigger), Some(command)) =
        (text(payload, "channel_id"), text(payload, "trigger_id"), text(payload, "command"))
    else {
        return unplaced(payload, receive::COMMAND);
    };
    let words = mrkdwn::words(text(payload, "text").unwrap_or_default());
    let kind = InboundKind::Message {
        provider_id: format!("command:{trigger}"),
        content: Content::text(format!("{command} {words}").trim()),
        reply_to: None,
        echo: false,
    };
    let from = text(payload, "user_id").map(|user| person(user, text(payload, "user_name")));
    let channel_type = (text(payload, "channel_name") == Some("directmessage")).then_some("im");
    Inbound {
        from,
        thread: text(payload, "thread_ts").filter(|ts| !ts.is_empty()).map(str::to_owned),
        ..in_chat(channel, channel_type, kind)
    }
}

/// Pressed buttons and chosen options, each an answer to the message that it stood under.
fn actions(kind: &str, payload: &Value) -> Vec<Inbound> {
    let place = payload.get("container").unwrap_or(&Value::Null);
    let message = payload.get("message").unwrap_or(&Value::Null);
    let channel = payload.get("channel").and_then(|channel| text(channel, "id"));
    let Some(channel) = channel.or_else(|| text(place, "channel_id")) else {
        // In a form or on the app's home page.
        return vec![unplaced(payload, kind)];
    };
    let ts =
        text(place, "message_ts").or_else(|| text(payload, "message_ts")).or_else(|| text(message, "ts"));
    let thread = text(message, "thread_ts").or_else(|| text(place, "thread_ts"));
    let thread = thread.filter(|thread| Some(*thread) != ts);
    let said = |(at, action): (usize, &Value)| {
        let id = text(action, "action_id").or_else(|| text(action, "name")).unwrap_or_default();
        if id.starts_with(OPENS) {
            return unplaced(payload, "opened link");
        }
        let when = text(action, "action_ts").or_else(|| text(payload, "action_ts"));
        let (data, title) = chosen(action);
        let content = match (id.starts_with(SAYS), data) {
            (true, Some(words)) => Content::text(words),
            (_, data) => Content::Callback { data: data.unwrap_or_else(|| id.to_owned()), title },
        };
        let when_or_trigger = when.or_else(|| text(payload, "trigger_id")).unwrap_or_default();
        let kind = InboundKind::Message {
            provider_id: format!("action:{when_or_trigger}:{at}"),
            content,
            reply_to: ts.map(str::to_owned),
            echo: false,
        };
        Inbound {
            thread: thread.map(str::to_owned),
            from: user(payload),
            at: when.map_or(Timestamp::ZERO, ids::time),
            ..in_chat(channel, None, kind)
        }
    };
    array(payload, "actions").iter().enumerate().map(said).collect()
}

/// What an action carries, and what was to be read on it.
fn chosen(action: &Value) -> (Option<String>, Option<String>) {
    let label = |option: &Value| text(option.get("text")?, "text").map(mrkdwn::words);
    let value = |option: &Value| text(option, "value").map(str::to_owned);
    let single = action.get("selected_option").filter(|option| option.is_object());
    if let Some(option) = single {
        return (value(option), label(option));
    }
    if action.get("selected_options").is_some() {
        let options = array(action, "selected_options");
        let all = |read: &dyn Fn(&Value) -> Option<String>| {
            Some(options.iter().filter_map(read).collect::<Vec<_>>().join(","))
        };
        return (all(&value), all(&label).filter(|labels| !labels.is_empty()));
    }
    let fields = [
        "value",
        "selected_user",
        "selected_channel",
        "selected_conversation",
        "selected_date",
        "selected_time",
        "selected_date_time",
    ];
    let found = fields.iter().find_map(|field| match action.get(*field)? {
        Value::String(value) => Some(value.clone()),
        Value::Number(value) => Some(value.to_string()),
        _ => None,
    });
    (found, label(action))
}

/// A shortcut of the app's, chosen from a message's menu.
fn shortcut(payload: &Value) -> Inbound {
    let place = payload.get("channel").and_then(|channel| text(channel, "id"));
    let message = payload.get("message").unwrap_or(&Value::Null);
    let (Some(channel), Some(callback)) = (place, text(payload, "callback_id")) else {
        return unplaced(payload, "message_action");
    };
    let when = text(payload, "action_ts");
    let id = text(payload, "trigger_id").or(when).unwrap_or_default();
    let kind = InboundKind::Message {
        provider_id: format!("action:{id}"),
        content: Content::Callback { data: callback.to_owned(), title: None },
        reply_to: text(message, "ts").map(str::to_owned),
        echo: false,
    };
    Inbound {
        from: user(payload),
        at: when.map_or(Timestamp::ZERO, ids::time),
        ..in_chat(channel, None, kind)
    }
}

fn user(payload: &Value) -> Option<model::Party> {
    let user = payload.get("user")?;
    Some(person(text(user, "id")?, text(user, "name").or_else(|| text(user, "username"))))
}

fn unplaced(payload: &Value, what: &str) -> Inbound {
    Inbound { from: user(payload), ..ignored(payload, what) }
}
