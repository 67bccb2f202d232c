//! The exporter behind its web side, until it is told to stop.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use super::{Exporter, GRACE, Misuse, causes, signals, systemd, watch};
use crate::cli::{BUILD, Cli, ExternalUrl};
use crate::config::{Config, ConfigErrors};
use crate::metrics::{Subject, all};
use crate::model::Collector;
use crate::server::{self, Hooks, Landing, LandingAccount, Limits, Settings};
use crate::storage::Store;

/// The exporter of the accounts that are configured.
pub(super) async fn run(cli: &Cli, hangups: Signal, stop: CancellationToken) -> anyhow::Result<()> {
    let config = cli.configuration(&|name| std::env::var(name).ok()).map_err(|error| Misuse::of(&error))?;
    let exporter = super::exporter(super::store(cli)?, stop.clone());
    until_stopped(cli, exporter, &config, hangups, stop).await
}

/// Polls these accounts, and serves the page where the command line says. What cannot be served is said before
/// the first request to the service is made.
pub(super) async fn until_stopped(
    cli: &Cli,
    exporter: Exporter,
    config: &Config,
    hangups: Signal,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let settings = settings(cli)?;
    let listeners = listeners(cli)?;
    exporter.apply(config).map_err(|error| Misuse::of(&error))?;
    tell_doubts(config);
    tell_storage(cli.poll.storage.as_deref());
    let supervisor = exporter.supervisor();
    let reloading = signals::reload_on(hangups, stop.clone(), cli.clone(), exporter.clone());
    drop(supervisor.spawn("the reloading of the configuration", stop.clone(), reloading));
    let watching = watch::run(exporter.clone(), stop.clone());
    drop(supervisor.spawn("the watch over polling", stop.clone(), watching));
    systemd::ready();
    let served = server::serve(listeners, settings, hooks(cli, &exporter), stop.clone()).await;
    stop.cancel();
    systemd::stopping();
    let ended = tokio::time::timeout(GRACE, exporter.ended()).await;
    // What ended unasked is why all the rest ends.
    supervisor.outcome()?;
    served?;
    ended.context("polling outlived the grace period")?;
    tracing::info!("Stopped");
    Ok(())
}

fn listeners(cli: &Cli) -> anyhow::Result<Vec<std::net::TcpListener>> {
    if cli.web.systemd_socket {
        return Ok(server::activated()?);
    }
    let bind = |address: &crate::cli::ListenAddress| server::bind(&address.to_string(), address.candidates());
    Ok(cli.web.listen_addresses.iter().map(bind).collect::<Result<_, _>>()?)
}

fn settings(cli: &Cli) -> anyhow::Result<Settings> {
    let web = cli.web.config_file.as_deref().map(server::webconfig::WebConfig::load);
    Ok(Settings {
        telemetry_path: cli.web.telemetry_path.clone(),
        route_prefix: cli.web.route_prefix().to_owned(),
        external_origin: cli.web.external_url.as_ref().and_then(ExternalUrl::origin),
        enable_lifecycle: cli.web.enable_lifecycle,
        limits: Limits {
            connections: cli.web.max_connections,
            scrapes: cli.web.max_requests,
            ..Limits::default()
        },
        web: web.transpose().map_err(|error| Misuse::of(&error))?.map(Arc::new),
        ..Settings::default()
    })
}

fn hooks(cli: &Cli, exporter: &Exporter) -> Hooks {
    let [own, counted, open, evicted] = std::array::from_fn(|_| exporter.own().clone());
    let (facts, watched, reloaded) = (exporter.clone(), exporter.clone(), (cli.clone(), exporter.clone()));
    Hooks {
        published: exporter.published().clone(),
        own: Arc::new(move || own.text()),
        landing: Arc::new(move || landing(&facts)),
        families: Arc::new(families_of),
        ready: {
            let publisher = exporter.publisher().clone();
            Arc::new(move || publisher.ready())
        },
        answered: Arc::new(move |path, code| counted.served(path, code)),
        connections: Arc::new(move |count| open.connections(count)),
        evicted: Arc::new(move |resource| evicted.evicted(resource)),
        healthy: Arc::new(move || watch::health(&watched)),
        reload: Arc::new(move || {
            let (cli, exporter) = reloaded.clone();
            Box::pin(async move { reload(&cli, &exporter).map_err(|error| causes(&error)) })
        }),
    }
}

/// Says what is hardly meant, once for each configuration.
fn tell_doubts(config: &Config) {
    for (account, doubt) in config.doubts() {
        tracing::warn!(account = account.as_str(), "{doubt}");
    }
    for account in &config.accounts {
        for doubt in crate::cli::doubts(account) {
            tracing::warn!(account = account.name.as_str(), "{doubt}");
        }
    }
}

/// Says what will keep counters and states from surviving a restart.
fn tell_storage(directory: Option<&Path>) {
    match directory.map(|directory| Store::new(directory).examine()) {
        Some(Err(error)) => tracing::warn!("--storage.path: {}; going on without", super::causes(&error)),
        Some(Ok(Some(doubt))) => tracing::warn!("--storage.path: {doubt}"),
        Some(Ok(None)) | None => {}
    }
}

/// Reads the configuration anew: all of it is used, or nothing.
pub(super) fn reload(cli: &Cli, exporter: &Exporter) -> Result<(), ReloadError> {
    let result =
        cli.configuration(&|name| std::env::var(name).ok()).map_err(ReloadError::Config).and_then(|config| {
            exporter.apply(&config).map_err(ReloadError::Account)?;
            tell_doubts(&config);
            Ok(())
        });
    match &result {
        Ok(()) => tracing::info!("Configuration loaded"),
        Err(error) => {
            exporter.reload_failed();
            let error = causes(error);
            tracing::error!(error, "Configuration not loaded; going on with the old one");
        }
    }
    result
}

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    /// The file or the environment is wrong.
    #[error(transparent)]
    Config(ConfigErrors),
    /// An account cannot be set up.
    #[error(transparent)]
    Account(super::account::AccountError),
}

/// The families that a collector makes, for `collect[]` and `exclude[]`.
fn families_of(collector: &str) -> Option<Vec<&'static str>> {
    let collector = Collector::from_label(collector)?;
    let families = all()
        .iter()
        .filter(|entry| entry.collector() == Some(collector) || entry.subject == Subject::Exporter);
    Some(families.map(|entry| entry.desc.name).collect())
}

fn landing(exporter: &Exporter) -> Landing {
    let account = |(name, facts): (crate::model::AccountName, crate::poll::AccountFacts)| LandingAccount {
        name: name.to_string(),
        note: match facts.failing.as_slice() {
            [] => format!("{} tasks; all collectors work.", facts.tasks),
            failing => format!("{} tasks; failing: {}.", facts.tasks, failing.join(", ")),
        },
        counts: facts.sources.into_iter().map(|(state, count)| (state.to_owned(), count)).collect(),
    };
    Landing {
        version: BUILD.version.to_owned(),
        accounts: exporter.publisher().facts().into_iter().map(account).collect(),
        links: Vec::new(),
    }
}
