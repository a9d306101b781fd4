//! `/control/sessions`: the people with the phones, and what may happen to a session.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Json;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Sandbox;
use crate::http::body;
use crate::session::{self, What};
use crate::wire::Refusal;
use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/control/sessions/pair", post(pair)).route("/control/sessions/end", post(end))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// Whose phone it is.
    token: String,
    /// The number that the code was asked for; none: it is scanned.
    phone: Option<String>,
    /// What is scanned or typed.
    code: String,
}

async fn pair(State(world): State<Arc<World>>, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let Pair { token, phone, code } = body(&bytes)?;
    session::pair(&world, &token, phone.as_deref(), &code)?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    /// The account's token.
    token: String,
    what: What,
    /// How long a ban lasts; none: for good.
    ms: Option<u64>,
}

async fn end(State(world): State<Arc<World>>, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let End { token, what, ms } = body(&bytes)?;
    let was_live = session::happens(&world, &token, what, ms)?;
    Ok(Json(json!({"was_live": was_live})))
}

impl Sandbox {
    /// Somebody with the account's phone scans `code`, or types it into the phone that it was asked for.
    ///
    /// # Errors
    /// When nobody waits with that code.
    pub fn pair(&self, token: &str, phone: Option<&str>, code: &str) -> Result<(), String> {
        session::pair(&self.world, token, phone, code).map_err(|refusal| refusal.message)
    }

    /// Lets something happen to the account's session; whether there was one. A ban lasts for `ms`, or for good.
    ///
    /// # Errors
    /// When the token is not known.
    pub fn end_session(&self, token: &str, what: What, ms: Option<u64>) -> Result<bool, String> {
        session::happens(&self.world, token, what, ms).map_err(|refusal| refusal.message)
    }
}
