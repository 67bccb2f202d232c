//! One poll, one page on stdout.

use std::io::Write;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::Misuse;
use crate::cli::Cli;
use crate::exposition::{Encoding, Format};

/// Polls every account once, prints the page in text 0.0.4, and fails where a collector failed.
pub(super) async fn run(cli: &Cli, stop: CancellationToken) -> anyhow::Result<()> {
    let config = cli.configuration(&|name| std::env::var(name).ok()).map_err(Misuse::from_display)?;
    let exporter = super::exporter(cli, stop.clone());
    let mut rounds = exporter.rounds(&config).map_err(Misuse::from_display)?;
    tokio::select! {
        () = stop.cancelled() => anyhow::bail!("stopped before the poll was over"),
        () = rounds.poll() => rounds.finish().await,
    }
    let page = exporter.published().latest().context("no account was polled")?;
    let body = page.respond(Format::Text004, Encoding::Identity, &exporter.own().text(), None);
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
