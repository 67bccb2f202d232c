//! The web side through real sockets.

pub(in crate::server) mod certs;
mod client;
mod limits;
mod plain;
mod secured;
mod streams;

use super::*;
use crate::exposition::{Block, Desc, Kind, Labels, Page, Samples};
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SOURCES: Desc = Desc { name: "t_sources", help: "Sources.", unit: None, kind: Kind::Gauge };
const TASKS: Desc = Desc { name: "t_tasks", help: "Tasks.", unit: None, kind: Kind::Gauge };
const OWN: &str = "# HELP own_polls Polls.\n# TYPE own_polls counter\nown_polls_total 3\n# EOF\n";
const OWN_TEXT: &str = "# HELP own_polls_total Polls.\n# TYPE own_polls_total counter\nown_polls_total 3\n";

/// Longer than anything here takes, shorter than anyone's patience.
const SOON: Duration = Duration::from_secs(60);

type Answers = Arc<Mutex<Vec<(&'static str, u16)>>>;

/// A server on a port of its own.
struct Running {
    address: SocketAddr,
    published: Published,
    answers: Answers,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ListenError>>,
}

impl Running {
    fn start(settings: Settings) -> Self {
        Self::start_with(settings, |_| {})
    }

    #[expect(clippy::disallowed_methods, reason = "the test waits for the task itself")]
    fn start_with(settings: Settings, change: impl FnOnce(&mut Hooks)) -> Self {
        let listener = bind("127.0.0.1:0", Ok(vec![([127, 0, 0, 1], 0).into()])).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (published, answers, stop) = (Published::default(), Answers::default(), CancellationToken::new());
        let mut hooks = hooks(published.clone(), Arc::clone(&answers));
        change(&mut hooks);
        let serving = tokio::spawn(serve(vec![listener], settings, hooks, stop.clone()));
        Self { address, published, answers, stop, serving }
    }

    /// The server must end by itself, and soon.
    async fn end(self) {
        self.stop.cancel();
        let ended = timeout(SOON, self.serving).await.expect("it ends within the grace period");
        ended.expect("it does not panic").expect("it ends well");
    }
}

fn hooks(published: Published, answers: Answers) -> Hooks {
    let has_data = published.clone();
    Hooks {
        ready: Arc::new(move || {
            has_data.latest().map(|_| ()).ok_or_else(|| vec!["prod: sources not answered yet".to_owned()])
        }),
        published,
        own: Arc::new(|| OWN.to_owned()),
        landing: Arc::new(|| Landing { version: "<1>".to_owned(), ..Landing::default() }),
        families: Arc::new(|collector| match collector {
            "sources" => Some(vec![SOURCES.name]),
            "tasks" => Some(vec![TASKS.name]),
            _ => None,
        }),
        answered: Arc::new(move |path, code| answers.lock().unwrap().push((path, code))),
        ..Hooks::none()
    }
}

/// Two families of one sample each.
fn small_page() -> Page {
    let family = |desc: &'static Desc, value: u64| {
        let mut samples = Samples::new(desc);
        samples.push(&Labels::default(), &[], value);
        (desc, vec![Block::seal(samples, None)])
    };
    Page::new(vec![family(&SOURCES, 1), family(&TASKS, 2)])
}

const SMALL_TEXT: &str = "# HELP t_sources Sources.\n# TYPE t_sources gauge\nt_sources 1\n\
    # HELP t_tasks Tasks.\n# TYPE t_tasks gauge\nt_tasks 2\n";

/// One that no socket's buffers hold.
pub(in crate::server) fn big_page() -> Page {
    let mut samples = Samples::new(&SOURCES);
    let lines = b"t_sources{name=\"a line like any other, and another, and another\"} 1\n".repeat(500_000);
    samples.append(&lines, 500_000);
    Page::new(vec![(&SOURCES, vec![Block::seal(samples, None)])])
}
