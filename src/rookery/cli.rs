//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::{Config, Role};
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
    /// Run everything in one process (the default): API, workers and scheduler.
    Serve,
    /// Run the HTTP front alone. Needs DATABASE_URL and REDIS_URL.
    Web,
    /// Run workers alone. Needs DATABASE_URL and REDIS_URL.
    Worker,
    /// Run the scheduler alone. Needs DATABASE_URL and REDIS_URL.
    Scheduler,
    /// Bring the database's tables up to date.
    Migrate,
    /// Manage API keys.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
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
            None | Some(Command::Serve) => {
                let config = Config::from_env()?;
                telemetry::start(&config.log);
                let role = config.role;
                serve::run(config, role).await
            }
            Some(Command::Web) => Self::role(Role::Web).await,
            Some(Command::Worker) => Self::role(Role::Worker).await,
            Some(Command::Scheduler) => Self::role(Role::Scheduler).await,
            Some(Command::Migrate) => {
                let config = Config::from_env()?;
                telemetry::start(&config.log);
                keys::migrate(&config).await
            }
            Some(Command::Keys { command: KeysCommand::Create { name, scopes } }) => {
                keys::create(&Config::from_env()?, name, scopes).await
            }
            Some(Command::Sandbox { addr, state, reply }) => {
                let config = Config::from_env()?;
                telemetry::start(&config.log);
                sandbox::run(addr, state, reply).await
            }
            Some(Command::Demo(options)) => demo::run(options).await,
            Some(Command::Pace { command }) => pace::run(command),
            Some(Command::Doctor) => doctor::run().await,
        }
    }

    async fn role(role: Role) -> Result<(), Failure> {
        let config = Config::from_env()?;
        telemetry::start(&config.log);
        serve::run(config, role).await
    }
}
