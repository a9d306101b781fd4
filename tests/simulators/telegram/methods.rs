//! Which method does what, and the few that do not concern a chat.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::answer::{Refusal, Reply, bad_request};
use super::params::Params;
use super::state::{Bot, DONE, Webhook};
use super::{Options, change, send};

/// Largest file that `getFile` hands out.
const MAX_DOWNLOAD: u64 = 20 * 1024 * 1024;

/// Carries out any method but `getUpdates`, which waits. Names of methods are read without regard to case.
pub(crate) fn call(
    bot: &mut Bot,
    method: &str,
    params: &Params,
    date: i64,
    now: Instant,
    options: &Options,
) -> Reply {
    match method {
        "getme" => Ok(me(bot)),
        "setwebhook" => set_webhook(bot, params, options),
        "deletewebhook" => {
            bot.webhook = None;
            drop_pending(bot, params);
            Ok(DONE)
        }
        "getwebhookinfo" => Ok(webhook_info(bot)),
        "getfile" => get_file(bot, params),
        _ => change::change(bot, method, params, date)
            .or_else(|| send::send(bot, method, params, date, now, options))
            .unwrap_or_else(|| Err(Refusal::new(404, "Not Found: method not found"))),
    }
}

/// Parameters of a call that its method does not have.
pub(crate) fn unknown(method: &str, params: &Params) -> Vec<String> {
    let shared = "chat_id message_thread_id business_connection_id direct_messages_topic_id disable_notification \
        protect_content allow_paid_broadcast message_effect_id reply_parameters reply_markup";
    let own = match method.to_ascii_lowercase().as_str() {
        "getme" => "",
        "setwebhook" => {
            "url certificate ip_address max_connections allowed_updates drop_pending_updates secret_token"
        }
        "deletewebhook" => "drop_pending_updates",
        "getupdates" => "offset limit timeout allowed_updates",
        "getfile" => "file_id",
        "sendmessage" | "editmessagetext" => {
            "text parse_mode entities link_preview_options message_id inline_message_id"
        }
        "sendphoto" => "photo caption parse_mode caption_entities show_caption_above_media has_spoiler",
        "sendvideo" | "sendanimation" => {
            "video animation caption parse_mode caption_entities duration width height thumbnail cover \
             start_timestamp show_caption_above_media has_spoiler supports_streaming"
        }
        "sendaudio" => "audio caption parse_mode caption_entities duration performer title thumbnail",
        "sendvoice" => "voice caption parse_mode caption_entities duration",
        "senddocument" => {
            "document caption parse_mode caption_entities thumbnail disable_content_type_detection"
        }
        "sendvideonote" => "video_note duration length thumbnail",
        "sendsticker" => "sticker emoji",
        "sendlocation" | "sendvenue" => {
            "latitude longitude horizontal_accuracy live_period heading proximity_alert_radius title address \
             foursquare_id foursquare_type google_place_id google_place_type"
        }
        "sendcontact" => "phone_number first_name last_name vcard",
        "editmessagecaption" | "editmessagereplymarkup" => {
            "message_id inline_message_id caption parse_mode caption_entities show_caption_above_media"
        }
        "deletemessage" | "deletemessages" => "message_id message_ids",
        "setmessagereaction" => "message_id reaction is_big",
        "sendchataction" => "action",
        "answercallbackquery" => "callback_query_id text show_alert url cache_time",
        _ => return Vec::new(),
    };
    let known =
        |name: &str| shared.split_whitespace().chain(own.split_whitespace()).any(|known| known == name);
    let given = params.values.keys().chain(params.uploads.keys());
    given.filter(|name| !known(name)).map(|name| format!("{method}.{name}")).collect()
}

/// A JSON object, to be changed.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("messages are objects")
}

fn me(bot: &Bot) -> Value {
    let mut me = bot.as_user();
    for (field, value) in [
        ("can_join_groups", true),
        ("can_read_all_group_messages", true),
        ("supports_inline_queries", false),
        ("can_connect_to_business", false),
        ("has_main_web_app", false),
    ] {
        me[field] = value.into();
    }
    me
}

