//! The token that the identity service gives for a user's name and password.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::credentials::{Known, Obtained, instant};
use super::error::AuthError;
use super::exchange::{self, IAM};
use super::http::Transport;
use super::place::Place;
use super::secret::reveal;
use crate::config::Scope;
use crate::model::Timestamp;

/// An IAM user.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    /// The name of the account that the user belongs to.
    pub(super) domain: String,
    pub(super) password: SecretString,
}

/// Asks for a token; the answer's project is what the token is scoped to.
pub(super) async fn fetch(
    transport: &Transport,
    place: &Place,
    user: &User,
    now: Timestamp,
) -> Result<(Obtained, Known), AuthError> {
    let url = format!("{}/v3/auth/tokens?nocatalog=true", place.iam_endpoint.origin());
    let request = exchange::post(&url, &[], &body(user, place), Some(&user.password))?;
    let answer = IAM.ask(transport, "create_token", request).await?;
    let token =
        exchange::token(&answer, "x-subject-token").ok_or_else(|| IAM.lacks("the header X-Subject-Token"))?;
    // The token is what counts: a body that cannot be read only hides its end.
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let expires = exchange::text(&json, &["token", "expires_at"]).and_then(instant);
    let known = Known {
        project_id: exchange::text(&json, &["token", "project", "id"]).map(str::to_owned),
        domain_id: exchange::text(&json, &["token", "domain", "id"]).map(str::to_owned),
        iam_endpoint: None,
    };
    Ok((Obtained::token(token, expires, now), known))
}

fn body(user: &User, place: &Place) -> Value {
    let User { name, domain, password } = user;
    let scope = match (place.scope, &place.project_id, &place.domain_id) {
        (Scope::Project, Some(id), _) => json!({ "project": { "id": id } }),
        (Scope::Project, None, _) => json!({ "project": { "name": place.region.as_str() } }),
        (Scope::Domain, _, Some(id)) => json!({ "domain": { "id": id } }),
        (Scope::Domain, _, None) => json!({ "domain": { "name": domain } }),
    };
    let user = json!({ "name": name, "password": reveal(password), "domain": { "name": domain } });
    json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": user } },
        "scope": scope,
    } })
}
