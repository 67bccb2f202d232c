use std::path::Path;
use std::time::Duration;

use clap::CommandFactory;

use super::*;
use crate::cli::log::{Format, Level};
use crate::config::{CredentialKind, Region};
use crate::model::Collector;

fn read(arguments: &[&str]) -> Result<Cli, Stop> {
    Cli::read(std::iter::once(NAME).chain(arguments.iter().copied()))
}

fn refused(arguments: &[&str]) -> String {
    match read(arguments) {
        Err(Stop::Refused(line)) => line,
        other => panic!("expected a refusal of {arguments:?}, not {other:?}"),
    }
}

/// The help that arguments ask for, in 100 columns whatever the terminal.
fn help(arguments: &[&str]) -> String {
    let arguments = std::iter::once(NAME).chain(arguments.iter().copied());
    command().term_width(100).try_get_matches_from(arguments).unwrap_err().to_string()
}

#[test]
fn clap_finds_no_fault_with_the_flags() {
    Cli::command().debug_assert();
    command().debug_assert();
}

#[test]
fn the_help_is_what_a_stranger_reads() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn the_demos_help_shows_its_own_flags_and_none_of_accounts() {
    insta::assert_snapshot!(help(&["demo", "--help"]));
}

#[test]
fn every_flag_and_command_says_what_it_is_for() {
    let command = Cli::command();
    let commands = std::iter::once(&command).chain(command.get_subcommands());
    for command in commands {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for flag in command.get_arguments() {
            assert!(flag.get_help().is_some(), "{} {}", command.get_name(), flag.get_id());
        }
    }
}

#[test]
fn nothing_typed_is_the_defaults() {
    let cli = read(&[]).unwrap();
    assert!(cli.command.is_none() && cli.config.file.is_none() && !cli.config.check);
    assert_eq!(cli.web.listen_addresses, [":10067".parse().unwrap()]);
    assert_eq!(cli.web.telemetry_path, "/metrics");
    assert_eq!(cli.web.max_requests, 40);
    assert!(!cli.web.enable_lifecycle && !cli.web.systemd_socket);
    assert_eq!((cli.log.level, cli.log.format), (Level::Info, Format::Text));
    assert_eq!(cli.overrides(), Overrides::default());
}

