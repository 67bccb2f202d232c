//! Flags about how metrics are served.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args};

/// How metrics are served.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Web")]
pub struct WebOptions {
    /// Addresses to listen on; never empty.
    #[arg(help = "Address to listen on: :port, host:port or [::1]:port; may be repeated")]
    #[arg(long = "web.listen-address", id = "web.listen-address", value_name = "ADDRESS", global = true)]
    #[arg(default_value = ":10067", action = ArgAction::Append)]
    pub listen_addresses: Vec<ListenAddress>,
    /// Path of the metrics
    #[arg(long = "web.telemetry-path", id = "web.telemetry-path", value_name = "PATH", global = true)]
    #[arg(default_value = "/metrics", value_parser = telemetry_path)]
    pub telemetry_path: String,
    /// URL under which others reach the exporter; its path is the default of --web.route-prefix
    #[arg(long = "web.external-url", id = "web.external-url", value_name = "URL", global = true)]
    pub external_url: Option<ExternalUrl>,
    /// What every path begins with; by default the path of --web.external-url
    #[arg(long = "web.route-prefix", id = "web.route-prefix", value_name = "PATH", global = true)]
    #[arg(value_parser = route_prefix)]
    route_prefix: Option<String>,
    /// File with TLS and passwords, in the format of Prometheus' exporter-toolkit
    #[arg(long = "web.config.file", id = "web.config.file", value_name = "FILE", global = true)]
    pub config_file: Option<PathBuf>,
    /// Let POST /-/reload read the configuration anew, as SIGHUP does
    #[arg(long = "web.enable-lifecycle", id = "web.enable-lifecycle", global = true)]
    pub enable_lifecycle: bool,
    /// Use the sockets that systemd hands over instead of listening on addresses
    #[arg(long = "web.systemd-socket", id = "web.systemd-socket", global = true)]
    pub systemd_socket: bool,
    /// Connections that are open at once at most; for a further one the one idle longest is closed
    #[arg(long = "web.max-connections", id = "web.max-connections", value_name = "N", global = true)]
    #[arg(default_value = "512", value_parser = max_connections)]
    pub max_connections: usize,
    /// Scrapes that are answered at once at most, half of them to one address; 0 sets no bound
    #[arg(long = "web.max-requests", id = "web.max-requests", value_name = "N", global = true)]
    #[arg(default_value = "40", value_parser = max_requests)]
    pub max_requests: usize,
}

impl WebOptions {
    /// What every path begins with: empty, or a path without a slash at its end.
    #[must_use]
    pub fn route_prefix(&self) -> &str {
        let external = || self.external_url.as_ref().map_or("", |url| &url.path);
        self.route_prefix.as_deref().unwrap_or_else(external)
    }
}

/// The URL under which others reach the exporter, as Prometheus takes it: a whole one, or a path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    /// Scheme, host and port, such as `https://example.com`.
    origin: Option<String>,
    /// Empty, or a path without a slash at its end.
    path: String,
}

impl ExternalUrl {
    /// Scheme, host and port, such as `https://example.com`.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        self.origin.clone()
    }
}

impl FromStr for ExternalUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str =
            "expected a URL such as https://example.com/sms, without a user, a query or a fragment";
        if text.starts_with('/') {
            return route_prefix(text).map(|path| Self { origin: None, path }).map_err(|_| EXPECTED);
        }
        let url = text.parse::<http::Uri>().map_err(|_| EXPECTED)?;
        let authority = url.authority().map(http::uri::Authority::as_str).filter(|one| !one.contains('@'));
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (url.scheme_str(), authority) else {
            return Err(EXPECTED);
        };
        if text.contains(['?', '#']) {
            return Err(EXPECTED);
        }
        let path = route_prefix(url.path()).map_err(|_| EXPECTED)?;
        Ok(Self { origin: Some(format!("{scheme}://{authority}")), path })
    }
}

/// Where to listen: a port of every address of this machine, or of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// `None` is every address.
    host: Option<Box<str>>,
    port: u16,
}

/// Why a text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected :port, host:port, [IPv6]:port or [IPv6%zone]:port, such as :10067, with a port from 0 to 65535"
)]
pub struct ListenAddressError;

impl ListenAddress {
    /// The addresses to try in turn, of which the first that can be listened on will do.
    ///
    /// Every address of the machine is `[::]`, which takes IPv4 as well, or `0.0.0.0` where IPv6
    /// is switched off.
    ///
    /// # Errors
    ///
    /// The host's name cannot be resolved. Blocks while it is.
    pub fn candidates(&self) -> io::Result<Vec<SocketAddr>> {
        match &self.host {
            None => {
                let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
                Ok(any.map(|ip| SocketAddr::new(ip, self.port)).to_vec())
            }
            Some(host) => match host.split_once('%') {
                // The resolver knows the zones of these, by number and by name; elsewhere a zone means nothing.
                Some((ip, _)) if !ip.parse().is_ok_and(is_link_local) => {
                    Ok((ip, self.port).to_socket_addrs()?.collect())
                }
                _ => Ok((&**host, self.port).to_socket_addrs()?.collect()),
            },
        }
    }

