//! The binary: command line, configuration, roles and wiring. No logic of its own: what it puts together lives in the
//! parts, and only it knows all of them.

mod cli;
mod config;
mod data;
mod demo;
mod doctor;
mod first_run;
mod keys;
mod pace;
mod parts;
mod probes;
mod sandbox;
mod serve;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            // As for arguments that make no sense.
            if matches!(failure, Failure::Input(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Why a command could not be carried out: a sentence for whoever typed it, with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// Secrets cannot be sealed.
    #[error("the encryption key cannot be used: {0}")]
    Key(#[from] store::SealerError),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made: {0}")]
    Outbound(#[from] outbound::Error),
    /// Files cannot be kept.
    #[error(transparent)]
    Media(#[from] media::MediaError),
    /// The queue cannot be used.
    #[error("REDIS_URL: {0}")]
    Redis(#[from] queue::ConnectError),
    /// News cannot be told to other processes.
    #[error("REDIS_URL: {0}")]
    Hints(#[from] events::BusError),
    /// The queue could not be loaded.
    #[error("the queue could not be loaded from the store: {0}")]
    Recovery(#[from] jobs::RecoveryError),
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {error}; set PORT (and ROOKERY_HOST) to a free one")]
    Listen {
        /// The address.
        addr: std::net::SocketAddr,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// What was given makes no sense: nothing was done.
    #[error("{0}")]
    Input(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}
