//! A real Prometheus.

use std::path::Path;

use super::process::{Process, command};
use super::tools::tool;
use super::web::ready;

/// A Prometheus that ends with the test.
pub(super) struct Prometheus {
    /// Where it listens, such as `127.0.0.1:1234`.
    pub(super) address: String,
    _process: Process,
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
        Self { address, _process: process }
    }
}
