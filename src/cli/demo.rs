//! Flags of the simulated service.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

/// How often the demo polls: its fleet migrates while one watches, and nobody's quota is spent.
pub const DEMO_INTERVAL: Duration = Duration::from_secs(2);

/// `demo`: the exporter against a simulated service of its own.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Demo")]
pub struct DemoOptions {
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// A simulated fleet.
#[derive(Args, Clone, Copy, Debug)]
pub struct FleetOptions {
    /// Source servers in the simulated fleet
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sources: u32,
    /// Seed of everything that happens by chance: the same seed, the same fleet
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many times faster than the clock on the wall the fleet migrates
    #[arg(long, value_name = "X", default_value_t = 60.0, value_parser = speed)]
    pub speed: f64,
    /// Source servers that leave the list in a minute by the clock on the wall, and as many that join it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub turnover: u32,
    /// Give lists no stable order: each answer is shuffled within blocks of so many
    #[arg(long, value_name = "N")]
    pub shuffle: Option<std::num::NonZeroU16>,
    /// Refuse every request (429) in the last minute of each such time, such as 5m
    #[arg(long, value_name = "DURATION", value_parser = super::poll::duration)]
    pub refuse_every: Option<Duration>,
}

/// `simulator`: the simulated service alone; prints its URL and keys.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Simulator")]
pub struct SimulatorOptions {
    /// The fleet.
    #[command(flatten)]
    pub fleet: FleetOptions,
    /// Address to listen on; port 0 lets the system choose
    #[arg(long, id = "listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen_address: SocketAddr,
    /// Time that every answer takes longer, such as 50ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = super::poll::duration)]
    pub latency: Duration,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=100_000.0).contains(speed));
    speed.ok_or_else(|| "expected a number from 0.001 to 100000".to_owned())
}
