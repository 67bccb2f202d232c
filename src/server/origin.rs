//! Whether a request is meant for us, and whether another site had a browser send it.

use http::{HeaderMap, Request, Version, header};

/// What is wrong with the request's Host (RFC 9112, 3.2; RFC 9113, 8.3.1).
pub(super) fn host_problem<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, further) = (hosts.next(), hosts.next());
    let authority = request.uri().authority().filter(|_| request.version() == Version::HTTP_2);
    match host {
        _ if further.is_some() => Some("There is more than one Host."),
        None if request.version() == Version::HTTP_11 => Some("There is no Host."),
        Some(host) if !host.as_bytes().iter().all(|byte| may_be_in_host(*byte)) => {
            Some("The Host is malformed.")
        }
        Some(host) if authority.is_some_and(|other| !same(host.as_bytes(), other.as_str().as_bytes())) => {
            Some("The Host is not the :authority.")
        }
        _ => None,
    }
}

/// Whether a browser sent this because another site told it to. Scripts say nothing about where they come from.
/// `ours` is the origin under which the exporter is known, such as `https://example.com`.
pub(super) fn is_cross_site<B>(request: &Request<B>, ours: Option<&str>) -> bool {
    let headers = request.headers();
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        return !sites.all(|site| site == "same-origin" || site == "none");
    }
    let host = host(headers).or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    let is_ours = |origin: &[u8]| {
        let origin = std::str::from_utf8(origin).unwrap_or_default();
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        let is = |own: Option<&str>, other: &str| own.is_some_and(|own| own.eq_ignore_ascii_case(other));
        is(ours, origin) || authority.is_some_and(|authority| is(host, authority))
    };
    headers.get_all(header::ORIGIN).iter().any(|origin| !is_ours(origin.as_bytes()))
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// What a host and a port are made of (RFC 3986, 3.2).
fn may_be_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = &'static [(&'static str, &'static str)];

    fn request(version: Version, target: &str, headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a valid request")
    }

    #[test]
    fn a_request_has_one_host_and_a_host_is_well_formed() {
        let table: [(Version, &str, Lines, bool); 14] = [
            (Version::HTTP_11, "/", &[("host", "exporter:10067")], true),
            (Version::HTTP_11, "/", &[("host", "[::1]:10067")], true),
            (Version::HTTP_11, "/", &[("host", "")], true),
            (Version::HTTP_11, "/", &[], false),
            (Version::HTTP_11, "http://exporter/", &[], false),
            (Version::HTTP_11, "http://exporter/", &[("host", "other")], true),
            (Version::HTTP_11, "/", &[("host", "one"), ("host", "other")], false),
            (Version::HTTP_11, "/", &[("host", "one"), ("host", "one")], false),
            (Version::HTTP_11, "/", &[("host", "one/other")], false),
            (Version::HTTP_11, "/", &[("host", "one other")], false),
            (Version::HTTP_10, "/", &[], true),
            (Version::HTTP_10, "/", &[("host", "one"), ("host", "other")], false),
            (Version::HTTP_2, "https://exporter/", &[], true),
            (Version::HTTP_2, "https://exporter/", &[("host", "other")], false),
        ];
        for (version, target, headers, fine) in table {
            let problem = host_problem(&request(version, target, headers));
            assert_eq!(problem.is_none(), fine, "{version:?} {target} {headers:?}: {problem:?}");
        }
        assert_eq!(
            host_problem(&request(Version::HTTP_2, "https://Exporter/", &[("host", "exporter")])),
            None
        );
    }

    #[test]
    fn another_site_is_known_by_what_browsers_say() {
        let ours = Some("https://example.com");
        let table: [(Lines, bool); 13] = [
            (&[], false),
            (&[("origin", "http://evil.example")], true),
            (&[("origin", "null")], true),
            (&[("origin", "")], true),
            (&[("origin", "http://exporter:10067")], false),
            (&[("origin", "http://EXPORTER:10067")], false),
            (&[("origin", "http://exporter")], true),
            (&[("origin", "https://example.com")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://exporter:10067")], true),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://as-the-proxy-sees-it")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], true),
        ];
        for (headers, expected) in table {
            let headers = [headers, &[("host", "exporter:10067")]].concat();
            let request = request(Version::HTTP_11, "/-/reload", &headers);
            assert_eq!(is_cross_site(&request, ours), expected, "{headers:?}");
        }
        let two = request(Version::HTTP_2, "https://exporter/-/reload", &[("origin", "https://exporter")]);
        assert!(!is_cross_site(&two, None));
    }
}
