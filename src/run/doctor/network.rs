//! The way to the service: names, connections with TLS, and the time of day at its other end.

use std::time::Duration;

use http::header::DATE;

use super::Ended;
use super::report::Diagnosis;
use crate::auth::Environment;
use crate::auth::http::{Answer, Transport, TransportError};
use crate::config::{Account, CredentialSource, Endpoint};
use crate::model::Timestamp;
use crate::run::{Surroundings, causes};

/// Beyond this difference of clocks, the gateway refuses signatures.
const LARGEST_SKEW: Duration = Duration::from_secs(15 * 60);

/// A clock that is kept by NTP is never so far off.
const ODD_SKEW: Duration = Duration::from_secs(60);

/// Examines the way to the migration service, and to the identity service where it is needed.
pub(super) async fn examine(
    account: &Account,
    transport: &Transport,
    surroundings: &Surroundings,
    diagnosis: &mut Diagnosis,
) -> Result<(), Ended> {
    let mut endpoints = vec![("migration service", &account.endpoint)];
    if account.iam_endpoint == account.endpoint {
        diagnosis.skip("identity service", "the same endpoint as the migration service");
    } else if asks_iam(account) {
        endpoints.push(("identity service", &account.iam_endpoint));
    } else {
        diagnosis.skip("identity service", "not needed: keys and project_id are given");
    }
    // A service on this machine is asked past every proxy.
    let proxied =
        !account.endpoint.is_loopback() && (account.proxy.is_some() || proxy_of(&surroundings.environment));
    let mut answers = Vec::new();
    let mut reached = Ok(());
    for (name, endpoint) in endpoints {
        if proxied {
            diagnosis.skip(name, "a proxy is set, which resolves names itself");
        } else if resolve(name, endpoint, diagnosis).await.is_err() {
            reached = Err(Ended);
            continue;
        }
        match connect(name, endpoint, transport, proxied, diagnosis).await {
            Ok(answer) => answers.push(answer),
            Err(ended) => reached = Err(ended),
        }
    }
    if let Some(answer) = answers.first() {
        clock(answer, surroundings.clock.now(), diagnosis)?;
    }
    reached
}

/// Whether the identity service is asked for a project or a token.
fn asks_iam(account: &Account) -> bool {
    let keys = matches!(account.credentials, CredentialSource::Keys { .. });
    !keys || account.project_id.is_none()
}

fn proxy_of(environment: &Environment) -> bool {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    names.into_iter().any(|name| environment.variable(name).is_some())
}

async fn resolve(name: &str, endpoint: &Endpoint, diagnosis: &mut Diagnosis) -> Result<(), Ended> {
    let authority = endpoint.authority();
    let with_port = if authority.parse::<http::uri::Authority>().is_ok_and(|at| at.port().is_some()) {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    match tokio::net::lookup_host(&with_port).await {
        Ok(addresses) => {
            let mut addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
            addresses.dedup();
            diagnosis.well(name, format!("{authority} resolves to {}", addresses.join(", ")));
            Ok(())
        }
        Err(error) => {
            let advice = "check the region and the endpoint's name, and this machine's DNS; behind a proxy, \
                          set HTTPS_PROXY or the account's proxy";
            diagnosis.fail(name, format!("{authority} does not resolve: {error}"), advice);
            Err(Ended)
        }
    }
}

async fn connect(
    name: &str,
    endpoint: &Endpoint,
    transport: &Transport,
    proxied: bool,
    diagnosis: &mut Diagnosis,
) -> Result<Answer, Ended> {
    let origin = endpoint.origin();
    let request = http::Request::get(format!("{origin}/")).body(bytes::Bytes::new());
    let request = request.expect("an endpoint is a valid origin");
    // Unsigned, and any status will do: whoever answers is there.
    match transport.send("doctor", request).await {
        Ok(answer) => {
            let secure =
                if origin.starts_with("https:") { "TLS holds" } else { "without TLS, on this machine only" };
            diagnosis.well(name, format!("{origin} answers; {secure}"));
            Ok(answer)
        }
        Err(error) => {
            let told = causes(&error);
            diagnosis.fail(name, format!("{origin}: {told}"), advice(&error, &told, proxied));
            Err(Ended)
        }
    }
}

fn advice(error: &TransportError, told: &str, proxied: bool) -> &'static str {
    let told = told.to_ascii_lowercase();
    match error {
        TransportError::Connect(_) if told.contains("certificate") => {
            "the certificate is not trusted: behind a proxy that opens TLS, name its root in the account's \
             ca_file; else check this machine's root certificates and clock"
        }
        // Whatever fails before TLS fails at the proxy, or is the proxy's to say.
        TransportError::Connect(_) if proxied && told.contains("proxy auth") => {
            "the proxy asks for a user and a password: put them into its URL, percent-encoded"
        }
        TransportError::Connect(_) if proxied => {
            "the proxy does not let it through, or is not there: check HTTPS_PROXY or the account's proxy, that \
             something listens there, and that it may connect to this endpoint's port"
        }
        TransportError::Timeout(_) if proxied => {
            "neither the proxy nor the service behind it answered in time: check HTTPS_PROXY or the account's proxy"
        }
        TransportError::Connect(_) if told.contains("refused") => {
            "nothing listens there, or a firewall refuses: check the endpoint and its port"
        }
        TransportError::Connect(_) | TransportError::Timeout(_) => {
            "open the firewall for outgoing HTTPS to this host, or set HTTPS_PROXY or the account's proxy"
        }
        TransportError::TooLong(_) | TransportError::Broken(_) => {
            "something else than the service answers: check the endpoint and any proxy in between"
        }
    }
}

fn clock(answer: &Answer, now: Timestamp, diagnosis: &mut Diagnosis) -> Result<(), Ended> {
    let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let Some(theirs) = theirs else {
        diagnosis.skip("clock", "the service does not tell its time");
        return Ok(());
    };
    let ahead = now.millis() - theirs.as_millisecond();
    let off = Duration::from_secs(ahead.unsigned_abs() / 1000);
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let told = format!("this machine is {} {direction} the service", humantime::format_duration(off));
    let advice = "set this machine's clock, for example with chrony or systemd-timesyncd";
    if off >= LARGEST_SKEW {
        diagnosis.fail("clock", format!("{told}; signatures are refused beyond 15 minutes"), advice);
        return Err(Ended);
    }
    if off >= ODD_SKEW {
        diagnosis.doubt("clock", told, advice);
    } else {
        diagnosis.well("clock", "right, to the minute");
    }
    Ok(())
}
