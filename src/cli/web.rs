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

/// Where to listen: a port of every address of this machine, or of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// `None` is every address.
    host: Option<Box<str>>,
    port: u16,
}

/// Why a text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected :port, host:port or [IPv6]:port, such as :10067, with a port from 0 to 65535")]
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
            Some(host) => Ok((&**host, self.port).to_socket_addrs()?.collect()),
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
            let ip = bracketed.strip_suffix(']').and_then(|ip| ip.parse::<Ipv6Addr>().ok());
            return Ok(Self { host: Some(ip.ok_or(ListenAddressError)?.to_string().into()), port });
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

fn max_requests(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number, 0 for no bound".to_owned())
}

fn max_connections(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "expected a whole number above 0".to_owned())
}

fn telemetry_path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let taken = text == "/" || text == "/-" || text.starts_with("/-/");
    if !text.starts_with('/') || taken || !text.bytes().all(plain) {
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
        for text in [":10067", "localhost:0", "127.0.0.1:65535", "[::]:1", "[::1]:8080", "a-b.example.com:80"]
        {
            assert_eq!(shown(text), Ok(text.to_owned()));
        }
        for text in ["10067", "", ":", ":70000", "::1:80", "[::1]", "[x]:1", "a b:1", "host:+1", "host:http"]
        {
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
    fn the_path_of_the_metrics_hides_no_page_of_ours() {
        assert_eq!(telemetry_path("/sms/metrics"), Ok("/sms/metrics".to_owned()));
        for text in ["", "metrics", "/", "/-/ready", "/a?b", "/a b", "/ü"] {
            assert!(telemetry_path(text).is_err(), "{text}");
        }
    }
}
