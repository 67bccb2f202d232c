//! Signals: an end, or a new configuration.

use std::io;
use std::sync::Arc;

use anyhow::Context;
use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use super::{Exporter, serve};
use crate::cli::Cli;

/// Keeps SIGHUP from ending the process, from the first instruction of ours to the last.
pub(super) fn outlive_hangup() -> io::Result<()> {
    // Nobody looks at the flag: the configuration is yet to be read, and then it is the newest.
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default()).map(drop)
}

/// The SIGHUPs that come from now on.
pub(super) fn hangups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot listen for SIGHUP")
}

/// Cancels `stop` at the first SIGTERM or SIGINT, and, where nothing is to be read anew, at SIGHUP; a second one
/// ends the process at once.
pub(super) fn end_on(supervisor: &Supervisor, reloads: bool, stop: CancellationToken) -> anyhow::Result<()> {
    let listen = |kind, name| signal(kind).with_context(|| format!("cannot listen for {name}"));
    let mut signals = vec![
        ("SIGTERM", listen(SignalKind::terminate(), "SIGTERM")?),
        ("SIGINT", listen(SignalKind::interrupt(), "SIGINT")?),
    ];
    if !reloads {
        signals.push(("SIGHUP", hangups()?));
    }
    // It listens to the end of the process: nobody ever asks it to stop.
    drop(supervisor.spawn("the handling of signals", CancellationToken::new(), async move {
        for again in [false, true] {
            let next = signals.iter_mut().map(|(name, signal)| {
                Box::pin(async {
                    signal.recv().await;
                    *name
                })
            });
            let (name, ..) = select_all(next).await;
            if again {
                std::process::exit(1);
            }
            tracing::info!(signal = name, "Stopping");
            stop.cancel();
        }
    }));
    Ok(())
}

/// Reads the configuration anew at every SIGHUP until `stop`.
pub(super) async fn reload_on(mut hangups: Signal, stop: CancellationToken, cli: Cli, exporter: Exporter) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hangups.recv() => drop(serve::reload(&cli, &exporter)),
        }
    }
}
