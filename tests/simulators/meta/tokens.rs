//! Tokens: who shows which, how they are exchanged, and what Meta says of them.

use serde_json::{Value, json};

use super::answer::{Refusal, Reply};
use super::call::Call;
use super::state::{Grant, State};

/// How long a long-lived token lasts, in seconds.
const LONG: i64 = 60 * 24 * 3600;

/// What the token of a call is good for.
pub(super) fn grant(state: &State, token: Option<&str>) -> Result<Grant, Refusal> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Err(Refusal::new(
            400,
            2500,
            "An active access token must be used to query information about the current user.",
        ));
    };
    let grant = state.tokens.get(token).ok_or_else(|| Refusal::token(None))?;
    match grant.revoked {
        Some(subcode) => Err(Refusal::token(Some(subcode))),
        None => Ok(grant.clone()),
    }
}

/// `GET /oauth/access_token`: a token for a code, or a long-lived one for a token.
pub(super) fn exchange(state: &mut State, call: &Call) -> Reply {
    let text = |name: &str| call.text(name).unwrap_or_default();
    let app = state.apps.get(text("client_id")).filter(|app| app.secret == text("client_secret"));
    let app = app.ok_or_else(|| Refusal::new(400, 1, "Error validating client secret."))?.id.clone();
    let old = if text("grant_type") == "fb_exchange_token" {
        text("fb_exchange_token").to_owned()
    } else {
        let code = state.codes.get(text("code")).filter(|code| code.app == app).cloned();
        let invalid = || Refusal::new(400, 100, "Invalid verification code format.").with_subcode(36_007);
        let code = code.ok_or_else(invalid)?;
        if code.redirect != text("redirect_uri") {
            let message = "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request";
            return Err(Refusal::new(400, 100, message).with_subcode(36_008));
        }
        state.codes.remove(text("code"));
        return Ok(json!({ "access_token": code.token, "token_type": "bearer" }));
    };
    let grant = grant(state, Some(&old))?;
    if grant.app != app {
        return Err(Refusal::token(None));
    }
    // What never ends stays so; everything else lasts from its former end on, so that tests need no clock.
    let expires_at = if grant.expires_at == 0 { 0 } else { grant.expires_at + LONG };
    let token = state.add_token(Grant { expires_at, long_lived: true, ..grant });
    Ok(json!({ "access_token": token, "token_type": "bearer", "expires_in": LONG }))
}

/// `POST api.instagram.com/oauth/access_token`: a token of an hour for a code.
pub(super) fn instagram_code(state: &mut State, call: &Call) -> Reply {
    let text = |name: &str| call.text(name).unwrap_or_default();
    let wrong = |words: &str| Refusal::new(400, 400, words);
    let app = state.apps.get(text("client_id")).filter(|app| app.secret == text("client_secret"));
    let app = app.ok_or_else(|| wrong("Invalid platform app"))?.id.clone();
    if call.token_in_url || text("grant_type") != "authorization_code" {
        return Err(wrong("Invalid grant_type"));
    }
    let code = state.codes.get(text("code")).filter(|code| code.app == app).cloned();
    let code = code.filter(|code| code.redirect == text("redirect_uri"));
    let code = code.ok_or_else(|| wrong("Invalid authorization code"))?;
    state.codes.remove(text("code"));
    Ok(json!({ "data": [{ "access_token": code.token, "user_id": "1", "permissions": "" }] }))
}

/// `GET graph.instagram.com/access_token`: a token of 60 days for one of an hour.
pub(super) fn instagram_exchange(state: &mut State, call: &Call) -> Reply {
    let grant = grant(state, call.text("access_token"))?;
    let fits =
        state.apps.get(&grant.app).is_some_and(|app| Some(app.secret.as_str()) == call.text("client_secret"));
    if call.text("grant_type") != Some("ig_exchange_token") || !fits {
        return Err(Refusal::new(400, 101, "Error validating client secret."));
    }
    if grant.long_lived {
        return Err(Refusal::new(
            400,
            452,
            "Session key invalid. This could be because the session key has an incorrect format",
        ));
    }
    Ok(long_of_instagram(state, grant))
}

/// `GET graph.instagram.com/refresh_access_token`: another 60 days for a token that is a day old at least.
pub(super) fn instagram_refresh(state: &mut State, call: &Call) -> Reply {
    let grant = grant(state, call.text("access_token"))?;
    if call.text("grant_type") != Some("ig_refresh_token") || !grant.long_lived || grant.too_young {
        return Err(Refusal::new(400, 100, "(#100) The access token cannot be refreshed yet"));
    }
    Ok(long_of_instagram(state, grant))
}

fn long_of_instagram(state: &mut State, grant: Grant) -> Value {
    let token = state.add_token(Grant { long_lived: true, too_young: true, ..grant });
    json!({ "access_token": token, "token_type": "bearer", "expires_in": LONG })
}

/// `GET /debug_token`: asked by the app itself, or with a token of the same app.
pub(super) fn inspect(state: &State, call: &Call) -> Reply {
    let shown = call.token.as_deref().unwrap_or_default();
    let asking = match shown.split_once('|') {
        Some((id, secret)) => state.apps.get(id).filter(|app| app.secret == secret).map(|app| app.id.clone()),
        None => grant(state, Some(shown)).ok().map(|grant| grant.app),
    };
    let asking = asking.ok_or_else(|| Refusal::token(None))?;
    let token = call.text("input_token").unwrap_or_default();
    let Some(grant) = state.tokens.get(token) else {
        let error = json!({ "code": 190, "message": "The access token could not be decrypted" });
        return Ok(json!({ "data": { "is_valid": false, "scopes": [], "error": error } }));
    };
    if grant.app != asking {
        let message = "(#100) The App_id in the input_token did not match the Viewing App";
        return Err(Refusal::new(400, 100, message));
    }
    let granular: Vec<Value> = grant
        .scopes
        .iter()
        .map(|(scope, targets)| {
            if targets.iter().any(|target| target == "*") {
                json!({ "scope": scope })
            } else {
                json!({ "scope": scope, "target_ids": targets })
            }
        })
        .collect();
    Ok(json!({ "data": {
        "app_id": grant.app, "type": "SYSTEM_USER", "application": "Simulated",
        "is_valid": grant.revoked.is_none(), "expires_at": grant.expires_at, "data_access_expires_at": 0,
        "scopes": grant.scopes.iter().map(|(scope, _)| scope).collect::<Vec<_>>(),
        "granular_scopes": granular,
    } }))
}
