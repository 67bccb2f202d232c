//! How an answer goes over the wire, whole or broken.

use std::convert::Infallible;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{self, Stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;

use super::answer::{Answer, Body};
use super::fault::What;

/// A body that may break off.
pub(super) type WireBody = UnsyncBoxBody<Bytes, io::Error>;

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset, as ordered")]
pub(super) struct Broken;

/// So that what came before the end of a broken body is on its way before the connection goes.
const FLUSH: Duration = Duration::from_millis(20);

/// Encodes an answer, compressed when the client takes gzip.
pub(super) fn response(
    answer: Answer,
    faults: &[What],
    list_key: Option<&str>,
    gzip: bool,
) -> Response<WireBody> {
    let (bytes, json) = match answer.body {
        Body::Json(json) => (json.to_string().into_bytes(), true),
        Body::Bytes(bytes) => (bytes, false),
    };
    let mut builder = Response::builder()
        .status(answer.status)
        .header("Server", "api-gateway")
        .header("X-Request-Id", request_id(&bytes));
    if json {
        builder = builder.header("Content-Type", "application/json");
    }
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    let wrong = faults.contains(&What::WrongContentEncoding);
    // What never ends is made as it goes, and not compressed.
    let endless = faults.contains(&What::EndlessBody);
    let compress = gzip && !wrong && !endless && !bytes.is_empty();
    if compress || wrong {
        builder = builder.header("Content-Encoding", "gzip");
    }
    let mut bytes = Bytes::from(if compress { deflate(&bytes) } else { bytes });
    let mut broken = None;
    for what in faults {
        if let What::HugeHeader(size) = what {
            builder = builder.header("X-Huge", "x".repeat(*size));
        } else if let What::TruncateBody(keep) = what {
            builder = builder.header("Content-Length", bytes.len().to_string());
            broken = Some(truncated(bytes.split_to((*keep).min(bytes.len()))));
        } else if let What::TrickleBody(rate) = what {
            broken = Some(trickling(bytes.clone(), (*rate).max(1)));
        } else if *what == What::EndlessBody {
            broken = Some(without_end(list_key.unwrap_or("source_servers")));
        }
    }
    let body = broken.unwrap_or_else(|| Full::new(bytes).map_err(never).boxed_unsync());
    builder.body(body).expect("a fault's headers are valid")
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

/// Thirty-two hex digits that differ between answers, mostly.
fn request_id(bytes: &[u8]) -> String {
    let checksum = crc32fast::hash(bytes);
    format!("{checksum:08x}{:024x}", bytes.len())
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("writing to a Vec cannot fail");
    encoder.finish().expect("writing to a Vec cannot fail")
}

fn body(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> WireBody {
    use futures_util::StreamExt;
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

fn truncated(kept: Bytes) -> WireBody {
    body(stream::unfold(Some(kept), |kept| async move {
        match kept {
            // The state after the part that is kept is an empty part, and then nothing.
            Some(kept) if !kept.is_empty() => Some((Ok(kept), Some(Bytes::new()))),
            Some(_) => {
                tokio::time::sleep(FLUSH).await;
                Some((Err(io::Error::other("the body breaks off, as ordered")), None))
            }
            None => None,
        }
    }))
}

fn trickling(bytes: Bytes, rate: usize) -> WireBody {
    body(stream::unfold(bytes, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let chunk = left.split_to(rate.min(left.len()));
        Some((Ok(chunk), left))
    }))
}

fn without_end(list_key: &str) -> WireBody {
    let begin = Bytes::from(format!(r#"{{"count":1,"{list_key}":[{{"id":"0"}}"#));
    let more = Bytes::from(r#",{"id":"1"}"#.repeat(6000));
    body(stream::unfold(begin, move |next| {
        let more = more.clone();
        async move { Some((Ok(next), more)) }
    }))
}
