//! Temporary keys of the agency that a cloud server runs under, from its metadata service.

use std::time::Duration;

use ::http::{Method, Request, StatusCode};
use bytes::Bytes;
use secrecy::SecretString;
use tokio::time::Instant;

use super::credentials::Obtained;
use super::error::AuthError;
use super::exchange::{self, Service};
use super::http::{Answer, Transport};
use super::said::Said;
use super::secret::reveal;
use super::temporary;
use crate::model::Timestamp;

const METADATA: Service = Service {
    name: "the metadata service",
    advice: "give the server an agency that may read the migration service",
};

/// Lifetime of the token that is asked for, in seconds: six hours.
const TOKEN_SECONDS: &str = "21600";

/// A service without tokens may learn them: it is asked again after a day.
const ASK_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What the service says where the server has no agency; a new token would not help.
const NO_AGENCY: &str = "Please configure Cloud Service Agency first";

/// The token of the metadata service, if it gives any.
#[derive(Debug, Default)]
pub(super) struct Session {
    token: Option<SecretString>,
    asked: Option<Instant>,
}

impl Session {
    /// Asks for the agency's keys, with a token where the service has tokens.
    pub(super) async fn fetch(
        &mut self,
        transport: &Transport,
        origin: &str,
        now: Timestamp,
    ) -> Result<Obtained, AuthError> {
        let transport = transport.local();
        if self.token.is_none() && self.asked.is_none_or(|asked| asked.elapsed() > ASK_AGAIN) {
            self.renew(&transport, origin).await?;
        }
        let mut answer = self.keys(&transport, origin).await?;
        if answer.status == StatusCode::UNAUTHORIZED && !contains(&answer.body, NO_AGENCY) {
            self.renew(&transport, origin).await?;
            answer = self.keys(&transport, origin).await?;
        }
        temporary::read(METADATA, &good(answer)?, now)
    }

    async fn renew(&mut self, transport: &Transport, origin: &str) -> Result<(), AuthError> {
        let url = format!("{origin}/meta-data/latest/api/token");
        let headers = [("x-metadata-token-ttl-seconds", TOKEN_SECONDS)];
        let request = exchange::request(Method::PUT, &url, &headers, Bytes::new())?;
        self.token = None;
        let answer = METADATA.send(transport, "metadata_token", request).await?;
        self.asked = Some(Instant::now());
        // These three say that this service has no tokens, and keys can be had without.
        let without =
            [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::SERVICE_UNAVAILABLE];
        if without.contains(&answer.status) {
            return Ok(());
        }
        let answer = good(answer)?;
        let token = String::from_utf8_lossy(&answer.body).trim().to_owned();
        self.token = (!token.is_empty()).then(|| token.into());
        Ok(())
    }

    async fn keys(&self, transport: &Transport, origin: &str) -> Result<Answer, AuthError> {
        let url = format!("{origin}/openstack/latest/securitykey");
        let token = self.token.as_ref().map(|token| ("x-metadata-token", reveal(token)));
        let request: Request<Bytes> = exchange::request(Method::GET, &url, token.as_slice(), Bytes::new())?;
        METADATA.send(transport, "metadata_key", request).await
    }
}

/// A good answer. No status of this service is a refusal of a key, so that none locks one.
fn good(answer: Answer) -> Result<Answer, AuthError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let said = Said::read(&answer.body);
    Err(AuthError::Failed { service: METADATA.name, status: answer.status, said })
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}
