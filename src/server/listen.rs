//! Sockets to listen on: addresses as Prometheus' exporters write them, or systemd's.

use listenfd::ListenFd;
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, TcpListener};
use thiserror::Error;

/// Why there is nothing to listen on.
#[derive(Debug, Error)]
pub enum ListenError {
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

/// Connections that the kernel takes while we are busy; it allows no more than `net.core.somaxconn`. The standard
/// library's 128 are gone at once when a crowd comes, and a scraper that comes with it tries again after a second.
const BACKLOG: i32 = 4096;

/// Listens on the first of an address's candidates that there is. `address` is what errors call it.
///
/// # Errors
///
/// When the address means nothing, or is in use or not ours.
pub fn bind(address: &str, candidates: io::Result<Vec<SocketAddr>>) -> Result<TcpListener, ListenError> {
    let bound = candidates.and_then(|candidates| first_of(&candidates));
    let bound = bound.and_then(|listener| SockRef::from(&listener).listen(BACKLOG).map(|()| listener));
    bound.map_err(|problem| ListenError::Bind { address: address.to_owned(), problem })
}

fn first_of(candidates: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for candidate in candidates {
        match TcpListener::bind(candidate) {
            // The others would be no more to listen on where the port is taken or forbidden.
            Err(error) if is_refusal(&error) => return Err(error),
            // A machine without IPv6 refuses the address family.
            Err(error) => last = error,
            Ok(listener) => return Ok(listener),
        }
    }
    Err(last)
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
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

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn a_port_in_use_is_told_with_what_to_do() {
        let taken = bind("127.0.0.1:0", Ok(vec![LOOPBACK])).expect("a free port");
        let address = taken.local_addr().expect("it is bound");
        let message = bind(&address.to_string(), Ok(vec![address, LOOPBACK]))
            .expect_err("the port is taken")
            .to_string();
        assert!(message.starts_with(&format!("cannot listen on {address}: ")), "{message}");
        assert!(message.ends_with("choose another with --web.listen-address"), "{message}");
    }

    #[test]
    fn the_first_address_that_there_is_is_listened_on() {
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
        let listener = bind(":0", Ok(vec![elsewhere, LOOPBACK])).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        assert_eq!(address.ip(), LOOPBACK.ip());
        std::net::TcpStream::connect(address).expect("it listens");
        let message = bind("x:0", Ok(vec![elsewhere])).expect_err("it is not ours").to_string();
        assert!(message.starts_with("cannot listen on x:0: "), "{message}");
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_taken() {
        let listener = bind("127.0.0.1:0", Ok(vec![LOOPBACK])).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux tells its limit");
        let count = limit.trim().parse::<usize>().expect("a number").min(600);
        let soon = std::time::Duration::from_millis(900);
        let crowd: Vec<_> =
            (0..count).map(|_| std::net::TcpStream::connect_timeout(&address, soon).expect("room")).collect();
        assert_eq!(crowd.len(), count);
    }

    #[test]
    fn without_systemd_there_are_no_activated_sockets() {
        assert!(matches!(activated(), Err(ListenError::NotActivated)));
    }
}
