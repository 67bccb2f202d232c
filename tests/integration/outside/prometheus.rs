//! A real Prometheus.

use std::path::Path;
use std::time::Duration;

use super::process::{Process, command};
use super::tools::tool;
use super::web::ready;

/// A Prometheus that ends with the test.
pub(super) struct Prometheus {
    /// Where it listens, such as `127.0.0.1:1234`.
    pub(super) address: String,
    process: Process,
}

impl Prometheus {
    /// Starts it with a configuration, whose files are sought in the directory where its data go too, and waits
    /// until it is ready.
    pub(super) async fn start(directory: &Path, config: &str, flags: &[&str]) -> Self {
        Self::of(&tool("prometheus"), directory, config, flags).await
    }

    /// As [`Self::start`], of another version.
    pub(super) async fn of(program: &Path, directory: &Path, config: &str, flags: &[&str]) -> Self {
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, config).expect("the configuration is written");
        let mut arguments = vec![
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", directory.join("prometheus").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ];
        arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        let mut process = Process::start(command(program, &arguments));
        let address = process.listening_on().await;
        ready(&address).await;
        Self { address, process }
    }

    /// Ends it as a service manager does; what it has written stays.
    pub(super) async fn stop(mut self) {
        self.process.signal("TERM").await;
        self.process.end_within(Duration::from_secs(60)).await;
    }
}
