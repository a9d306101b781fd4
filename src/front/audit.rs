//! The audit log, for whoever answers for what keys and people did.

use axum::extract::State;
use axum::response::Response;
use model::AccountId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::Query;
use crate::page::{self, Listing};
use crate::problem::Problem;
use crate::schema;

/// Which part of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only what was done to this account.
    #[param(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of the page, 1 to 200; 50 if not given. A key that is limited to accounts may see fewer.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists who changed what decides about others, newest first. It needs the scope `operator` or `keys:write`; a key that is
/// limited to accounts sees what was done to these.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(Which),
    responses((status = 200, description = "Entries", body = Listing<schema::AuditEntry>)))]
async fn list_audit(
    State(front): State<Front>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    if !caller.may(Scope::Operator) {
        caller.needs(Scope::KeysWrite)?;
    }
    let account = caller.account(which.account_id);
    if let Some(account) = account {
        caller.must_see(account, "account")?;
    }
    let request = page::request(which.cursor.as_deref(), which.limit)?;
    let entries = front.store.audit_log(caller.workspace, account, request).await?;
    let sees_all = caller.key.accounts.is_none();
    Ok(page::answer(entries, |entry| sees_all || entry.account().is_some_and(|account| caller.sees(account))))
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(list_audit))
}
