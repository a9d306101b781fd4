//! What every call is checked for, in TikTok's order, before it is carried out.

use serde_json::Value;
use tokio::time::Instant;

use super::server::{Asked, No, no};
use super::sign::call_signature;
use super::state::{Call, State};
use super::{Shared, auth, calls};

/// How old a call may be, and how far ahead, in seconds.
const OLDEST: i64 = 300;
const FARTHEST: i64 = 30;

/// Who calls, once it is known.
#[derive(Debug)]
pub(crate) struct Caller {
    pub seller: String,
    /// The shop that the cipher names; none where a call is about the seller.
    pub shop: Option<String>,
}

/// Paths with the methods that they take and the scope they need, `{id}` standing for any id.
const ROUTES: &[(&str, &[&str], &str)] = &[
    ("/authorization/202309/shops", &["GET"], ""),
    ("/event/202309/webhooks", &["GET", "PUT", "DELETE"], "seller.authorization.info"),
    ("/customer_service/202309/conversations", &["GET", "POST"], "seller.customer_service"),
    ("/customer_service/202309/conversations/{id}/messages", &["GET", "POST"], "seller.customer_service"),
    ("/customer_service/202309/conversations/{id}/messages/read", &["POST"], "seller.customer_service"),
    ("/customer_service/202309/images/upload", &["POST"], "seller.customer_service"),
];

pub(crate) fn carry_out(shared: &Shared, asked: &Asked) -> Result<Value, No> {
    if let Some(what) = asked.path.strip_prefix("/api/v2/token/") {
        return auth::tokens(shared, what, asked);
    }
    let (scope, id) = route(asked)?;
    let now = shared.now();
    let limit = shared.options.calls_per_second;
    let caller = shared.with(|state| {
        let caller = caller(state, asked, scope, now)?;
        if let (Some(shop), Some(limit)) = (&caller.shop, limit)
            && !state.admits(shop, limit, Instant::now())
        {
            return Err(no(429, 36_009_002, "Too many requests. Please try again later."));
        }
        let body = serde_json::from_slice(&asked.body).unwrap_or_default();
        let what = format!("{} {}", asked.method, asked.path);
        state.calls.push(Call { what, query: asked.query.clone(), body });
        Ok(caller)
    })?;
    if !asked.body.is_empty() {
        if !asked.is_json {
            return Err(no(400, 36_009_022, "The request's content type must be application/json"));
        }
        if serde_json::from_slice::<Value>(&asked.body).is_err() {
            return Err(no(400, 36_009_023, "The request body is not valid JSON"));
        }
    }
    calls::call(shared, asked, &caller, &id)
}

/// The scope of a call and the id in its path.
fn route(asked: &Asked) -> Result<(&'static str, String), No> {
    let given: Vec<_> = asked.path.split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<_> = pattern.split('/').collect();
        pattern.len() == given.len()
            && pattern.iter().zip(&given).all(|(part, given)| *part == "{id}" || part == given)
    };
    let (pattern, methods, scope) = ROUTES
        .iter()
        .find(|(pattern, ..)| fits(pattern))
        .ok_or_else(|| no(404, 36_009_009, "Invalid path. The request path does not exist."))?;
    if !methods.contains(&asked.method.as_str()) {
        return Err(no(405, 36_009_010, "Invalid method. The request method is not supported."));
    }
    let place = pattern.split('/').position(|part| part == "{id}");
    Ok((scope, place.map(|place| given[place].to_owned()).unwrap_or_default()))
}

fn caller(state: &State, asked: &Asked, scope: &str, now: i64) -> Result<Caller, No> {
    let get = |name: &str| asked.query.get(name).map(String::as_str).unwrap_or_default();
    let app = state
        .apps
        .get(get("app_key"))
        .ok_or_else(|| no(400, 36_009_004, "Invalid credentials. Invalid `app_key` query parameter."))?;
    let signature = get("sign");
    if signature.is_empty() {
        let words = "Missing credentials. The request does not include a required signature in the query.";
        return Err(no(400, 36_009_004, words));
    }
    let timestamp: i64 = get("timestamp").parse().unwrap_or_default();
    if timestamp < now - OLDEST || timestamp > now + FARTHEST {
        return Err(no(
            400,
            36_009_004,
            "Invalid timestamp. It must lie within 5 minutes before the current time.",
        ));
    }
    if call_signature(&app.secret, &asked.path, &asked.query, &asked.body, asked.is_form) != signature {
        return Err(no(401, 106_001, "Invalid credentials. The `sign` query parameter is invalid."));
    }
    let tokens =
        state.tokens.iter().find(|tokens| tokens.access == asked.token && tokens.app == get("app_key"));
    let tokens = tokens.ok_or_else(|| {
        no(401, 36_009_004, "Invalid credentials. The `x-tts-access-token` header is invalid.")
    })?;
    if tokens.access_ends <= now {
        return Err(no(401, 105_002, "Expired credentials. The `access_token` has expired."));
    }
    if !scope.is_empty() && !app.scopes.contains(scope) {
        return Err(no(401, 105_005, "Access denied. You do not have the required access scope."));
    }
    let seller = tokens.seller.clone();
    if scope.is_empty() {
        return Ok(Caller { seller, shop: None });
    }
    let cipher = get("shop_cipher");
    if cipher.is_empty() {
        return Err(no(400, 106_013, "Missing identifier. The `shop_cipher` query parameter is missing."));
    }
    let shop = state.shops.iter().find(|shop| shop.cipher == cipher && shop.seller == seller);
    let shop = shop.ok_or_else(|| no(401, 101_000, "The access token does not match the shop."))?;
    if !shop.is_active {
        return Err(no(401, 36_009_043, "The shop is inactive."));
    }
    Ok(Caller { seller, shop: Some(shop.id.clone()) })
}
