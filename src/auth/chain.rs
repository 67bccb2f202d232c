//! The vendor's chain: OIDC, variables, profile, then what the machine offers.
//!
//! The order is that of the vendor's Python SDK. The first place that has credentials is the one
//! that is used: a wrong key in a variable is an error, not a reason to go on.

use secrecy::SecretString;

use super::credentials::{Known, Obtained};
use super::environment::Environment;
use super::error::AuthError;
use super::federation::Federation;
use super::http::Transport;
use super::metadata::Session;
use super::oidc::Oidc;
use super::pod::Pod;
use super::profile;
use super::sign::Keys;
use super::source::{Plan, Way};
use crate::config::Scope;
use crate::model::Timestamp;

/// Names of access key, secret key and security token: the SDKs', Terraform's, the documents'.
const KEYS: [(&str, &str, Option<&str>); 3] = [
    ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", Some("HUAWEICLOUD_SDK_SECURITY_TOKEN")),
    ("HW_ACCESS_KEY", "HW_SECRET_KEY", Some("HW_SECURITY_TOKEN")),
    ("CLOUD_SDK_AK", "CLOUD_SDK_SK", None),
];

const IDP_ID: &str = "HUAWEICLOUD_SDK_IDP_ID";
const ID_TOKEN_FILE: &str = "HUAWEICLOUD_SDK_ID_TOKEN_FILE";

/// What the machine may offer, after all else had nothing.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    looked_at: Vec<String>,
    pod: Option<Pod>,
}

/// The first place that has credentials, or the machine.
pub(super) fn plan(scope: Scope, environment: &Environment) -> Result<Plan, AuthError> {
    let mut looked_at = Vec::new();
    let known = known(environment);
    if Oidc::is_meant(environment) {
        match Oidc::of(environment) {
            Ok(oidc) => return Ok(Plan { way: Way::Oidc(oidc), known, origin: Oidc::ORIGIN.to_owned() }),
            Err(error) => looked_at.push(told(&error)),
        }
    }
    if let Some((way, origin)) = variables(environment, &mut looked_at) {
        return Ok(Plan { way, known, origin: origin.to_owned() });
    }
    match profile::place(None, environment) {
        Some(path) if path.exists() => match profile::plan(&path, scope) {
            Ok(plan) => return Ok(plan),
            Err(error) => looked_at.push(told(&error)),
        },
        Some(path) => looked_at.push(format!("{} does not exist", path.display())),
        None => looked_at.push("there is no home directory with a profile".to_owned()),
    }
    let pod = match Pod::of(environment) {
        Ok(pod) => Some(pod),
        Err(error) => {
            looked_at.push(told(&error));
            None
        }
    };
    let origin = "the machine's metadata service or the pod's identity".to_owned();
    Ok(Plan { way: Way::Machine(Machine { looked_at, pod }), known, origin })
}

impl Machine {
    /// What tells one description from another.
    pub(super) fn parts(&self) -> Vec<&str> {
        self.pod.iter().flat_map(Pod::parts).collect()
    }

    /// Asks the metadata service, then that of the pod.
    pub(super) async fn fetch(
        &self,
        transport: &Transport,
        session: &mut Session,
        environment: &Environment,
        now: Timestamp,
    ) -> Result<Obtained, AuthError> {
        let mut looked_at = self.looked_at.clone();
        match session.fetch(transport, environment.metadata(), now).await {
            Ok(obtained) => return Ok(obtained),
            Err(error) => looked_at.push(told(&error)),
        }
        if let Some(pod) = &self.pod {
            match pod.fetch(transport, now).await {
                Ok(obtained) => return Ok(obtained),
                Err(error) => looked_at.push(told(&error)),
            }
        }
        Err(AuthError::Unavailable { looked_at })
    }
}

/// A federation or keys in variables; a federation wins over keys, as in the vendor's SDKs.
fn variables(environment: &Environment, looked_at: &mut Vec<String>) -> Option<(Way, &'static str)> {
    if let (Some(idp_id), Some(file)) = (environment.variable(IDP_ID), environment.variable(ID_TOKEN_FILE)) {
        let federation = Federation { idp_id, token_file: file.into() };
        return Some((Way::Federation(federation), IDP_ID));
    }
    for (access, secret, token) in KEYS {
        match (environment.variable(access), environment.variable(secret)) {
            (Some(access_key), Some(secret_key)) => {
                let security_token =
                    token.and_then(|name| environment.variable(name)).map(SecretString::from);
                let keys = Keys { access_key, secret_key: secret_key.into(), security_token };
                return Some((Way::Standing(keys), access));
            }
            (Some(_), None) => looked_at.push(format!("{access} is set without {secret}")),
            (None, Some(_)) => looked_at.push(format!("{secret} is set without {access}")),
            (None, None) => looked_at.push(format!("{access} and {secret} are not set")),
        }
    }
    None
}

/// The ids that the variables name.
pub(super) fn known(environment: &Environment) -> Known {
    let either =
        |first: &str, second: &str| environment.variable(first).or_else(|| environment.variable(second));
    Known {
        project_id: either("HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID"),
        domain_id: either("HUAWEICLOUD_SDK_DOMAIN_ID", "HW_DOMAIN_ID"),
        iam_endpoint: None,
    }
}

/// An error for a list of what was tried.
fn told(error: &AuthError) -> String {
    if let AuthError::Unavailable { looked_at } = error { looked_at.join("; ") } else { error.with_causes() }
}
