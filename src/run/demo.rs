//! The demo: the exporter against the simulator, through real HTTP and real signatures.

use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use super::{serve, wall_clock};
use crate::cli::{Cli, DEMO_INTERVAL, DemoOptions, FleetOptions, SimulatorOptions};
use crate::config::{Account, Config, CredentialSource, Endpoint, Region, SecretFrom, default_stale_after};
use crate::model::AccountName;
use crate::simulator::{Fault, Keys, Settings, Simulator, What, When};

/// How long every request is refused, where that was ordered.
const REFUSING: Duration = Duration::from_secs(60);

/// The simulated region.
const REGION: &str = "cn-north-4";

/// Starts the simulator, and the exporter against it.
pub(super) async fn run(
    cli: &Cli,
    options: &DemoOptions,
    hangups: Signal,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen for the simulated service")?;
    let origin = format!("http://{}", listener.local_addr().context("a listener without an address")?);
    let simulator = service(&options.fleet);
    let config = config(cli, &simulator.keys(), &origin)?;
    let supervisor = Supervisor::new(stop.clone());
    let serving = simulator.serve(listener, stop.clone());
    drop(supervisor.spawn("the simulated service", stop.clone(), serving));
    tracing::info!(
        service = origin,
        sources = options.fleet.sources,
        seed = options.fleet.seed,
        speed = options.fleet.speed,
        "The simulated service is up"
    );
    let exporter = super::exporter(super::store(cli)?, stop.clone());
    announce(cli);
    let served = serve::until_stopped(cli, exporter, &config, hangups, stop.clone()).await;
    // The simulated service would serve on where the exporter could not begin, as on a port in use.
    stop.cancel();
    supervisor.ended().await;
    served.and_then(|()| supervisor.outcome())
}

#[expect(clippy::print_stdout, reason = "the demo tells a person where to look")]
fn announce(cli: &Cli) {
    for address in &cli.web.listen_addresses {
        let host = if address.to_string().starts_with(':') { "localhost" } else { "" };
        let base = format!("http://{host}{address}{}", cli.web.route_prefix());
        println!("Metrics of a simulated fleet:  curl {base}{}", cli.web.telemetry_path);
        println!("At a glance, in a browser:     {base}/");
    }
    println!("Prometheus scrapes it with this job:");
    let targets: Vec<String> =
        cli.web.listen_addresses.iter().map(|address| format!("localhost:{}", address.port())).collect();
    println!("  - job_name: sms-exporter\n    static_configs: [{{targets: {targets:?}}}]");
    println!("It ends with Ctrl-C.");
}

/// The simulated service, with what was ordered to go wrong.
fn service(fleet: &FleetOptions) -> Simulator {
    let simulator = Simulator::new(settings(fleet));
    simulator.tune(|switches| {
        switches.turnover = fleet.turnover;
        switches.wall_pace = true;
    });
    let order = |when, what| simulator.inject(Fault { operation: None, when, what });
    if let Some(block) = fleet.shuffle {
        order(When::Always, What::Shuffle(block.get().into()));
    }
    if let Some(every) = fleet.refuse_every {
        order(When::Recurring { every, lasts: REFUSING }, What::Refuse { retry_after: None });
    }
    simulator
}

fn settings(fleet: &FleetOptions) -> Settings {
    Settings {
        sources: usize::try_from(fleet.sources).unwrap_or(usize::MAX),
        seed: fleet.seed,
        speed: fleet.speed,
        start_ms: wall_clock().now().millis(),
        region: REGION.to_owned(),
        churn: true,
    }
}

fn config(cli: &Cli, keys: &Keys, origin: &str) -> anyhow::Result<Config> {
    let secret = |text: &str| SecretFrom::Value(text.into());
    let credentials = CredentialSource::Keys {
        access_key: secret(&keys.ak),
        secret_key: secret(&keys.sk),
        security_token: keys.security_token.as_deref().map(secret),
    };
    let endpoint = Endpoint::parse(origin).context("the simulated service's own address")?;
    let mut account = Account::new(AccountName::new("demo"), Region::new(REGION)?, credentials);
    account.iam_endpoint = endpoint.clone();
    account.endpoint = endpoint;
    // Nobody's quota is spent here, and rules of new tasks should be there with the next poll.
    account.limits.requests_per_second = 500.0;
    account.limits.burst = 500;
    for (collector, on) in cli.poll.collectors.switched() {
        account.collectors.set(*collector, *on);
    }
    let poll_interval = cli.poll.interval.unwrap_or(DEMO_INTERVAL);
    let stale_after = cli.poll.stale_after.unwrap_or_else(|| default_stale_after(poll_interval));
    Ok(Config { accounts: vec![account], poll_interval, stale_after })
}

/// Runs the simulated service alone, and prints where it is and what it accepts.
#[expect(clippy::print_stdout, reason = "programs that test read it there")]
pub(super) async fn simulator(options: &SimulatorOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let address = options.listen_address;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let origin = format!("http://{}", listener.local_addr().context("a listener without an address")?);
    let simulator = service(&options.fleet);
    simulator.tune(|switches| switches.latency = options.latency);
    let Keys { ak, sk, project_id, .. } = simulator.keys();
    let variable = Region::new(REGION)?.sms_endpoint_variable();
    println!("HW_REGION_NAME={REGION}\nHUAWEICLOUD_SDK_AK={ak}\nHUAWEICLOUD_SDK_SK={sk}");
    println!(
        "HUAWEICLOUD_SDK_PROJECT_ID={project_id}\nHUAWEICLOUD_SDK_IAM_ENDPOINT={origin}\n{variable}={origin}"
    );
    simulator.serve(listener, stop).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_does_what_was_ordered_and_nothing_else() {
        let quiet =
            FleetOptions { sources: 3, seed: 1, speed: 60.0, turnover: 0, shuffle: None, refuse_every: None };
        let simulator = service(&quiet);
        assert_eq!(simulator.faults(), []);
        simulator.tune(|switches| assert_eq!((switches.turnover, switches.wall_pace), (0, true)));
        let (block, every) = (std::num::NonZeroU16::new(7), Duration::from_secs(300));
        let simulator =
            service(&FleetOptions { turnover: 75, shuffle: block, refuse_every: Some(every), ..quiet });
        simulator.tune(|switches| assert_eq!(switches.turnover, 75));
        let when = When::Recurring { every, lasts: Duration::from_secs(60) };
        let refusals = Fault { operation: None, when, what: What::Refuse { retry_after: None } };
        assert_eq!(simulator.faults(), [Fault::everywhere(What::Shuffle(7)), refusals]);
    }
}
