//! `rookery keys`, `rookery migrate` and `rookery unpin`: short visits to the store.

use std::sync::Arc;

use model::{AccountId, Clock, Ids, SystemClock};
use store::{NewApiKey, SCOPES, Store};

use crate::Failure;
use crate::config::{Config, Engines};
use crate::data::DataFolder;
use crate::parts::open_store;

/// Makes an API key and prints it.
pub(crate) async fn create(config: &Config, name: String, scopes: Vec<String>) -> Result<(), Failure> {
    if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(Failure::Other(format!("`{unknown}` is no scope; there are {}", SCOPES.join(", "))));
    }
    let scopes =
        if scopes.is_empty() { SCOPES.iter().map(|scope| (*scope).to_owned()).collect() } else { scopes };
    let store = visit(config).await?;
    let workspace = store.default_workspace().await?;
    let (_, secret) = store.create_api_key(workspace, NewApiKey { name, scopes, accounts: None }).await?;
    println!("{secret}");
    store.close().await;
    Ok(())
}

/// Takes the pins of accounts away: any worker may work for them then.
pub(crate) async fn unpin(config: &Config, accounts: &[AccountId]) -> Result<(), Failure> {
    let store = visit(config).await?;
    known(&store, accounts).await?;
    let unpinned = store.unpin_accounts(accounts).await?;
    store.close().await;
    println!("{unpinned} of {} accounts were pinned; any worker works for them from now on", accounts.len());
    Ok(())
}

/// Refuses accounts that are not there.
pub(crate) async fn known(store: &Store, accounts: &[AccountId]) -> Result<(), Failure> {
    let unknown: Vec<String> =
        store.unknown_accounts(accounts).await?.iter().map(ToString::to_string).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::Other(format!("there is no account {}; GET /v1/accounts lists them", unknown.join(", "))))
}

/// Brings the tables up to date: opening the store does.
pub(crate) async fn migrate(config: &Config) -> Result<(), Failure> {
    let store = visit(config).await?;
    store.close().await;
    println!("the database is up to date");
    Ok(())
}

async fn visit(config: &Config) -> Result<Store, Failure> {
    let folder = match config.engines {
        Engines::Embedded => Some(DataFolder::visit(&config.data)?),
        Engines::Fleet { .. } => None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    open_store(config, folder.as_ref(), clock, Arc::new(Ids::from_os())).await
}