#[test]
fn flags_are_read_with_and_without_an_equals_sign() {
    let cli = read(&[
        "--web.listen-address=:1",
        "--web.listen-address",
        "[::1]:2",
        "--config.file=a.yml",
        "--web.config.file",
        "web.yml",
        "--poll.interval=1m",
        "--poll.stale-after=3m",
        "--region=cn-north-4",
        "--credentials.source=ecs_agency",
        "--storage.path=/var/lib/sms-exporter",
        "--log.level=debug",
        "--log.format=json",
        "--web.enable-lifecycle",
        "--web.max-requests=0",
    ])
    .unwrap();
    assert_eq!(cli.web.listen_addresses, [":1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(cli.config.file.as_deref(), Some("a.yml".as_ref()));
    assert_eq!(cli.web.config_file.as_deref(), Some("web.yml".as_ref()));
    assert_eq!(cli.poll.storage.as_deref(), Some("/var/lib/sms-exporter".as_ref()));
    assert!(cli.web.enable_lifecycle && cli.web.max_requests == 0);
    assert_eq!((cli.log.level, cli.log.format), (Level::Debug, Format::Json));
    let overrides = cli.overrides();
    assert_eq!(overrides.region.as_ref().map(Region::as_str), Some("cn-north-4"));
    assert_eq!(overrides.poll_interval, Some(Duration::from_secs(60)));
    assert_eq!(overrides.stale_after, Some(Duration::from_secs(180)));
    assert_eq!(overrides.credentials, Some(CredentialKind::EcsAgency));
}

#[test]
fn flags_may_stand_before_and_after_a_command() {
    for arguments in [["--log.level=warn", "demo"], ["demo", "--log.level=warn"]] {
        let cli = read(&arguments).unwrap();
        assert_eq!(cli.log.level, Level::Warn, "{arguments:?}");
        assert!(matches!(cli.command, Some(Command::Demo(_))));
    }
    let cli = read(&["--web.listen-address=:1", "once", "--config.file=a.yml"]).unwrap();
    assert_eq!(cli.web.listen_addresses, [":1".parse().unwrap()]);
    assert!(cli.config.file.is_some() && matches!(cli.command, Some(Command::Once)));
}

#[test]
fn collectors_are_switched_and_of_two_contrary_flags_the_last_counts() {
    let switched = |arguments: &[&str]| read(arguments).unwrap().overrides().collectors;
    assert_eq!(switched(&["--no-collector.errors"]), [(Collector::Errors, false)]);
    let contrary = ["--no-collector.speed_limits", "--collector.speed_limits"];
    assert_eq!(switched(&contrary), [(Collector::SpeedLimits, true)]);
    let contrary = ["doctor", "--collector.tasks", "--no-collector.tasks"];
    assert_eq!(switched(&contrary), [(Collector::Tasks, false)]);
    for collector in Collector::ALL {
        let flag = format!("--collector.{}", collector.label());
        assert_eq!(switched(&[&flag]), [(collector, true)]);
    }
}

#[test]
fn the_demo_and_the_simulator_have_a_fleet() {
    let Some(Command::Demo(demo)) = read(&["demo", "--sources=7", "--speed", "0.5"]).unwrap().command else {
        panic!("this is the demo")
    };
    assert_eq!((demo.fleet.sources, demo.fleet.seed, demo.fleet.speed), (7, 1, 0.5));
    let arguments = ["simulator", "--listen-address=127.0.0.1:9", "--latency=50ms", "--seed=3"];
    let Some(Command::Simulator(simulator)) = read(&arguments).unwrap().command else {
        panic!("this is the simulator")
    };
    assert_eq!((simulator.fleet.sources, simulator.fleet.seed, simulator.fleet.speed), (40, 3, 60.0));
    assert_eq!(simulator.listen_address.port(), 9);
    assert_eq!(simulator.latency, Duration::from_millis(50));
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    let cases: [&[&str]; 14] = [
        &["--web.listen-adress=:1"],
        &["--web.listen-address=10067"],
        &["--web.telemetry-path=metrics"],
        &["--web.max-requests=-1"],
        &["--poll.interval=500ms"],
        &["--poll.interval"],
        &["--poll.stale-after=soon"],
        &["--region=CN"],
        &["--credentials.source=vault"],
        &["--log.level=trace"],
        &["serve"],
        &["demo", "--speed=0"],
        &["demo", "--config.file=a.yml"],
        &["doctor", "--config.check"],
    ];
    let told: Vec<_> = cases.iter().map(|arguments| refused(arguments)).collect();
    assert!(told.iter().all(|line| line.lines().count() == 1), "{told:#?}");
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn help_and_version_are_shown_with_status_0_and_errors_end_with_2() {
    assert_eq!(read(&["--version"]).unwrap_err(), Stop::Shown(version()));
    let help = read(&["--help"]).unwrap_err();
    assert!(matches!(&help, Stop::Shown(text) if text.contains("Usage:")), "{help:?}");
    assert_eq!((help.status(), read(&["--nonsense"]).unwrap_err().status()), (0, 2));
}

#[test]
fn a_check_says_ok_and_what_would_be_run() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config/full.yml");
    let cli = read(&["--config.check", "--config.file", file]).unwrap();
    let environment = |name: &str| name.starts_with("PROD_").then(|| "http://proxy:3128".to_owned());
    let examiners = Examiners { web: |_: &Path| Ok(()), storage: |_: &Path| Ok(None) };
    insta::assert_snapshot!(check(&cli, &environment, examiners).unwrap());
}

#[test]
fn a_check_tells_what_is_wrong_with_both_files_and_the_directory() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config/absent.yml");
    let cli = read(&["--config.file", file, "--web.config.file=web.yml", "--storage.path=/x"]).unwrap();
    let examiners = Examiners {
        web: |web: &Path| Err(format!("{}:1: no", web.display())),
        storage: |path: &Path| Err(format!("no {}", path.display())),
    };
    let error = check(&cli, &|_| None, examiners).unwrap_err();
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0]
            .ends_with("absent.yml: the file: cannot be read (no such file); expected a configuration file")
    );
    assert_eq!(lines[1..], ["web.yml:1: no", "command line: --storage.path: no /x"]);
}
