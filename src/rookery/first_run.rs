//! What an embedded installation begins with: a workspace, an API key in a file, a sandbox account to try things on.

use std::io::IsTerminal;

use channel::Credentials;
use jobs::App;
use model::{AccountId, Actor, Connection, Intake, Redelivery, WorkspaceId};
use serde_json::json;
use store::{NewAccount, NewApiKey, PageRequest, SCOPES};

use crate::Failure;
use crate::data::{DataFolder, write_secret};
use crate::parts::SANDBOX;

/// What a newcomer needs for the first call.
#[derive(Debug, Clone)]
pub(crate) struct Welcome {
    pub(crate) workspace: WorkspaceId,
    /// The account to send from.
    pub(crate) account: Option<AccountId>,
}

/// Makes what is not there yet.
pub(crate) async fn prepare(
    app: &App,
    folder: &DataFolder,
    url_of: impl Fn(AccountId) -> String,
) -> Result<Welcome, Failure> {
    let workspace = app.store.default_workspace().await?;
    if !folder.api_key().exists() {
        let scopes = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
        let new = NewApiKey { name: "first".to_owned(), scopes, accounts: None };
        let (_, secret) = app.store.create_api_key(workspace, new).await?;
        write_secret(&folder.api_key(), &secret)?;
        if std::io::stdout().is_terminal() {
            println!("API key (also in {}): {secret}", folder.api_key().display());
        }
    }
    let accounts = app.store.accounts(workspace, PageRequest { cursor: None, limit: 200 }).await?;
    let known = accounts.data.iter().find(|account| account.channel == SANDBOX).map(|account| account.id);
    let account = match known {
        Some(account) => Some(account),
        None if accounts.data.is_empty() => make_account(app, workspace, url_of).await?,
        None => None,
    };
    Ok(Welcome { workspace, account })
}

/// What the sandbox knows the first account by.
pub(crate) fn token(account: AccountId) -> String {
    format!("sandbox-auto-{account}")
}

async fn make_account(
    app: &App,
    workspace: WorkspaceId,
    url_of: impl Fn(AccountId) -> String,
) -> Result<Option<AccountId>, Failure> {
    let Some(channel) = app.channels.get(SANDBOX) else { return Ok(None) };
    let id: AccountId = app.ids.id(app.clock.now());
    let credentials = Credentials::default().with("token", token(id));
    let connected = channel
        .connect(&credentials, &json!({}), Some(&url_of(id)))
        .await
        .map_err(|error| Failure::Other(format!("the sandbox refused its first account: {error}")))?;
    let new = NewAccount {
        channel: SANDBOX.to_owned(),
        name: "Sandbox".to_owned(),
        external_id: Some(connected.external_id),
        app_id: None,
        credentials: connected.credentials.into_secrets(),
        refresh_at: None,
        settings: connected.settings,
        intake: Intake::Webhook,
        connection: Connection::Connected,
        timezone: "UTC".to_owned(),
        pacing: json!({}),
        pace_scale: 1.0,
        registered_at: None,
        redelivery: Redelivery::AtLeastOnce,
    };
    app.store
        .create_account_as(workspace, id, &new, &Actor::system(), None, |_| serde_json::Value::Null)
        .await?;
    Ok(Some(id))
}
