//! Requests and the web configuration, for fuzzing.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderValue, Request, header};

use super::connections::Caller;
use super::guard::Activity;
use super::routes::Site;
use super::webconfig;
use super::{Hooks, Settings};

/// The statuses that there are without a web configuration.
const STATUSES: [u16; 5] = [200, 400, 404, 405, 503];

/// A request: method, target, `Accept` and `Accept-Encoding`, a line each.
pub(crate) fn request(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let mut request = Request::builder().method(line()).uri(line()).header(header::HOST, "exporter");
    for name in [header::ACCEPT, header::ACCEPT_ENCODING] {
        if let Ok(value) = HeaderValue::from_bytes(line()) {
            request = request.header(name, value);
        }
    }
    // What is no request at all is refused by hyper before it comes here.
    let Ok(request) = request.body(()) else { return };
    let head = request.method() == http::Method::HEAD;
    let site = Site::new(Settings { enable_lifecycle: true, ..Settings::default() }, hooks());
    let caller = Caller::alone(std::net::Ipv4Addr::LOCALHOST.into(), 0);
    let answer = site.answer(request, caller, Activity::new().begin()).now_or_never();
    let answer = answer.expect("without passwords, nothing takes time");
    assert!(STATUSES.contains(&answer.status().as_u16()), "{}", answer.status());
    let length = answer.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let sent = hyper::body::Body::size_hint(answer.body()).exact();
    assert!(head || length.map(str::to_owned) == sent.map(|sent| sent.to_string()), "{length:?} of {sent:?}");
}

fn hooks() -> Hooks {
    Hooks {
        own: Arc::new(|| "# TYPE a gauge\na 1\n# EOF\n".to_owned()),
        families: Arc::new(|name| (name == "sources").then(|| vec!["a"])),
        ..Hooks::none()
    }
}

/// A web configuration file.
pub(crate) fn web_config(data: &[u8]) {
    let Ok(yaml) = std::str::from_utf8(data) else { return };
    webconfig::fuzz(Path::new("web.yml"), yaml);
}