    /// The port; 0 lets the system choose.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError)?;
        // `parse` alone would take "+80".
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(ListenAddressError)?;
        if let Some(bracketed) = host.strip_prefix('[') {
            let host = bracketed.strip_suffix(']').ok_or(ListenAddressError)?;
            let (ip, zone) = host.split_once('%').map_or((host, None), |(ip, zone)| (ip, Some(zone)));
            let ip: Ipv6Addr = ip.parse().map_err(|_| ListenAddressError)?;
            let host = match zone {
                None => ip.to_string(),
                Some(zone) if is_zone(zone) => format!("{ip}%{zone}"),
                Some(_) => return Err(ListenAddressError),
            };
            return Ok(Self { host: Some(host.into()), port });
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !host.bytes().all(plain) {
            return Err(ListenAddressError);
        }
        Ok(Self { host: (!host.is_empty()).then(|| host.into()), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref() {
            None => write!(f, ":{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Whose zone counts.
fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local() || (ip.is_multicast() && ip.octets()[1] & 0xf == 2)
}

/// The name or number of a network interface.
fn is_zone(zone: &str) -> bool {
    !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic() && !b"/%[]".contains(&byte))
}

fn max_requests(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number, 0 for no bound".to_owned())
}

fn max_connections(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "expected a whole number above 0".to_owned())
}

/// A path of these needs no encoding and no escaping.
fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte))
}

/// As Prometheus takes it: with or without slashes around it.
fn route_prefix(text: &str) -> Result<String, String> {
    let trimmed = text.trim_matches('/');
    if !is_plain(trimmed) || trimmed.split('/').any(|part| part == "." || part == "..") {
        return Err("expected a path such as /sms".to_owned());
    }
    Ok(if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") })
}

fn telemetry_path(text: &str) -> Result<String, String> {
    let taken = text == "/" || text == "/-" || text.starts_with("/-/");
    if !text.starts_with('/') || taken || !is_plain(text) {
        return Err("expected a path such as /metrics, other than / and /-/…".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, ListenAddressError> {
        text.parse::<ListenAddress>().map(|address| address.to_string())
    }

    #[test]
    fn an_address_is_a_port_or_a_host_with_a_port() {
        for text in [
            ":10067",
            "localhost:0",
            "127.0.0.1:65535",
            "[::]:1",
            "[::1]:8080",
            "a-b.example.com:80",
            "[fe80::1%eth0]:10067",
            "[fe80::1%2]:1",
            "[::1%br-1.100]:1",
        ] {
            assert_eq!(shown(text), Ok(text.to_owned()));
        }
        for text in [
            "10067",
            "",
            ":",
            ":70000",
            "::1:80",
            "[::1]",
            "[x]:1",
            "a b:1",
            "host:+1",
            "host:http",
            "[fe80::1%]:1",
            "[fe80::1%a b]:1",
            "[fe80::1%a%b]:1",
            "[%eth0]:1",
            "127.0.0.1%eth0:1",
            "fe80::1%eth0:1",
        ] {
            assert_eq!(shown(text), Err(ListenAddressError), "{text}");
        }
    }

    #[test]
    fn every_address_is_tried_as_ipv6_first() {
        let candidates = ":1".parse::<ListenAddress>().unwrap().candidates().unwrap();
        assert_eq!(candidates, ["[::]:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap()]);
        let one = "[::1]:7".parse::<ListenAddress>().unwrap().candidates().unwrap();
        assert_eq!(one, ["[::1]:7".parse().unwrap()]);
    }

    #[test]
    fn a_zone_is_an_interface_by_number_or_by_name() {
        let candidates = |text: &str| text.parse::<ListenAddress>().unwrap().candidates();
        // The loopback interface is the first in every network namespace.
        for text in ["[fe80::1%1]:7", "[fe80::1%lo]:7"] {
            assert_eq!(candidates(text).unwrap(), ["[fe80::1%1]:7".parse().unwrap()], "{text}");
        }
        for text in ["[::1%lo]:7", "[::1%1]:7", "[::1%none]:7"] {
            assert_eq!(candidates(text).unwrap(), ["[::1]:7".parse().unwrap()], "{text}");
        }
        assert!(candidates("[fe80::1%there-is-none]:7").is_err());
    }

    #[test]
    fn an_external_url_has_an_origin_and_a_path() {
        let table = [
            ("http://example.com", Some("http://example.com"), ""),
            ("https://example.com:8443/sms/", Some("https://example.com:8443"), "/sms"),
            ("https://[::1]/a/b", Some("https://[::1]"), "/a/b"),
            ("/sms", None, "/sms"),
            ("/", None, ""),
        ];
        for (text, origin, path) in table {
            let url: ExternalUrl = text.parse().unwrap();
            assert_eq!((url.origin.as_deref(), url.path.as_str()), (origin, path), "{text}");
        }
        for text in [
            "",
            "example.com",
            "example.com/sms",
            "ftp://example.com",
            "https://",
            "https://user@example.com",
            "https://example.com/?a",
            "https://example.com/#a",
            "'https://example.com'",
            "https://example.com/ü",
            "https://example.com/../x",
            "sms",
        ] {
            assert!(text.parse::<ExternalUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_a_path_with_or_without_slashes_around_it() {
        for (text, prefix) in [("", ""), ("/", ""), ("sms", "/sms"), ("/sms/", "/sms"), ("/a/b", "/a/b")] {
            assert_eq!(route_prefix(text), Ok(prefix.to_owned()), "{text}");
        }
        for text in ["/a b", "/ü", "/a?b", "/a/../b", "http://x"] {
            assert!(route_prefix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_path_of_the_metrics_hides_no_page_of_ours() {
        assert_eq!(telemetry_path("/sms/metrics"), Ok("/sms/metrics".to_owned()));
        for text in ["", "metrics", "/", "/-/ready", "/a?b", "/a b", "/ü"] {
            assert!(telemetry_path(text).is_err(), "{text}");
        }
    }
}
