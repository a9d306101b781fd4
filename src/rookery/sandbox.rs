//! The sandbox provider: alone, or beside a server that has no other.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::sandbox::{AccountSettings, Sandbox, SandboxConfig, WebhookSettings};
use model::{Account, AccountId, Intake, WorkspaceId};
use store::{PageRequest, Store};

use crate::{Failure, serve};

/// Runs the sandbox until the process is told to stop.
pub(crate) async fn run(addr: SocketAddr, state: Option<PathBuf>, reply: bool) -> Result<(), Failure> {
    let config = SandboxConfig { addr, state, reply, ..SandboxConfig::default() };
    let sandbox = Sandbox::start(config).await.map_err(|error| Failure::Listen { addr, error })?;
    println!("sandbox listening on {}", sandbox.url());
    serve::stop_signal().await;
    sandbox.stop().await;
    Ok(())
}

/// Starts a sandbox for this process alone.
pub(crate) async fn start(state: Option<PathBuf>) -> Result<Sandbox, Failure> {
    let config = SandboxConfig { state, reply: true, ..SandboxConfig::default() };
    let addr = config.addr;
    Sandbox::start(config).await.map_err(|error| Failure::Listen { addr, error })
}

/// Tells the process's own sandbox where its accounts' events go: the server may listen elsewhere than last time.
pub(crate) async fn point_here(
    sandbox: &Sandbox,
    store: &Store,
    workspace: WorkspaceId,
    url_of: impl Fn(AccountId) -> String,
) -> Result<(), Failure> {
    let mut page = PageRequest { cursor: None, limit: 200 };
    loop {
        let accounts = store.accounts(workspace, page).await?;
        let told = |account: &&Account| account.channel == "sandbox" && account.intake == Intake::Webhook;
        for account in accounts.data.iter().filter(told) {
            let Some((_, secrets)) = store.login(account.id).await? else { continue };
            let Some(token) = secrets.get("token") else { continue };
            let webhook = WebhookSettings {
                url: Some(url_of(account.id)),
                secret: secrets.get("webhook_secret").cloned(),
            };
            let settings = AccountSettings { webhook: Some(webhook), ..AccountSettings::default() };
            if let Err(problem) = sandbox.set_account(token, settings) {
                tracing::warn!(account.id = %account.id, problem, "the sandbox did not take an account");
            }
        }
        page.cursor = accounts.next_cursor.as_deref().and_then(store::Cursor::decode);
        if page.cursor.is_none() {
            return Ok(());
        }
    }
}
