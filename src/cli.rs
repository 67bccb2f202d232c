//! The command line: what was typed, as types.
//!
//! Flags are in the manner of Prometheus' own exporters, long and with dots. They may stand before
//! or after a command. What they mean for the accounts is [`crate::config`]'s to say.

mod check;
mod collectors;
mod demo;
mod estimate;
pub mod log;
mod poll;
mod version;
mod web;

pub use check::{CheckError, Examiners, check, doubts};
pub use collectors::CollectorFlags;
pub use demo::{DEMO_INTERVAL, DemoOptions, FleetOptions, SimulatorOptions};
pub use estimate::{Estimate, Pace, idle_patterns};
pub use log::LogOptions;
pub use poll::{ConfigOptions, PollOptions};
pub use version::{BUILD, Build, version};
pub use web::{ExternalUrl, ListenAddress, ListenAddressError, WebOptions};

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, ConfigErrors, Environment, Overrides};
use crate::metrics::label_names;

/// The name that people call the program by.
const NAME: &str = "sms-exporter";

const ABOUT: &str = "\
Prometheus exporter for Huawei Cloud's Server Migration Service (SMS): polls the service, read-only,
and serves what it read on http://localhost:10067/metrics.";

const AFTER_HELP: &str = "\
Examples:
  sms-exporter demo
      Needs no account: a simulated fleet that migrates while one watches.
  HUAWEICLOUD_SDK_AK=… HUAWEICLOUD_SDK_SK=… sms-exporter --region=ap-southeast-3
      One account, from the environment alone.
  sms-exporter --config.file=sms-exporter.yml --log.format=json
      Accounts, regions and everything else from a file.
  sms-exporter --config.file=sms-exporter.yml --config.check
      Says \"ok\", or what is wrong in which line, and ends with status 0 or 2.

Environment (without a file, and for accounts in it that use the vendor's credential chain):
  Keys       HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK, HUAWEICLOUD_SDK_SECURITY_TOKEN,
             or HW_ACCESS_KEY, HW_SECRET_KEY, HW_SECURITY_TOKEN, or CLOUD_SDK_AK, CLOUD_SDK_SK
  Region     HW_REGION_NAME, where there is no --region
  Project    HUAWEICLOUD_SDK_PROJECT_ID or HW_PROJECT_ID; else found by the region's name
  Endpoints  HUAWEICLOUD_SDK_REGION_SMS_<REGION>, HUAWEICLOUD_SDK_IAM_ENDPOINT
  Proxy      HTTPS_PROXY, NO_PROXY";

/// What was typed.
#[derive(Clone, Debug, Parser)]
#[command(name = NAME, version, about = ABOUT, after_help = AFTER_HELP, max_term_width = 100)]
#[command(subcommand_help_heading = "Commands", disable_help_subcommand = true)]
pub struct Cli {
    /// What to do; to serve metrics, where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigOptions,
    /// What is polled, and how.
    #[command(flatten)]
    pub poll: PollOptions,
    /// How metrics are served.
    #[command(flatten)]
    pub web: WebOptions,
    /// How events are logged.
    #[command(flatten)]
    pub log: LogOptions,
}

/// What to do other than to serve metrics.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve the metrics of a simulated fleet; needs no account
    Demo(DemoOptions),
    /// Poll once, print the page, and end: for cron and the textfile collector
    Once,
    /// Check each account step by step, and say what to do about each failure
    Doctor,
    /// Run only the simulated service, for tests of other programs
    #[command(hide = true)]
    Simulator(SimulatorOptions),
}

/// Why the command line leads to no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Help or version was asked for: print it and end with status 0.
    Shown(String),
    /// What was typed is wrong: tell this line and end with status 2.
    Refused(String),
}

impl Stop {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Shown(_) => 0,
            Self::Refused(_) => 2,
        }
    }
}

