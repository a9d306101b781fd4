//! Where tokens are given out: not signed, the app's secret comes along.

use serde_json::{Value, json};

use super::Shared;
use super::server::{Asked, No, no};
use super::state::{ACCESS_LASTS, REFRESH_LASTS, Tokens};

pub(crate) fn tokens(shared: &Shared, what: &str, asked: &Asked) -> Result<Value, No> {
    let get = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
    let now = shared.now();
    let tokens = shared.with(|state| {
        let key = get("app_key");
        if state.apps.get(&key).is_none_or(|app| app.secret != get("app_secret")) {
            return Err(no(200, 36_004_001, "app_key or app_secret is invalid"));
        }
        match (asked.method.as_str(), what, get("grant_type").as_str()) {
            ("GET", "get", "authorized_code") => match state.codes.remove(&get("auth_code")) {
                Some((app, seller)) if app == key => Ok(state.issue(&app, &seller, now)),
                _ => Err(no(200, 36_004_004, "auth_code is invalid or was used")),
            },
            ("GET", "refresh", "refresh_token") => {
                let refresh = get("refresh_token");
                let known = state.tokens.iter().find(|tokens| {
                    tokens.refresh == refresh && tokens.app == key && tokens.refresh_ends > now
                });
                let known = known.cloned().ok_or_else(|| no(200, 36_004_003, "refresh_token is invalid"))?;
                Ok(state.issue(&key, &known.seller, now))
            }
            _ => Err(no(404, 36_009_009, "no such grant")),
        }
    })?;
    Ok(answer(&tokens, shared.options.relative_ends))
}

fn answer(tokens: &Tokens, relative: bool) -> Value {
    let (access, refresh) =
        if relative { (ACCESS_LASTS, REFRESH_LASTS) } else { (tokens.access_ends, tokens.refresh_ends) };
    json!({
        "access_token": tokens.access, "access_token_expire_in": access,
        "refresh_token": tokens.refresh, "refresh_token_expire_in": refresh,
        "open_id": format!("open-{}", tokens.seller), "seller_name": tokens.seller, "seller_base_region": "GB",
        "user_type": 0, "granted_scopes": ["seller.authorization.info", "seller.customer_service"],
    })
}
