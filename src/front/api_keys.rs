//! API keys: a secret is shown once, and no key makes another that may do more than itself.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{AccountId, ApiKeyId};
use serde::Deserialize;
use serde_json::json;
use store::{ApiKey, NewApiKey, SCOPES};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json};
use crate::page::Listing;
use crate::problem::{Kind, Problem};
use crate::schema;

/// Longest name of a key.
const NAME_MAX: usize = 200;

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateApiKey {
    /// What people call it; at most 200 characters.
    name: String,
    /// What it may do.
    scopes: Vec<String>,
    /// The accounts it is limited to; all that the maker sees if not given.
    #[schema(value_type = Option<Vec<Uuid>>)]
    accounts: Option<Vec<AccountId>>,
}

impl CreateApiKey {
    fn check(&self, caller: &Caller) -> Result<(), Problem> {
        let mut problem = Problem::new(Kind::Validation);
        if self.name.trim().is_empty() || self.name.chars().count() > NAME_MAX {
            problem = problem.and("name", "invalid", format!("1 to {NAME_MAX} characters"));
        }
        if self.scopes.is_empty() {
            problem = problem.and("scopes", "required", "a key without a scope can do nothing");
        }
        for (at, scope) in self.scopes.iter().enumerate() {
            if !SCOPES.contains(&scope.as_str()) {
                let message = format!("one of {}", SCOPES.join(", "));
                problem = problem.and(format!("scopes[{at}]"), "invalid", message);
            } else if !caller.key.scopes.contains(scope) {
                let message = "the key that makes it does not have this scope";
                problem = problem.and(format!("scopes[{at}]"), "forbidden", message);
            }
        }
        problem.or_ok()
    }
}

/// Makes a key. Its secret is in this answer and nowhere else, so an `Idempotency-Key` is not kept here.
#[utoipa::path(post, path = "/v1/api_keys", tag = "api_keys", request_body = CreateApiKey,
    responses((status = 201, description = "Made", body = schema::NewApiKey)))]
async fn create_api_key(
    State(front): State<Front>,
    caller: Caller,
    Json(body): Json<CreateApiKey>,
) -> Result<Response, Problem> {
    caller.needs(Scope::KeysWrite)?;
    body.check(&caller)?;
    for (at, id) in body.accounts.iter().flatten().enumerate() {
        let known = caller.sees(*id) && front.store.account(caller.workspace, *id).await.is_ok();
        if !known {
            return Err(Problem::field(format!("accounts[{at}]"), "not_found", "there is no such account"));
        }
    }
    let new = NewApiKey {
        name: body.name,
        scopes: body.scopes,
        accounts: body.accounts.or_else(|| caller.key.accounts.clone()),
    };
    let (key, secret) = front.store.create_api_key(caller.workspace, new).await?;
    let mut answer = json!(key);
    answer["secret"] = json!(secret);
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// Lists the workspace's keys, void ones too. Never their secrets.
#[utoipa::path(get, path = "/v1/api_keys", tag = "api_keys",
    responses((status = 200, description = "Keys", body = Listing<schema::ApiKey>)))]
async fn list_api_keys(State(front): State<Front>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::KeysWrite)?;
    let data = front.store.api_keys(caller.workspace).await?;
    Ok(axum::Json(Listing { data, next_cursor: None }).into_response())
}

/// Whether a key may do nothing that the caller's may not.
fn is_within(key: &ApiKey, caller: &Caller) -> bool {
    let scopes = key.scopes.iter().all(|scope| caller.key.scopes.contains(scope));
    let accounts = match (&key.accounts, &caller.key.accounts) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(its), Some(own)) => its.iter().all(|account| own.contains(account)),
    };
    scopes && accounts
}

/// Makes a key void. No key can do that to one that may do more than itself.
#[utoipa::path(delete, path = "/v1/api_keys/{id}", tag = "api_keys", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Void")))]
async fn revoke_api_key(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::KeysWrite)?;
    let keys = front.store.api_keys(caller.workspace).await?;
    if keys.iter().any(|key| key.id == id && !is_within(key, &caller)) {
        return Err(Problem::new(Kind::Forbidden).because("this key may do more than the one that you use"));
    }
    front.store.revoke_api_key(caller.workspace, id).await?;
    front.keys.forget(id);
    Ok(StatusCode::NO_CONTENT)
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(create_api_key, list_api_keys)).routes(routes!(revoke_api_key))
}
