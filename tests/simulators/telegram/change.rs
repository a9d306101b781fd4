//! The methods that change what is in a chat: edits, deletions, reactions; and those that only show something.

use serde_json::Value;

use super::answer::{Refusal, Reply, bad_request};
use super::params::Params;
use super::send::{formatted, words};
use super::state::{Bot, DONE};
use super::text::Formatted;
use super::{markup, methods};

/// What a bot may react with: the type `ReactionTypeEmoji` of the Bot API.
pub const REACTIONS: &str = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 \
    🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡";

const ACTIONS: &[&str] = &[
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// Carries out a method that changes or shows something; none if `method` is none of those.
pub(crate) fn change(bot: &mut Bot, method: &str, params: &Params, date: i64) -> Option<Reply> {
    Some(match method {
        "editmessagetext" => edit(bot, params, date, Edit::Text),
        "editmessagecaption" => edit(bot, params, date, Edit::Caption),
        "editmessagereplymarkup" => edit(bot, params, date, Edit::Markup),
        "deletemessage" => delete(bot, params),
        "deletemessages" => delete_many(bot, params),
        "setmessagereaction" => react(bot, params),
        "sendchataction" => show(bot, params),
        "answercallbackquery" => answer_callback(bot, params),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Edit {
    Text,
    Caption,
    Markup,
}

fn edit(bot: &mut Bot, params: &Params, date: i64, what: Edit) -> Reply {
    let chat = bot.writable(params)?;
    let read = match what {
        Edit::Text => formatted(params, "text", 4096, "message is too long")?,
        Edit::Caption => formatted(params, "caption", 1024, "message caption is too long")?,
        Edit::Markup => Formatted::default(),
    };
    if what == Edit::Text && read.text.trim().is_empty() {
        return Err(bad_request("message text is empty"));
    }
    let keyboard = params.json("reply_markup")?;
    if let Some(keyboard) = &keyboard {
        markup::check(keyboard, true)?;
    }
    let bot_id = bot.id;
    let (_, message) = bot.message(chat, params, "message to edit not found")?;
    let own = message.get("sender_chat").is_some() || message["from"]["id"] == bot_id;
    if !own {
        return Err(bad_request("message can't be edited"));
    }
    let (text, entities) =
        if what == Edit::Caption { ("caption", "caption_entities") } else { ("text", "entities") };
    if what == Edit::Text && message.get("text").is_none() {
        return Err(bad_request("there is no text in the message to edit"));
    }
    let media = ["photo", "video", "animation", "audio", "voice", "document"];
    if what == Edit::Caption && !media.iter().any(|kind| message.get(kind).is_some()) {
        return Err(bad_request("there is no caption in the message to edit"));
    }
    let before = message.clone();
    let fields = methods::object(message);
    if what != Edit::Markup {
        fields.remove(text);
        fields.remove(entities);
        if !read.text.is_empty() {
            fields.extend(methods::object(&mut words(text, entities, &read)).clone());
        }
    }
    fields.remove("reply_markup");
    if let Some(keyboard) = keyboard {
        fields.insert("reply_markup".to_owned(), keyboard);
    }
    if *message == before {
        return Err(bad_request(
            "message is not modified: specified new message content and reply markup are exactly the same as a \
             current content and reply markup of the message",
        ));
    }
    message["edit_date"] = date.into();
    Ok(message.clone())
}

fn delete(bot: &mut Bot, params: &Params) -> Reply {
    let chat = bot.writable(params)?;
    let bot_id = bot.id;
    let (id, message) = bot.message(chat, params, "message to delete not found")?;
    let own = message["from"]["id"] == bot_id;
    let chat = bot.chat(chat);
    if chat.old.contains(&id) || (!own && chat.kind != "private") {
        return Err(bad_request("message can't be deleted"));
    }
    chat.messages.remove(&id);
    Ok(DONE)
}

fn delete_many(bot: &mut Bot, params: &Params) -> Reply {
    let chat = bot.writable(params)?;
    let ids = params.json("message_ids")?.unwrap_or_default();
    let ids = ids.as_array().filter(|ids| (1..=100).contains(&ids.len()));
    for id in ids.ok_or_else(|| bad_request("message_ids must hold 1-100 identifiers"))? {
        // Those that cannot be found are passed over.
        id.as_i64().and_then(|id| bot.chat(chat).messages.remove(&id));
    }
    Ok(DONE)
}

fn react(bot: &mut Bot, params: &Params) -> Reply {
    let chat = bot.writable(params)?;
    let (id, _) = bot.message(chat, params, "message to react not found")?;
    let reactions = params.json("reaction")?.unwrap_or_else(|| Value::Array(Vec::new()));
    let reactions = reactions.as_array().ok_or_else(|| bad_request("expected an Array of reactions"))?;
    if reactions.len() > 1 {
        return Err(bad_request("REACTIONS_TOO_MANY"));
    }
    let mut emoji = Vec::new();
    for reaction in reactions {
        let known = reaction["type"] == "emoji"
            && reaction["emoji"]
                .as_str()
                .is_some_and(|emoji| REACTIONS.split_whitespace().any(|known| known == emoji));
        if !known {
            return Err(bad_request("REACTION_INVALID"));
        }
        emoji.extend(reaction["emoji"].as_str().map(str::to_owned));
    }
    bot.chat(chat).reactions.insert(id, emoji);
    Ok(DONE)
}

fn show(bot: &mut Bot, params: &Params) -> Reply {
    let chat = bot.writable(params)?;
    let action = params.text("action").unwrap_or_default();
    if !ACTIONS.contains(&action.as_str()) {
        return Err(bad_request("wrong parameter action in request"));
    }
    bot.chat(chat).actions.push(action);
    Ok(DONE)
}

fn answer_callback(bot: &mut Bot, params: &Params) -> Reply {
    if params.text("text").is_some_and(|text| text.chars().count() > 200) {
        return Err(bad_request("MESSAGE_TOO_LONG"));
    }
    let id = params.text("callback_query_id").unwrap_or_default();
    let expired = || {
        Refusal::new(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
    };
    let answer = bot.callbacks.get_mut(&id).ok_or_else(expired)?;
    *answer = Some(params.clone());
    Ok(DONE)
}
