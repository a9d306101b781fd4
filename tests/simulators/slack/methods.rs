//! The methods: who may call them, what they take, what they do.

use serde_json::{Map, Value, json};

use super::state::{Bot, Call, Refusal, Reply, State};
use super::{Shared, chat, files, oauth};

/// Each method with its scope, whether it reads JSON, and its arguments.
const METHODS: &[(&str, &str, bool, &[&str])] = &[
    ("auth.test", "", true, &[]),
    ("bots.info", "users:read", false, &["bot", "team_id"]),
    (
        "chat.postMessage",
        "chat:write",
        true,
        &[
            "channel",
            "text",
            "blocks",
            "attachments",
            "thread_ts",
            "reply_broadcast",
            "unfurl_links",
            "unfurl_media",
            "mrkdwn",
            "metadata",
            "markdown_text",
            "username",
            "icon_url",
            "icon_emoji",
        ],
    ),
    (
        "chat.update",
        "chat:write",
        true,
        &["channel", "ts", "text", "blocks", "attachments", "markdown_text", "metadata"],
    ),
    ("chat.delete", "chat:write", true, &["channel", "ts"]),
    ("conversations.open", "im:write", true, &["users", "channel", "return_im"]),
    ("conversations.mark", "channels:write", true, &["channel", "ts"]),
    ("reactions.add", "reactions:write", true, &["channel", "timestamp", "name"]),
    ("reactions.remove", "reactions:write", true, &["channel", "timestamp", "name"]),
    ("reactions.get", "reactions:read", false, &["channel", "timestamp", "full"]),
    ("files.getUploadURLExternal", "files:write", false, &["filename", "length", "alt_txt", "snippet_type"]),
    (
        "files.completeUploadExternal",
        "files:write",
        true,
        &["files", "channel_id", "channels", "thread_ts", "initial_comment", "blocks"],
    ),
    ("files.info", "files:read", false, &["file"]),
    (
        "oauth.v2.access",
        "",
        false,
        &["client_id", "client_secret", "code", "redirect_uri", "grant_type", "refresh_token"],
    ),
];

pub(super) fn reads_json(method: &str) -> bool {
    METHODS.iter().any(|(name, _, json, _)| *name == method && *json)
}

/// What a call says that its method does not know.
pub(super) fn unknown(call: &Call) -> Vec<String> {
    let known = METHODS.iter().find(|(name, ..)| *name == call.method).map_or(&[][..], |(.., known)| *known);
    let strange = call.arguments.keys().filter(|name| !known.contains(&name.as_str()));
    strange.map(|name| format!("{}.{name}", call.method)).collect()
}

pub(super) fn call(
    shared: &Shared,
    state: &mut State,
    method: &str,
    token: Option<&str>,
    arguments: &Map<String, Value>,
) -> Reply {
    let Some((_, scope, ..)) = METHODS.iter().find(|(name, ..)| *name == method) else {
        return Err("unknown_method".into());
    };
    if method == "oauth.v2.access" {
        return oauth::access(state, arguments);
    }
    admit(&state.bot, token, scope)?;
    match method {
        "auth.test" => Ok(identity(&state.bot)),
        "bots.info" => match text(arguments, "bot") {
            Ok("BBOT00000") => {
                Ok(json!({ "bot": { "id": "BBOT00000", "app_id": "A024BE91L", "name": "shop" } }))
            }
            _ => Err("bot_not_found".into()),
        },
        "conversations.open" => {
            let user = text(arguments, "users")?;
            let Some(rest) = user.strip_prefix('U') else { return Err("user_not_found".into()) };
            let id = format!("D{rest}");
            state.rooms.entry(id.clone()).or_default();
            Ok(json!({ "channel": { "id": id } }))
        }
        "conversations.mark" => {
            let ts = text(arguments, "ts")?.to_owned();
            let room = chat::room(state, text(arguments, "channel")?)?;
            if !is_ts(&ts) {
                return Err("invalid_timestamp".into());
            }
            room.read_until = Some(ts);
            Ok(json!({}))
        }
        "chat.postMessage" => chat::post(shared, state, arguments),
        "chat.update" => chat::update(state, arguments),
        "chat.delete" => chat::delete(state, arguments),
        "reactions.add" => chat::add_reaction(state, arguments),
        "reactions.remove" => chat::remove_reaction(state, arguments),
        "reactions.get" => chat::reactions(state, arguments),
        "files.getUploadURLExternal" => files::place(shared, state, arguments),
        "files.completeUploadExternal" => files::complete(shared, state, arguments),
        _ => files::info(shared, state, arguments),
    }
}

fn admit(bot: &Bot, token: Option<&str>, scope: &str) -> Result<(), Refusal> {
    match token {
        None | Some("") => return Err("not_authed".into()),
        Some(token) if token != bot.token => return Err("invalid_auth".into()),
        Some(_) => {}
    }
    if let Some(word) = bot.standing {
        return Err(word.into());
    }
    if !scope.is_empty() && !bot.scopes.iter().any(|one| one == scope) {
        let provided = bot.scopes.join(",");
        return Err(Refusal::with("missing_scope", json!({ "needed": scope, "provided": provided })));
    }
    Ok(())
}

fn identity(bot: &Bot) -> Value {
    let mut me = json!({
        "url": "https://shop.slack.com/", "team": "Shop", "user": "shopbot",
        "team_id": "T024BE91L", "user_id": "UBOT00000", "is_enterprise_install": bot.everywhere,
    });
    if !bot.is_person {
        me["bot_id"] = "BBOT00000".into();
    }
    if bot.everywhere {
        me["enterprise_id"] = "E024BE91L".into();
    }
    if bot.tells_app {
        me["app_id"] = "A024BE91L".into();
    }
    me
}

/// The argument `name`, or the refusal for one that is missing.
pub(super) fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    arguments.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(|| {
        let hint = format!("[ERROR] missing required field: {name}");
        Refusal::with("invalid_arguments", json!({ "response_metadata": { "messages": [hint] } }))
    })
}

pub(super) fn is_ts(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, rest)| digits(seconds) && digits(rest) && rest.len() == 6)
}