impl Cli {
    /// Reads the arguments, of which the first is the program's name.
    ///
    /// # Errors
    ///
    /// Help, the version, or one line that says what is wrong.
    pub fn read<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Result<Self, Stop> {
        let matches = command().try_get_matches_from(arguments).map_err(|error| stop(&error))?;
        let cli = Self::from_arg_matches(&matches).map_err(|error| stop(&error))?;
        cli.refuse_what_does_not_apply()?;
        Ok(cli)
    }

    /// The configuration: the file's, or the environment's where no file is named.
    ///
    /// # Errors
    ///
    /// See [`Config::load`] and [`Config::from_environment`].
    pub fn configuration(&self, environment: &Environment<'_>) -> Result<Config, ConfigErrors> {
        match &self.config.file {
            Some(file) => Config::load(file, environment, &self.overrides(), &label_names()),
            None => Config::from_environment(environment, &self.overrides()),
        }
    }

    /// What the flags say over the file.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            region: self.poll.region.clone(),
            poll_interval: self.poll.interval,
            stale_after: self.poll.stale_after,
            collectors: self.poll.collectors.switched().to_vec(),
            credentials: self.poll.credentials,
        }
    }

    /// Refuses flags that a command would have to ignore.
    fn refuse_what_does_not_apply(&self) -> Result<(), Stop> {
        let refuse = |command: &str, flag: &str, reason: &str| {
            Err(Stop::Refused(format!("{NAME}: {flag} does not apply to {command}, {reason}")))
        };
        let simulated = match &self.command {
            Some(Command::Demo(_)) => "demo",
            Some(Command::Simulator(_)) => "simulator",
            Some(Command::Once) if self.config.check => {
                return refuse("once", "--config.check", "use it alone");
            }
            Some(Command::Doctor) if self.config.check => {
                return refuse("doctor", "--config.check", "use it alone");
            }
            Some(Command::Once | Command::Doctor) | None => return Ok(()),
        };
        let said = [
            ("--config.file", self.config.file.is_some()),
            ("--config.check", self.config.check),
            ("--region", self.poll.region.is_some()),
            ("--credentials.source", self.poll.credentials.is_some()),
        ];
        match said.into_iter().find(|(_, said)| *said) {
            Some((flag, _)) => refuse(simulated, flag, "which brings its own account"),
            None => Ok(()),
        }
    }
}

/// Flags that name an account, which the simulated commands bring themselves.
const OF_ACCOUNTS: [&str; 4] = ["config.file", "config.check", "region", "credentials.source"];

/// All flags and commands, each with the help that applies to it.
fn command() -> clap::Command {
    let mut command = Cli::command();
    // Only a command that is built knows which flags came down to its subcommands.
    command.build();
    let hide = |argument: clap::Arg| {
        let of_accounts = OF_ACCOUNTS.contains(&argument.get_id().as_str());
        if of_accounts { argument.hide(true) } else { argument }
    };
    let hide_all = |command: clap::Command| command.mut_args(hide);
    let of_the_demo = |argument: clap::Arg| match argument.get_id().as_str() {
        "poll.interval" => {
            let default = humantime::format_duration(DEMO_INTERVAL);
            argument.help(format!("Time between two polls, such as 30s or 1m [default: {default}]"))
        }
        "poll.stale-after" => {
            argument.help("Age at which data that cannot be read anew disappears [default: 15m]")
        }
        _ => argument,
    };
    let demo = |command: clap::Command| hide_all(command).mut_args(of_the_demo);
    command.mut_subcommand("demo", demo).mut_subcommand("simulator", hide_all)
}

/// What clap has to say, in our form.
fn stop(error: &clap::Error) -> Stop {
    let text = error.render().to_string();
    let kind = error.kind();
    if kind == ErrorKind::DisplayVersion {
        return Stop::Shown(version());
    }
    if !error.use_stderr() {
        return Stop::Shown(text);
    }
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told: Vec<_> = told.filter(|line| !line.is_empty() && !line.starts_with("For more")).collect();
    let told = told.join(" ").replace(" tip: ", ", ");
    Stop::Refused(format!("{NAME}: {}; try --help", told.strip_prefix("error: ").unwrap_or(&told)))
}

#[cfg(test)]
mod tests;
