//! The calls of the REST API.

use serde_json::{Value, json};

use super::Shared;
use super::answer::{Refusal, Reply, not_found, unauthorized, unknown_channel, unknown_message};
use super::check::{self, File};
use super::people::{attach, link, open};
use super::state::State;

/// A request, read.
pub(crate) struct Request {
    pub method: String,
    /// Below the API's version, decoded part by part.
    pub path: Vec<String>,
    pub authorization: String,
    pub body: Value,
    pub files: Vec<File>,
}

/// What is limited together: the kind of call and the channel.
pub(crate) fn bucket(request: &Request) -> String {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match path[..] {
        ["channels", chat, "messages", _, "reactions", ..] => format!("reactions/{chat}"),
        ["channels", chat, "messages", _] => format!("{} message/{chat}", request.method),
        ["channels", chat, what] => format!("{} {what}/{chat}", request.method),
        _ => format!("{} {}", request.method, path.first().unwrap_or(&"")),
    }
}

/// Carries a call out.
pub(crate) fn call(shared: &Shared, state: &mut State, request: &Request) -> Reply {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let method = request.method.as_str();
    // Interactions prove themselves by their keys.
    match (method, &path[..]) {
        ("POST", ["interactions", id, key, "callback"]) => return callback(state, id, key, &request.body),
        (_, ["webhooks", app, key, "messages", "@original"]) => {
            return original(state, method, app, key, &request.body);
        }
        _ => {}
    }
    if state.is_revoked || request.authorization != format!("Bot {}", state.token) {
        return Err(unauthorized());
    }
    match (method, &path[..]) {
        ("GET", ["users", "@me"]) => Ok(state.bot_user()),
        ("GET", ["applications", "@me"]) => Ok(json!({
            "id": state.app.to_string(), "name": "Shop", "verify_key": state.public_key, "flags": state.flags,
            "bot_public": true, "interactions_endpoint_url": null,
        })),
        ("GET", ["gateway", "bot"]) => Ok(json!({
            "url": shared.gateway_url, "shards": 1,
            "session_start_limit": { "total": 1000, "remaining": 999, "reset_after": 14_400_000, "max_concurrency": 1 },
        })),
        ("PUT", ["applications", app, "commands"] | ["applications", app, "guilds", _, "commands"]) => {
            if *app != state.app.to_string() {
                return Err(Refusal::new(
                    403,
                    20_012,
                    "You are not authorized to perform this action on this application",
                ));
            }
            register(state, &request.body)
        }
        ("POST", ["users", "@me", "channels"]) => direct(state, &request.body),
        (_, ["channels", chat, rest @ ..]) => {
            let chat: u64 = chat.parse().map_err(|_| {
                Refusal::invalid("channel_id", "NUMBER_TYPE_COERCE", "Value is not snowflake.")
            })?;
            if !state.chats.contains_key(&chat) {
                return Err(unknown_channel());
            }
            in_chat(shared, state, chat, method, rest, request)
        }
        _ => Err(not_found()),
    }
}

