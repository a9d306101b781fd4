//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use model::AccountId;

use crate::config::{Config, Role, Work};
use crate::{Failure, demo, doctor, keys, pace, sandbox, serve, telemetry};

/// A worker fleet for chat messages.
#[derive(Debug, Parser)]
#[command(
    name = "rookery",
    version,
    about,
    after_help = "Configuration is read from the environment; see README.md."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "these comments are the help text, which shows no markup")]
enum Command {
    /// Run what DEPLOYMENT_ROLE says: everything in one process unless said (the default command).
    Serve {
        #[command(flatten)]
        work: Work,
    },
    /// Run the HTTP front alone. Needs DATABASE_URL and REDIS_URL.
    Web,
    /// Run workers alone. Needs DATABASE_URL and REDIS_URL.
    Worker {
        #[command(flatten)]
        work: Work,
    },
    /// Run the scheduler alone. Needs DATABASE_URL and REDIS_URL.
    Scheduler,
    /// Bring the database's tables up to date.
    Migrate,
    /// Manage API keys.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Let any worker work for accounts again that were pinned to one (`--accounts`). Stop that one first.
    Unpin {
        /// Their ids.
        #[arg(required = true)]
        accounts: Vec<AccountId>,
    },
    /// Run the sandbox provider alone.
    Sandbox {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:8420")]
        addr: SocketAddr,
        /// Keep accounts in this file, so that they outlive the process.
        #[arg(long)]
        state: Option<PathBuf>,
        /// Answer each message with an echo.
        #[arg(long)]
        reply: bool,
    },
    /// Try everything out: a real server on a temporary folder, three accounts, a broadcast, replies, failures.
    Demo(demo::Options),
    /// What-if questions about pacing.
    Pace {
        #[command(subcommand)]
        command: pace::Command,
    },
    /// Check configuration, database, queue and providers, and say what to do.
    Doctor,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make an API key and print it: the only time that it can be seen.
    Create {
        /// What to call it.
        #[arg(long, default_value = "cli")]
        name: String,
        /// What it may do, comma separated; everything unless said.
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<String>,
    },
}

impl Cli {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => serve(None, Work::default()).await,
            Some(Command::Serve { work }) => serve(None, work).await,
            Some(Command::Web) => serve(Some(Role::Web), Work::default()).await,
            Some(Command::Worker { work }) => serve(Some(Role::Worker), work).await,
            Some(Command::Scheduler) => serve(Some(Role::Scheduler), Work::default()).await,
            Some(Command::Migrate) => keys::migrate(&configured(Work::default())?).await,
            Some(Command::Keys { command: KeysCommand::Create { name, scopes } }) => {
                keys::create(&Config::from_env()?, name, scopes).await
            }
            Some(Command::Unpin { accounts }) => keys::unpin(&Config::from_env()?, &accounts).await,
            Some(Command::Sandbox { addr, state, reply }) => {
                configured(Work::default())?;
                sandbox::run(addr, state, reply).await
            }
            Some(Command::Demo(options)) => demo::run(options).await,
            Some(Command::Pace { command }) => pace::run(command),
            Some(Command::Doctor) => doctor::run().await,
        }
    }
}

/// Runs a role: the one asked for, else the one that the environment says.
async fn serve(role: Option<Role>, work: Work) -> Result<(), Failure> {
    let config = configured(work)?;
    let role = role.unwrap_or(config.role);
    serve::run(config, role).await
}

/// Reads the configuration, starts to log, and tells what is in doubt.
fn configured(work: Work) -> Result<Config, Failure> {
    let config = Config::from_env()?.with(work).checked()?;
    telemetry::start(&config.log);
    for doubt in &config.doubts {
        tracing::warn!("{doubt}");
    }
    Ok(config)
}
