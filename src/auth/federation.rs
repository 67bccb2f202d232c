//! Temporary keys for the token of another identity provider.

use std::path::PathBuf;

use serde_json::json;

use super::credentials::Obtained;
use super::error::AuthError;
use super::exchange::{self, IAM};
use super::http::Transport;
use super::place::Place;
use super::secret::{reveal, token_in};
use super::temporary;
use crate::model::Timestamp;

/// Lifetime that is asked for; the service allows 15 minutes to 24 hours.
const LIFETIME_SECONDS: u32 = 6 * 60 * 60;

/// An identity provider, and the file in which its token is kept fresh.
#[derive(Clone, Debug)]
pub(super) struct Federation {
    pub(super) idp_id: String,
    pub(super) token_file: PathBuf,
}

/// Exchanges the provider's token for one of the identity service, and that one for temporary keys.
pub(super) async fn fetch(
    transport: &Transport,
    place: &Place,
    federation: &Federation,
    now: Timestamp,
) -> Result<Obtained, AuthError> {
    let iam = place.iam_endpoint.origin();
    let id_token = token_in(&federation.token_file)?;
    let body = json!({ "auth": { "id_token": { "id": reveal(&id_token) } } });
    let headers = [("x-idp-id", federation.idp_id.as_str())];
    let request =
        exchange::post(&format!("{iam}/v3.0/OS-AUTH/id-token/tokens"), &headers, &body, Some(&id_token))?;
    let answer = IAM.ask(transport, "create_federated_token", request).await?;
    let token =
        exchange::token(&answer, "x-subject-token").ok_or_else(|| IAM.lacks("the header X-Subject-Token"))?;
    let identity = json!({
        "methods": ["token"],
        "token": { "id": reveal(&token), "duration_seconds": LIFETIME_SECONDS },
    });
    let body = json!({ "auth": { "identity": identity } });
    let request =
        exchange::post(&format!("{iam}/v3.0/OS-CREDENTIAL/securitytokens"), &[], &body, Some(&token))?;
    let answer = IAM.ask(transport, "create_temporary_key", request).await?;
    temporary::read(IAM, &answer, now)
}
