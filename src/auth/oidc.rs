//! Temporary keys from the security token service for an OIDC token.

use std::path::PathBuf;

use secrecy::SecretString;
use serde_json::json;

use super::credentials::Obtained;
use super::environment::Environment;
use super::error::AuthError;
use super::exchange::{self, STS};
use super::http::Transport;
use super::secret::{reveal, token_in};
use super::temporary;
use crate::config::Endpoint;
use crate::model::Timestamp;

const PROVIDER: &str = "HUAWEICLOUD_OIDC_PROVIDER_URN";
const AGENCY: &str = "HUAWEICLOUD_OIDC_AGENCY_URN";
const TOKEN: &str = "HUAWEICLOUD_OIDC_ID_TOKEN";
const TOKEN_FILE: &str = "HUAWEICLOUD_OIDC_TOKEN_FILE";
const SESSION: &str = "HUAWEICLOUD_OIDC_SESSION_NAME";
const DURATION: &str = "HUAWEICLOUD_OIDC_DURATION_SECONDS";
const POLICY: &str = "HUAWEICLOUD_OIDC_POLICY";
const POLICY_IDS: &str = "HUAWEICLOUD_OIDC_POLICY_IDS";

/// The session's name where none is given, as in the vendor's SDK.
const DEFAULT_SESSION: &str = "oidc-sts-session";

/// The keys' lifetime where none is given, as in the vendor's SDK.
const DEFAULT_SECONDS: u32 = 3600;

/// What is needed to take on an agency with an OIDC token.
#[derive(Clone, Debug)]
pub(super) struct Oidc {
    provider: String,
    agency: String,
    token: TokenFrom,
    session: String,
    seconds: u32,
    policy: Option<String>,
    policy_ids: Vec<String>,
}

/// Where the OIDC token stands.
#[derive(Clone, Debug)]
enum TokenFrom {
    Variable(SecretString),
    File(PathBuf),
}

impl Oidc {
    /// Where the description stands.
    pub(super) const ORIGIN: &str = "HUAWEICLOUD_OIDC_*";

    /// Reads the variables.
    pub(super) fn of(environment: &Environment) -> Result<Self, AuthError> {
        let needed = |name: &str| {
            let missing = || AuthError::Unavailable { looked_at: vec![format!("{name} is not set")] };
            environment.variable(name).ok_or_else(missing)
        };
        let seconds = environment.variable(DURATION).map(|text| text.parse().map_err(|_| duration()));
        let file = || needed(TOKEN_FILE).map(|path| TokenFrom::File(path.into()));
        let ids = environment.variable(POLICY_IDS).unwrap_or_default();
        Ok(Self {
            provider: needed(PROVIDER)?,
            agency: needed(AGENCY)?,
            token: environment
                .variable(TOKEN)
                .map_or_else(file, |token| Ok(TokenFrom::Variable(token.into())))?,
            session: environment.variable(SESSION).unwrap_or_else(|| DEFAULT_SESSION.to_owned()),
            seconds: seconds.transpose()?.unwrap_or(DEFAULT_SECONDS),
            policy: environment.variable(POLICY),
            policy_ids: ids
                .split(',')
                .map(str::trim)
                .filter(|id| !id.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Whether any of the variables is set that must be set.
    pub(super) fn is_meant(environment: &Environment) -> bool {
        [PROVIDER, AGENCY].iter().any(|name| environment.variable(name).is_some())
    }

    /// What tells one description from another.
    pub(super) fn parts(&self) -> Vec<&str> {
        let Self { provider, agency, token, session, seconds: _, policy, policy_ids } = self;
        let token = match token {
            TokenFrom::Variable(token) => reveal(token),
            TokenFrom::File(path) => path.to_str().unwrap_or_default(),
        };
        let parts = [provider, agency, token, session, policy.as_deref().unwrap_or_default()];
        parts.into_iter().chain(policy_ids.iter().map(String::as_str)).collect()
    }

    /// Asks for temporary keys.
    pub(super) async fn fetch(
        &self,
        transport: &Transport,
        sts: &Endpoint,
        now: Timestamp,
    ) -> Result<Obtained, AuthError> {
        let token = match &self.token {
            TokenFrom::Variable(token) => token.clone(),
            TokenFrom::File(path) => token_in(path)?,
        };
        let mut body = json!({
            "provider_urn": self.provider,
            "agency_urn": self.agency,
            "agency_session_name": self.session,
            "id_token": reveal(&token),
            "duration_seconds": self.seconds,
        });
        if let Some(policy) = &self.policy {
            body["policy"] = json!(policy);
        }
        if !self.policy_ids.is_empty() {
            body["policy_ids"] = json!(self.policy_ids);
        }
        let url = format!("{}/v5/agencies/assume-with-oidc", sts.origin());
        let request = exchange::post(&url, &[], &body, Some(&token))?;
        let answer = STS.ask(transport, "assume_agency", request).await?;
        temporary::read(STS, &answer, now)
    }
}

fn duration() -> AuthError {
    AuthError::Setting {
        name: DURATION.to_owned(),
        problem: "expected whole seconds such as 3600".to_owned(),
    }
}
