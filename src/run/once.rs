//! One poll, one page on stdout.

use std::io::Write;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{Misuse, causes};
use crate::cli::Cli;
use crate::exposition::{Encoding, Format};

/// Polls every account once, prints the page in text 0.0.4, and fails where a collector failed.
///
/// The page is for the textfile collector of `node_exporter`, where it stands beside that one's own metrics and other
/// such pages: so every series has an account, and nothing is said of this process, which has ended by then.
pub(super) async fn run(cli: &Cli, stop: CancellationToken) -> anyhow::Result<()> {
    let config = cli.configuration(&|name| std::env::var(name).ok()).map_err(|error| Misuse::of(&error))?;
    // A cron job beside the daemon shall print its page; only what it counts begins anew.
    let store = super::store(cli).unwrap_or_else(|error| {
        tracing::warn!(error = causes(&error), "Going on without what earlier runs counted");
        None
    });
    let exporter = super::exporter(store, stop.clone());
    let mut rounds = exporter.rounds(&config).map_err(|error| Misuse::of(&error))?;
    tokio::select! {
        () = stop.cancelled() => anyhow::bail!("stopped before the poll was over"),
        () = rounds.poll() => rounds.finish().await,
    }
    let page = exporter.published().latest().context("no account was polled")?;
    let body = page.respond(Format::Text004, Encoding::Identity, &exporter.own().text_of_accounts(), None);
    let mut out = std::io::stdout().lock();
    for piece in body {
        out.write_all(&piece).context("cannot write the page")?;
    }
    out.flush().context("cannot write the page")?;
    let failing = exporter.publisher().facts();
    let failing: Vec<String> = failing
        .into_iter()
        .filter(|(_, facts)| !facts.failing.is_empty())
        .map(|(account, facts)| format!("{account}: {}", facts.failing.join(", ")))
        .collect();
    anyhow::ensure!(failing.is_empty(), "collectors failed: {}", failing.join("; "));
    Ok(())
}
