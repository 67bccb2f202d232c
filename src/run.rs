//! Where the parts meet: from the command line to an exit status.

mod account;
mod demo;
pub mod doctor;
mod exporter;
mod once;
mod serve;
mod signals;
mod supervisor;
mod systemd;
mod watch;

pub use exporter::{Exporter, Rounds, Surroundings};

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::auth::Environment;
use crate::cli::{self, Cli, Command, Stop};
use crate::model::{Clock, Timestamp};
use crate::server::webconfig::WebConfig;
use crate::storage::{ClaimError, Store};
use supervisor::Supervisor;

/// Between the signal and the exit; Kubernetes kills after 30 seconds.
const GRACE: Duration = Duration::from_secs(10);

/// Threads for what blocks at most: a few names, a file for each account, passwords as far as they are checked at once.
const MOST_BLOCKING: usize = 64;

/// Usage or configuration that is wrong.
const MISUSE: u8 = 2;

/// Runs the program with its arguments, of which the first is its name.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    // Before anything else: a reload may come with the first instruction.
    let hangup = signals::outlive_hangup();
    let cli = match Cli::read(arguments) {
        Ok(cli) => cli,
        Err(stop) => return say(stop),
    };
    if cli.config.check {
        return check(&cli);
    }
    cli::log::init(cli.log.level, cli.log.format);
    match hangup.context("cannot listen for SIGHUP").and_then(|()| work(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let status = if error.is::<Misuse>() { MISUSE } else { 1 };
            tracing::error!("{}", causes(&*error));
            ExitCode::from(status)
        }
    }
}

/// Does what the command line asks for, on a runtime of its own.
fn work(cli: &Cli) -> anyhow::Result<()> {
    let runtime = runtime().context("cannot start the runtime")?;
    panic::set_hook(Box::new(|fault| {
        let place = fault.location().map(tracing::field::display);
        tracing::error!(place, "A fault of this program: {}", message(fault));
    }));
    let dispatched = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(dispatch(cli))));
    // A disk that hangs must not keep the process from its end.
    runtime.shutdown_background();
    dispatched.unwrap_or_else(|_| Err(anyhow::anyhow!("stopped by the fault above")))
}

/// A runtime that has all the threads that it cannot do without; a panic ends the process until the caller sets a
/// hook of its own.
fn runtime() -> io::Result<Runtime> {
    // tokio panics where the system refuses a thread, and to unwind would be to wait for ever for workers that
    // never came.
    panic::set_hook(Box::new(|fault| {
        let advice =
            "raise the limit of processes and threads (ulimit -u, TasksMax, the container's pids limit)";
        tracing::error!("cannot start: {}; {advice}", message(fault));
        process::exit(1);
    }));
    // Threads that were once had are kept, this first one for ever: names are resolved and files are written there,
    // and at the system's limit those wait for their turn, where without any thread tokio would panic.
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().thread_keep_alive(Duration::MAX).max_blocking_threads(MOST_BLOCKING);
    let runtime = builder.build()?;
    runtime.block_on(async { tokio::task::spawn_blocking(|| ()).await })?;
    Ok(runtime)
}

/// What a panic has to say.
fn message<'a>(fault: &'a panic::PanicHookInfo<'_>) -> &'a str {
    let payload = fault.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason is given")
}

/// What was configured cannot be run; the exit status says so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

impl Misuse {
    fn of(error: &dyn std::error::Error) -> anyhow::Error {
        Self(causes(error)).into()
    }
}

/// An error with its causes, on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| {
        let cause = cause.to_string();
        // Some errors repeat their cause in their own words.
        if told.ends_with(&cause) { told } else { format!("{told}: {cause}") }
    })
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
    // What is doubtful in the web configuration is logged while it is read.
    let least = if cli.log.level == cli::log::Level::Error { cli.log.level } else { cli::log::Level::Warn };
    cli::log::init(least, cli.log.format);
    let examiners = cli::Examiners {
        web: |path: &Path| WebConfig::load(path).map(drop).map_err(|error| causes(&error)),
        storage: |path: &Path| Store::new(path).examine().map_err(|error| causes(&error)),
    };
    match cli::check(cli, &|name| std::env::var(name).ok(), examiners) {
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
    let supervisor = Supervisor::new(stop.clone());
    // Taken up before the configuration is read, so that no reload that comes later is lost.
    let hangups = signals::hangups()?;
    let serves = matches!(cli.command, None | Some(Command::Demo(_)));
    signals::end_on(&supervisor, serves, stop.clone())?;
    let done = match &cli.command {
        None => serve::run(cli, hangups, stop).await,
        Some(Command::Demo(options)) => demo::run(cli, options, hangups, stop).await,
        Some(Command::Once) => once::run(cli, stop).await,
        Some(Command::Doctor) => doctor::run(cli, stop).await,
        Some(Command::Simulator(options)) => demo::simulator(options, stop).await,
    };
    done.and_then(|()| supervisor.outcome())
}

/// The process's own surroundings.
fn surroundings() -> Surroundings {
    Surroundings { clock: wall_clock(), environment: Environment::process() }
}

/// An exporter in the process's own surroundings, which keeps what must survive a restart in `store`.
fn exporter(store: Option<Store>, stop: CancellationToken) -> Exporter {
    Exporter::new(surroundings(), stop).storing(store)
}

/// The directory of `--storage.path`, claimed for this process.
///
/// # Errors
///
/// Another process has it. A directory that cannot be locked serves all the same, and those who write to it tell
/// more.
fn store(cli: &Cli) -> Result<Option<Store>, ClaimError> {
    let Some(store) = cli.poll.storage.as_ref().map(Store::new) else { return Ok(None) };
    match store.claim() {
        Ok(()) => {}
        Err(error @ ClaimError::InUse(_)) => return Err(error),
        Err(error) => {
            let error = causes(&error);
            tracing::warn!(error, "Nothing keeps a second exporter from using the same --storage.path");
        }
    }
    Ok(Some(store))
}

#[expect(clippy::disallowed_methods, reason = "the edge at which the wall clock is read")]
fn wall_clock() -> Clock {
    Clock::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}
