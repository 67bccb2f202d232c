//! Signals: an end, or a new configuration.

use anyhow::Context;
use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Exporter, serve};
use crate::cli::Cli;

/// Cancels `stop` at the first SIGTERM or SIGINT; a second one ends the process at once.
pub(super) fn end_on(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    TaskTracker::new().spawn(async move {
        for again in [false, true] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if again {
                std::process::exit(1);
            }
            tracing::info!(signal = name, "Stopping");
            stop.cancel();
        }
    });
    Ok(())
}

/// Reads the configuration anew at every SIGHUP until `stop`.
pub(super) fn reload_on(
    stop: CancellationToken,
    cli: Cli,
    exporter: Exporter,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let task: JoinHandle<()> = TaskTracker::new().spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => drop(serve::reload(&cli, &exporter)),
            }
        }
    });
    Ok(task.map(|ended| ended.context("the task that reloads ended badly")))
}
