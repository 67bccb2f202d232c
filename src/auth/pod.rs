//! Temporary keys of a CCE pod's identity.

use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::json;

use super::credentials::Obtained;
use super::environment::Environment;
use super::error::AuthError;
use super::exchange::{self, Service};
use super::http::Transport;
use super::said::Said;
use super::secret::{reveal, token_in};
use super::temporary;
use crate::model::Timestamp;

const URI: &str = "HC_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE";

const POD: Service = Service {
    name: "the pod identity service",
    advice: "check the service account's association with an agency",
};

/// The node's service, and the file with the token that the pod shows it.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    uri: String,
    token_file: PathBuf,
}

impl Pod {
    /// Where the description stands.
    pub(super) const ORIGIN: &str = "HC_CONTAINER_*";

    /// Reads the variables.
    pub(super) fn of(environment: &Environment) -> Result<Self, AuthError> {
        let needed = |name: &str| {
            let missing = || AuthError::Unavailable { looked_at: vec![format!("{name} is not set")] };
            environment.variable(name).ok_or_else(missing)
        };
        let (uri, token_file) = (needed(URI)?, needed(TOKEN_FILE)?.into());
        if !may_carry_a_token(&uri) {
            let problem = "expected an https URL, or an http URL of this machine or its link".to_owned();
            return Err(AuthError::Setting { name: URI.to_owned(), problem });
        }
        Ok(Self { uri, token_file })
    }

    /// What tells one description from another.
    pub(super) fn parts(&self) -> [&str; 2] {
        [&self.uri, self.token_file.to_str().unwrap_or_default()]
    }

    /// Asks for temporary keys.
    pub(super) async fn fetch(&self, transport: &Transport, now: Timestamp) -> Result<Obtained, AuthError> {
        let token = token_in(&self.token_file)?;
        let request = exchange::post(&self.uri, &[("authorization", reveal(&token))], &json!({}), None)?;
        let answer = POD.send(&transport.local(), "pod_identity", request).await?;
        if answer.status.is_success() {
            return temporary::read(POD, &answer, now);
        }
        let said = Said::read(&answer.body);
        Err(AuthError::Failed { service: POD.name, status: answer.status, said })
    }
}

/// Whether a URL leads over TLS, or no further than this machine and its own link.
fn may_carry_a_token(uri: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(uri) else { return false };
    let near = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match url.scheme() {
        "https" => true,
        "http" => bare == "localhost" || bare.parse().is_ok_and(near),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_tls_or_stays_on_the_machine_and_its_link() {
        for uri in [
            "https://identity.example.com/v1",
            "http://127.0.0.1:80/v1/credentials",
            "http://localhost/v1",
            "http://169.254.170.23/v1",
            "http://[fe80::1]/v1",
            "http://[::1]:8080/",
        ] {
            assert!(may_carry_a_token(uri), "{uri}");
        }
        for uri in [
            "http://example.com",
            "http://10.0.0.1/",
            "ftp://localhost",
            "localhost",
            "http://127.0.0.1.nip.io/",
        ] {
            assert!(!may_carry_a_token(uri), "{uri}");
        }
    }
}
