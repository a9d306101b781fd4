//! Tokens: granted for a code, renewed for a refresh token. Both can be used once.

use serde_json::{Map, Value, json};

use super::methods::text;
use super::state::{Reply, State};

pub(super) fn access(state: &mut State, arguments: &Map<String, Value>) -> Reply {
    if text(arguments, "client_id")? != state.app.client_id {
        return Err("invalid_client_id".into());
    }
    if text(arguments, "client_secret")? != state.app.client_secret {
        return Err("bad_client_secret".into());
    }
    let renews = arguments.get("grant_type").and_then(Value::as_str) == Some("refresh_token");
    if renews {
        if state.bot.refresh_token.as_deref() != Some(text(arguments, "refresh_token")?) {
            return Err("invalid_refresh_token".into());
        }
    } else {
        let redirect = state.codes.remove(text(arguments, "code")?).ok_or("invalid_code")?;
        if arguments.get("redirect_uri").and_then(Value::as_str) != Some(&redirect) {
            return Err("bad_redirect_uri".into());
        }
    }
    let rotation = state.app.rotation;
    state.bot.token = state.fresh(if rotation { "xoxe.xoxb-" } else { "xoxb-" });
    state.bot.standing = None;
    let mut answer = json!({
        "access_token": state.bot.token, "token_type": "bot", "scope": state.bot.scopes.join(","),
        "bot_user_id": "UBOT00000", "app_id": "A024BE91L",
        "team": { "id": "T024BE91L", "name": "Shop" }, "enterprise": null, "is_enterprise_install": false,
    });
    if rotation {
        let refresh = state.fresh("xoxe-");
        answer["refresh_token"] = refresh.as_str().into();
        answer["expires_in"] = 43_200.into();
        state.bot.refresh_token = Some(refresh);
    }
    Ok(answer)
}
