//! Processes that are waited for by what they say, and that end with the test.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// What should take a second or two may take this long on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// A running process.
pub(crate) struct Process {
    child: Child,
    said: watch::Receiver<String>,
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status, `None` where a signal ended it.
    pub(crate) status: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// The program under test, with nothing of the developer's environment.
pub(crate) fn exporter(arguments: &[&str]) -> Command {
    command(Path::new(env!("CARGO_BIN_EXE_sms-exporter")), arguments)
}

/// A program with these arguments, and of the environment only PATH.
pub(crate) fn command(program: &Path, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().kill_on_drop(true).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs a program to its end.
pub(crate) async fn finish(mut command: Command) -> Ended {
    let output =
        timeout(SOON, command.output()).await.expect("the program ends").expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a program writes text");
    Ended { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Process {
    /// Starts a program.
    pub(crate) fn start(mut command: Command) -> Self {
        assert_leaves_the_port_to_the_system(&command);
        let mut child = command.spawn().expect("the program starts");
        let (saying, said) = watch::channel(String::new());
        let out = child.stdout.take().expect("stdout is piped");
        let err = child.stderr.take().expect("stderr is piped");
        let tasks = TaskTracker::new();
        tasks.spawn(listen(out, saying.clone()));
        tasks.spawn(listen(err, saying));
        Self { child, said }
    }

    /// The first line in which `find` finds something, from the start of the process.
    pub(crate) async fn line<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let found = async {
            loop {
                let heard = self.said.borrow_and_update().lines().find_map(&find);
                if let Some(heard) = heard {
                    return Some(heard);
                }
                self.said.changed().await.ok()?;
            }
        };
        let found = timeout(SOON, found).await.ok().flatten();
        found.unwrap_or_else(|| panic!("the line did not come; the process said:\n{}", self.said()))
    }

    /// The address of the log line `Listening`.
    pub(crate) async fn address(&mut self) -> String {
        self.line(|line| line.contains("Listening").then(|| word_after(line, "address=")).flatten()).await
    }

    /// The address in the line by which Prometheus and Alertmanager say where they listen.
    pub(crate) async fn listening_on(&mut self) -> String {
        self.line(|line| line.contains("Listening on").then(|| word_after(line, "address=")).flatten()).await
    }

    /// All that it said so far on both streams.
    pub(crate) fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Sends a signal such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = finish(command(Path::new("/bin/sh"), &["-c", "kill -s \"$0\" \"$1\"", name, &id])).await;
        assert_eq!(sent.status, Some(0), "{sent:?}");
    }

    /// Waits for the end for as long as given.
    pub(crate) async fn end_within(&mut self, time: Duration) -> ExitStatus {
        let end = timeout(time, self.child.wait()).await;
        end.unwrap_or_else(|_| panic!("still running after {time:?}: {}", self.said()))
            .expect("it can be waited for")
    }
}

/// Whatever listens on the default port of this machine, or on any other, is in no test's way.
fn assert_leaves_the_port_to_the_system(command: &Command) {
    let command = command.as_std();
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let listens = !arguments.iter().any(|argument| ["once", "doctor", "simulator"].contains(&&**argument));
    let free = |argument: &str| {
        // One that is started anew takes the port again that the system gave it.
        argument.starts_with("--web.listen-address=") && !argument.ends_with(":10067")
    };
    let is_ours = Path::new(command.get_program()).ends_with("sms-exporter");
    assert!(!is_ours || !listens || arguments.iter().any(|argument| free(argument)), "{arguments:?}");
}

/// What stands behind a key in a line, up to the next space.
pub(crate) fn word_after(line: &str, key: &str) -> Option<String> {
    let (_, rest) = line.split_once(key)?;
    Some(rest.split_whitespace().next()?.trim_matches('"').to_owned())
}

async fn listen(stream: impl AsyncRead + Unpin, saying: watch::Sender<String>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        saying.send_modify(|said| {
            said.push_str(&line);
            said.push('\n');
        });
    }
}
