//! `reply_markup`: the shapes that Telegram reads and what it says to others.

use serde_json::Value;

use super::answer::{Refusal, bad_request};

/// Judges a markup. Only inline keyboards can be put under an existing message.
pub(crate) fn check(markup: &Value, only_inline: bool) -> Result<(), Refusal> {
    let Some(object) = markup.as_object() else {
        return Err(bad_request("object expected as reply markup"));
    };
    if let Some(rows) = object.get("inline_keyboard") {
        for button in buttons(rows, "inline_keyboard")? {
            inline(button)?;
        }
        return Ok(());
    }
    if only_inline {
        return Err(bad_request("inline keyboard expected"));
    }
    if let Some(rows) = object.get("keyboard") {
        for button in buttons(rows, "keyboard")? {
            let text = button.as_str().or_else(|| button.get("text").and_then(Value::as_str));
            if text.is_none_or(str::is_empty) {
                return Err(bad_request(
                    "can't parse keyboard button: Field \"text\" must be of type String",
                ));
            }
        }
        return Ok(());
    }
    let flag = |name: &str| object.get(name).and_then(Value::as_bool) == Some(true);
    if flag("remove_keyboard") || flag("force_reply") {
        return Ok(());
    }
    Err(bad_request("object expected as reply markup"))
}

fn buttons<'a>(rows: &'a Value, field: &str) -> Result<Vec<&'a Value>, Refusal> {
    let problem = || bad_request(&format!("field \"{field}\" must be an Array of Arrays"));
    let mut all = Vec::new();
    for row in rows.as_array().ok_or_else(problem)? {
        all.extend(row.as_array().ok_or_else(problem)?);
    }
    Ok(all)
}

fn inline(button: &Value) -> Result<(), Refusal> {
    let problem = |words: &str| Err(bad_request(&format!("can't parse inline keyboard button: {words}")));
    let field = |name: &str| button.get(name).and_then(Value::as_str);
    let Some(text) = field("text") else {
        return problem("Can't find field \"text\"");
    };
    if text.is_empty() {
        return problem("Field \"text\" must be non-empty");
    }
    let actions = ["callback_data", "url", "web_app", "login_url", "copy_text", "switch_inline_query", "pay"];
    if !actions.iter().any(|action| button.get(action).is_some()) {
        return problem("Text buttons are unallowed in the inline keyboard");
    }
    if let Some(data) = field("callback_data")
        && !(1..=64).contains(&data.len())
    {
        return Err(bad_request("BUTTON_DATA_INVALID"));
    }
    if let Some(url) = field("url") {
        let known = ["http://", "https://", "tg://"];
        if !known.iter().any(|scheme| url.starts_with(scheme) && url.len() > scheme.len()) {
            return Err(bad_request("BUTTON_URL_INVALID"));
        }
    }
    if let Some(style) = field("style")
        && !["danger", "success", "primary"].contains(&style)
    {
        return problem("invalid button style specified");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes_that_telegram_reads() {
        for good in [
            json!({"inline_keyboard": [[{"text": "a", "callback_data": "x"}], [{"text": "b", "url": "https://x.y"}]]}),
            json!({"keyboard": [["a", {"text": "b"}]], "resize_keyboard": true}),
            json!({"remove_keyboard": true}),
            json!({"force_reply": true}),
        ] {
            assert_eq!(check(&good, false), Ok(()), "{good}");
        }
        for bad in [
            json!([]),
            json!({}),
            json!({"inline_keyboard": [{"text": "a"}]}),
            json!({"inline_keyboard": [[{"text": "a"}]]}),
            json!({"inline_keyboard": [[{"text": "", "url": "https://x.y"}]]}),
            json!({"inline_keyboard": [[{"text": "a", "callback_data": ""}]]}),
            json!({"inline_keyboard": [[{"text": "a", "callback_data": "x".repeat(65)}]]}),
            json!({"inline_keyboard": [[{"text": "a", "url": "javascript:1"}]]}),
            json!({"keyboard": [[{}]]}),
        ] {
            assert_eq!(check(&bad, false).unwrap_err().code, 400, "{bad}");
        }
        assert!(check(&json!({"keyboard": [["a"]]}), true).is_err());
    }
}