fn set_webhook(bot: &mut Bot, params: &Params, options: &Options) -> Reply {
    let url = params.text("url").unwrap_or_default();
    set_allowed(bot, params)?;
    drop_pending(bot, params);
    if url.is_empty() {
        bot.webhook = None;
        return Ok(DONE);
    }
    check_url(&url, options).map_err(|words| bad_request(&words))?;
    let secret = params.text("secret_token").filter(|secret| !secret.is_empty());
    if let Some(secret) = &secret {
        if secret.len() > 256 {
            return Err(bad_request("secret token is too long"));
        }
        if !secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
            return Err(bad_request("secret token contains unallowed characters"));
        }
    }
    let max_connections = params.int("max_connections").unwrap_or(40);
    if !(1..=100).contains(&max_connections) {
        return Err(bad_request("max_connections must be 1-100"));
    }
    let generation = bot.fresh().unsigned_abs();
    bot.webhook = Some(Webhook { url, secret, max_connections, generation, last_error: None });
    // Whoever waits in getUpdates waits no more.
    bot.poll += 1;
    Ok(DONE)
}

fn check_url(url: &str, options: &Options) -> Result<(), String> {
    let parsed = url::Url::parse(url).map_err(|_| "invalid webhook URL specified".to_owned())?;
    if options.http_webhooks {
        return Ok(());
    }
    if parsed.scheme() != "https" {
        return Err("bad webhook: An HTTPS URL must be provided for webhook".to_owned());
    }
    if ![443, 80, 88, 8443].contains(&parsed.port_or_known_default().unwrap_or(0)) {
        return Err("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443".to_owned());
    }
    Ok(())
}

/// Takes over `allowed_updates`: left out, the setting before stays; empty, it is the default; unknown names are
/// passed over.
pub(crate) fn set_allowed(bot: &mut Bot, params: &Params) -> Result<(), Refusal> {
    if let Some(kinds) = params.json("allowed_updates")? {
        let kinds = kinds.as_array().ok_or_else(|| bad_request("can't parse allowed_updates"))?;
        let kinds = kinds.iter().filter_map(Value::as_str).map(str::to_owned);
        bot.allowed = Some(kinds.collect()).filter(|kinds: &std::collections::BTreeSet<_>| !kinds.is_empty());
    }
    Ok(())
}

fn drop_pending(bot: &mut Bot, params: &Params) {
    if params.text("drop_pending_updates").as_deref() == Some("true") {
        bot.updates.clear();
    }
}

fn webhook_info(bot: &Bot) -> Value {
    let mut info = json!({
        "url": bot.webhook.as_ref().map_or("", |webhook| webhook.url.as_str()),
        "has_custom_certificate": false,
        "pending_update_count": bot.updates.len(),
    });
    if let Some(webhook) = &bot.webhook {
        info["max_connections"] = webhook.max_connections.into();
        if let Some(error) = &webhook.last_error {
            info["last_error_message"] = error.as_str().into();
        }
    }
    if let Some(allowed) = &bot.allowed {
        info["allowed_updates"] = allowed.iter().map(String::as_str).collect::<Vec<_>>().into();
    }
    info
}

fn get_file(bot: &mut Bot, params: &Params) -> Reply {
    let id = params.text("file_id").unwrap_or_default();
    if id.is_empty() {
        return Err(bad_request("file_id not specified"));
    }
    let file = bot
        .files
        .get_mut(&id)
        .ok_or_else(|| bad_request("wrong file_id or the file is temporarily unavailable"))?;
    if file.size > MAX_DOWNLOAD {
        return Err(bad_request("file is too big"));
    }
    file.path = format!("{}s/file_{id}", file.kind);
    Ok(json!({
        "file_id": id,
        "file_unique_id": format!("u{id}"),
        "file_size": file.size,
        "file_path": file.path,
    }))
}