fn in_chat(
    shared: &Shared,
    state: &mut State,
    chat: u64,
    method: &str,
    rest: &[&str],
    request: &Request,
) -> Reply {
    match (method, rest) {
        ("POST", ["typing"]) => {
            state.chats.entry(chat).or_default().typing += 1;
            Ok(Value::Null)
        }
        ("POST", ["messages"]) => send(shared, state, chat, request),
        (_, ["messages", id, rest @ ..]) => {
            let id: u64 = id.parse().map_err(|_| unknown_message())?;
            let age = state.link_age;
            let bot = state.bot.to_string();
            let chat = state.chats.entry(chat).or_default();
            let message = chat.messages.get_mut(&id).ok_or_else(unknown_message)?;
            match (method, rest) {
                ("GET", []) => {
                    // Reading it gives links that lead somewhere.
                    for file in message["attachments"].as_array_mut().into_iter().flatten() {
                        let id = file["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
                        file["url"] = link(&shared.base, id, age).into();
                    }
                    Ok(message.clone())
                }
                ("PATCH", []) => edit(message, &bot, &request.body),
                ("DELETE", []) => {
                    if message["author"]["id"] != bot.as_str() && chat.guild.is_none() {
                        return Err(Refusal::new(403, 50_003, "Cannot execute action on a DM channel"));
                    }
                    chat.messages.remove(&id);
                    Ok(Value::Null)
                }
                (_, ["reactions", emoji, "@me"]) => react(message, method, emoji),
                _ => Err(not_found()),
            }
        }
        _ => Err(not_found()),
    }
}

fn send(shared: &Shared, state: &mut State, chat: u64, request: &Request) -> Reply {
    let body = &request.body;
    state.unknown_fields.extend(check::unknown(body));
    check::message(body, &request.files, true)?;
    let nonce = body["nonce"].as_str().filter(|_| body["enforce_nonce"] == true);
    if let Some((chat, id)) = nonce.and_then(|nonce| state.nonces.get(nonce))
        && let Some(message) = state.chats.get(chat).and_then(|chat| chat.messages.get(id))
    {
        return Ok(message.clone());
    }
    if state.chats.get(&chat).is_some_and(|chat| chat.is_closed) {
        return Err(Refusal::new(403, 50_007, "Cannot send messages to this user"));
    }
    let mut fields = json!({});
    for name in
        ["content", "nonce", "embeds", "components", "flags", "poll", "sticker_ids", "allowed_mentions"]
    {
        if let Some(value) = body.get(name) {
            fields[name] = value.clone();
        }
    }
    let reference = &body["message_reference"];
    if reference.is_object() {
        let id = reference["message_id"].as_str().and_then(|id| id.parse::<u64>().ok());
        let is_there =
            id.is_some_and(|id| state.chats.get(&chat).is_some_and(|chat| chat.messages.contains_key(&id)));
        if is_there {
            fields["type"] = 19.into();
            fields["message_reference"] = reference.clone();
        } else if reference["fail_if_not_exists"] != false {
            return Err(Refusal::invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message"));
        }
    }
    let mut attachments = Vec::new();
    for file in &request.files {
        let id = state.fresh();
        attachments.push(attach(state, &shared.base, id, &file.name, &file.mime, file.bytes.clone()));
    }
    fields["attachments"] = attachments.into();
    let author = state.bot_user();
    let message = state.post(chat, author, &fields);
    if let (Some(nonce), Some(id)) = (nonce, message["id"].as_str().and_then(|id| id.parse().ok())) {
        state.nonces.insert(nonce.to_owned(), (chat, id));
    }
    Ok(message)
}

fn edit(message: &mut Value, bot: &str, body: &Value) -> Reply {
    if message["author"]["id"] != bot {
        return Err(Refusal::new(403, 50_005, "Cannot edit a message authored by another user"));
    }
    check::message(body, &[], false)?;
    for name in ["content", "embeds", "components", "flags", "attachments"] {
        if let Some(value) = body.get(name) {
            message[name] = value.clone();
        }
    }
    message["edited_timestamp"] = "2024-06-11T00:01:00.000000+00:00".into();
    Ok(message.clone())
}

fn react(message: &mut Value, method: &str, emoji: &str) -> Reply {
    let (name, id) = emoji.split_once(':').map_or((emoji, None), |(name, id)| (name, Some(id)));
    let is_known = match id {
        Some(id) => !name.is_empty() && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()),
        None => !name.is_empty() && !name.is_ascii(),
    };
    if !is_known {
        return Err(Refusal::new(400, 10_014, "Unknown Emoji"));
    }
    let wanted = json!({ "id": id, "name": name });
    let mut reactions = message["reactions"].as_array().cloned().unwrap_or_default();
    reactions.retain(|reaction| reaction["emoji"] != wanted);
    match method {
        "PUT" => reactions.push(json!({ "emoji": wanted, "count": 1, "me": true })),
        "DELETE" => {}
        _ => return Err(Refusal::new(405, 0, "405: Method Not Allowed")),
    }
    message["reactions"] = reactions.into();
    Ok(Value::Null)
}

fn direct(state: &mut State, body: &Value) -> Reply {
    let person = body["recipient_id"].as_str().and_then(|id| id.parse::<u64>().ok());
    let person = person.filter(|person| state.people.contains_key(person));
    let person = person.ok_or_else(|| Refusal::new(400, 50_033, "Invalid Recipient(s)"))?;
    let id = open(state, person);
    Ok(json!({ "id": id.to_string(), "type": 1, "recipients": [state.person(person)] }))
}

fn register(state: &mut State, body: &Value) -> Reply {
    let commands = body.as_array().ok_or_else(|| Refusal::new(400, 50_035, "Invalid Form Body"))?;
    for (number, command) in commands.iter().enumerate() {
        let length = |name: &str| command[name].as_str().map_or(0, |text| text.chars().count());
        if !(1..=32).contains(&length("name")) {
            let place = format!("{number}.name");
            return Err(Refusal::invalid(
                &place,
                "BASE_TYPE_BAD_LENGTH",
                "Must be between 1 and 32 in length.",
            ));
        }
        let is_typed = command["type"].as_u64().unwrap_or(1) == 1;
        if is_typed && !(1..=100).contains(&length("description")) {
            let place = format!("{number}.description");
            return Err(Refusal::invalid(&place, "BASE_TYPE_REQUIRED", "This field is required"));
        }
    }
    state.commands = body.clone();
    Ok(body.clone())
}

fn callback(state: &mut State, id: &str, key: &str, body: &Value) -> Reply {
    let interaction = id.parse().ok().and_then(|id: u64| state.interactions.get_mut(&id));
    let interaction = interaction
        .filter(|interaction| interaction.token == key)
        .ok_or_else(|| Refusal::new(404, 10_062, "Unknown interaction"))?;
    if interaction.answer.is_some() {
        return Err(Refusal::new(400, 40_060, "Interaction has already been acknowledged."));
    }
    if !body["type"].as_u64().is_some_and(|kind| matches!(kind, 1 | 4..=9 | 12)) {
        return Err(Refusal::invalid(
            "type",
            "BASE_TYPE_CHOICES",
            "Value must be one of the callback types.",
        ));
    }
    interaction.original = (body["type"] == 5).then(|| json!({ "content": "is thinking…" }));
    interaction.answer = Some(body.clone());
    Ok(Value::Null)
}

fn original(state: &mut State, method: &str, app: &str, key: &str, body: &Value) -> Reply {
    let known = *app == state.app.to_string();
    let interaction = state.interactions.values_mut().find(|interaction| interaction.token == key);
    let interaction =
        interaction.filter(|_| known).ok_or_else(|| Refusal::new(401, 50_027, "Invalid Webhook Token"))?;
    if interaction.original.is_none() {
        return Err(unknown_message());
    }
    match method {
        "DELETE" => interaction.original = None,
        "PATCH" => interaction.original = Some(json!({ "content": body["content"] })),
        _ => {}
    }
    Ok(if method == "DELETE" { Value::Null } else { interaction.original.clone().unwrap_or_default() })
}
