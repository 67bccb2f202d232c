//! The metrics path: what was asked for, and the page's answer.

use super::Hooks;
use super::connections::Caller;
use super::routes::{Reply, text};
use super::slots::{Full, Slots};
use crate::exposition::{Page, negotiate};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use std::collections::HashSet;
use std::sync::Arc;

/// Which families a scrape wants, from `collect[]` and `exclude[]`.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Only(HashSet<&'static str>),
    AllBut(HashSet<&'static str>),
}

impl Wanted {
    /// # Errors
    ///
    /// A sentence for the client, when it asks for both or for a collector that there is not.
    fn parse(query: &str, hooks: &Hooks) -> Result<Self, String> {
        let (mut collect, mut exclude) = (None, None);
        for (key, collector) in form_urlencoded::parse(query.as_bytes()) {
            let set: &mut Option<HashSet<_>> = match key.as_ref() {
                "collect[]" => &mut collect,
                "exclude[]" => &mut exclude,
                _ => continue,
            };
            let families = (hooks.families)(&collector);
            let families = families.ok_or_else(|| format!("There is no collector {collector:?}."))?;
            set.get_or_insert_default().extend(families);
        }
        match (collect, exclude) {
            (None, None) => Ok(Self::All),
            (Some(only), None) => Ok(Self::Only(only)),
            (None, Some(without)) => Ok(Self::AllBut(without)),
            (Some(_), Some(_)) => Err("collect[] and exclude[] cannot be combined.".to_owned()),
        }
    }

    fn keeps(&self, family: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(families) => families.contains(family),
            Self::AllBut(families) => !families.contains(family),
        }
    }
}

/// The latest page, or before the first one the exporter's own metrics alone.
pub(super) fn scrape<B>(request: &Request<B>, hooks: &Hooks, slots: &Arc<Slots>, caller: &Caller) -> Reply {
    let wanted = match Wanted::parse(request.uri().query().unwrap_or(""), hooks) {
        Ok(wanted) => wanted,
        Err(problem) => return text(StatusCode::BAD_REQUEST, &problem),
    };
    let slot = match slots.take(caller) {
        Ok(slot) => slot,
        Err(full) => return overloaded(full),
    };
    let accept = joined(request.headers(), &header::ACCEPT);
    let accept_encoding = joined(request.headers(), &header::ACCEPT_ENCODING);
    let (format, encoding) = negotiate(accept.as_deref(), accept_encoding.as_deref());
    let keeps = |family: &str| wanted.keeps(family);
    let select: Option<&dyn Fn(&str) -> bool> = if wanted == Wanted::All { None } else { Some(&keeps) };
    let page = hooks.published.latest().unwrap_or_else(|| Arc::new(Page::default()));
    let mut response = Response::new(page.respond(format, encoding, &(hooks.own)(), select));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(coding) = encoding.content_encoding() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    Reply { response, slot: Some(slot) }
}

fn overloaded(full: Full) -> Reply {
    let (count, whose) = match full {
        Full::All(count) => (count, ""),
        Full::Peer(count) => (count, " from this address"),
        Full::Connection(count) => (count, " on this connection"),
    };
    let problem = format!("{count} scrapes{whose} are under way already, try again later.");
    text(StatusCode::SERVICE_UNAVAILABLE, &problem)
}

/// The lines of a header as one; lines that are not text are passed over.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}
