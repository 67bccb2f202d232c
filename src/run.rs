//! Where the parts meet: from the command line to an exit status.

mod account;
mod demo;
pub mod doctor;
mod exporter;
mod once;
mod serve;
mod signals;

pub use exporter::{Exporter, Rounds, Surroundings};

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::auth::Environment;
use crate::cli::{self, Cli, Command, Stop};
use crate::model::{Clock, Timestamp};
use crate::server::webconfig::WebConfig;
use crate::storage::Store;

/// Between the signal and the exit; Kubernetes kills after 30 seconds.
const GRACE: Duration = Duration::from_secs(10);

/// Usage or configuration that is wrong.
const MISUSE: u8 = 2;

/// Runs the program with its arguments, of which the first is its name.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    let cli = match Cli::read(arguments) {
        Ok(cli) => cli,
        Err(stop) => return say(stop),
    };
    if cli.config.check {
        return check(&cli);
    }
    cli::log::init(cli.log.level, cli.log.format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.context("cannot start the runtime").and_then(|runtime| {
        let result = runtime.block_on(dispatch(&cli));
        // A disk that hangs must not keep the process from its end.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let status = if error.is::<Misuse>() { MISUSE } else { 1 };
            tracing::error!("{error:#}");
            ExitCode::from(status)
        }
    }
}

/// What was configured cannot be run; the exit status says so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

impl Misuse {
    fn from_display(error: impl std::fmt::Display) -> anyhow::Error {
        Self(error.to_string()).into()
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what was asked for goes to stdout, a refusal to stderr"
)]
fn say(stop: Stop) -> ExitCode {
    let status = ExitCode::from(stop.status());
    match stop {
        Stop::Shown(text) => print!("{text}"),
        Stop::Refused(line) => eprintln!("{line}"),
    }
    status
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the answer goes to stdout, what is wrong to stderr"
)]
fn check(cli: &Cli) -> ExitCode {
    let web = |path: &std::path::Path| WebConfig::load(path).map(drop).map_err(|error| error.to_string());
    match cli::check(cli, &|name| std::env::var(name).ok(), web) {
        Ok(text) => match account::check(cli) {
            Ok(notes) => {
                println!("{text}{notes}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::from(MISUSE)
            }
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(MISUSE)
        }
    }
}

async fn dispatch(cli: &Cli) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    signals::end_on(stop.clone())?;
    match &cli.command {
        None => {
            let config = cli.configuration(&|name| std::env::var(name).ok()).map_err(Misuse::from_display)?;
            let exporter = exporter(cli, stop.clone());
            serve::until_stopped(cli, exporter, &config, stop).await
        }
        Some(Command::Demo(options)) => demo::run(cli, options, stop).await,
        Some(Command::Once) => once::run(cli, stop).await,
        Some(Command::Doctor) => doctor::run(cli, stop).await,
        Some(Command::Simulator(options)) => demo::simulator(options, stop).await,
    }
}

/// The process's own surroundings.
fn surroundings() -> Surroundings {
    Surroundings { clock: wall_clock(), environment: Environment::process() }
}

/// An exporter in the process's own surroundings.
fn exporter(cli: &Cli, stop: CancellationToken) -> Exporter {
    Exporter::new(surroundings(), stop).storing(cli.poll.storage.as_ref().map(Store::new))
}

#[expect(clippy::disallowed_methods, reason = "the edge at which the wall clock is read")]
fn wall_clock() -> Clock {
    Clock::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}
