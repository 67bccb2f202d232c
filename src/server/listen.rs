//! Sockets to listen on: addresses as Prometheus' exporters write them, or systemd's.

use listenfd::ListenFd;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use thiserror::Error;

/// Why there is nothing to listen on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// An address that has no port or that means nothing.
    #[error("cannot listen on {0:?}: expected host:port or :port, for example :10067")]
    Address(String),
    /// The system refused.
    #[error("cannot listen on {address}: {problem}{}", advice(problem))]
    Bind {
        /// As it was given.
        address: String,
        /// What the system said; not a source, for the text has it, and advice behind it.
        problem: io::Error,
    },
    /// `--web.systemd-socket` without sockets.
    #[error(
        "systemd passed no sockets: start the exporter by a .socket unit, or leave --web.systemd-socket out"
    )]
    NotActivated,
    /// A socket of systemd's that is not TCP.
    #[error("systemd's socket {index} cannot be used")]
    Activated {
        /// The place among those that were passed, from 0.
        index: usize,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A listener that the runtime cannot take.
    #[error("a listening socket cannot be used")]
    Socket(#[from] io::Error),
    /// A loop that accepts connections is no more.
    #[error("connections are no longer accepted, a fault of this program; start it anew")]
    Ended,
}

/// Listens on an address; `:10067` is every address of the machine, IPv6 and IPv4.
///
/// # Errors
///
/// When the address means nothing, or is in use or not ours.
pub fn bind(address: &str) -> Result<TcpListener, ListenError> {
    let (host, port) = split(address).ok_or_else(|| ListenError::Address(address.to_owned()))?;
    let bound = if host.is_empty() {
        // A machine without IPv6 refuses the address family; on all others [::] takes IPv4 as well.
        TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|error| {
            let is_refusal =
                matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied);
            if is_refusal { Err(error) } else { TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) }
        })
    } else {
        TcpListener::bind((host, port))
    };
    bound.map_err(|problem| ListenError::Bind { address: address.to_owned(), problem })
}

/// The sockets that systemd passed. It takes them out of the environment, so it must come before any threads.
///
/// # Errors
///
/// When there are none, or one that is not a TCP listener.
pub fn activated() -> Result<Vec<TcpListener>, ListenError> {
    let mut passed = ListenFd::from_env();
    let listeners = (0..passed.len()).map(|index| match passed.take_tcp_listener(index) {
        Ok(Some(listener)) => Ok(listener),
        Ok(None) => Err(ListenError::NotActivated),
        Err(source) => Err(ListenError::Activated { index, source }),
    });
    let listeners: Vec<TcpListener> = listeners.collect::<Result<_, _>>()?;
    if listeners.is_empty() { Err(ListenError::NotActivated) } else { Ok(listeners) }
}

fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return None;
    }
    Some((bare.unwrap_or(host), port.parse().ok()?))
}

fn advice(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse {
        "; stop what uses the port, or choose another with --web.listen-address"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "; ports below 1024 need the capability CAP_NET_BIND_SERVICE"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_for_prometheus_exporters() {
        assert_eq!(split(":10067"), Some(("", 10067)));
        assert_eq!(split("127.0.0.1:0"), Some(("127.0.0.1", 0)));
        assert_eq!(split("[::1]:80"), Some(("::1", 80)));
        assert_eq!(split("localhost:80"), Some(("localhost", 80)));
        for wrong in ["", "10067", "localhost", "::1:80", ":99999", ":http", "[::1]"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_port_in_use_is_told_with_what_to_do() {
        let taken = bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("it is bound").to_string();
        let message = bind(&address).expect_err("the port is taken").to_string();
        assert!(message.starts_with(&format!("cannot listen on {address}: ")), "{message}");
        assert!(message.ends_with("choose another with --web.listen-address"), "{message}");
    }

    #[test]
    fn an_address_without_a_host_listens_for_ipv4_too() {
        let listener = bind(":0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("reachable by IPv4");
    }

    #[test]
    fn without_systemd_there_are_no_activated_sockets() {
        assert!(matches!(activated(), Err(ListenError::NotActivated)));
    }
}
