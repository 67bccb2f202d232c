//! Where credentials come from: what can be known without asking a service.

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::credentials::{Known, Obtained};
use super::environment::Environment;
use super::error::AuthError;
use super::http::Transport;
use super::place::Place;
use super::secret::reveal;
use super::sign::Keys;
use super::token::{self, User};
use crate::config::{CredentialSource, SecretFrom};
use crate::model::Timestamp;

/// How to come to credentials, as files and variables say at this moment.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) way: Way,
    pub(super) known: Known,
}

/// The ways to credentials.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// The keys are at hand.
    Standing(Keys),
    /// A token for a name and a password.
    Password(User),
}

impl Plan {
    /// Reads what the source's files and variables say.
    pub(super) fn make(source: &CredentialSource, environment: &Environment) -> Result<Self, AuthError> {
        match source {
            CredentialSource::Keys { access_key, secret_key, security_token } => {
                let keys = keys(access_key, secret_key, security_token.as_ref(), environment)?;
                Ok(Self { way: Way::Standing(keys), known: Known::default() })
            }
            CredentialSource::Password { user, domain, password } => {
                let password = environment.secret(password)?;
                let user = User { name: user.clone(), domain: domain.clone(), password };
                Ok(Self { way: Way::Password(user), known: Known::default() })
            }
            CredentialSource::Profile(_)
            | CredentialSource::EcsAgency
            | CredentialSource::Oidc
            | CredentialSource::PodIdentity
            | CredentialSource::Chain => {
                Err(AuthError::Unavailable { looked_at: vec!["not yet built".to_owned()] })
            }
        }
    }

    /// Asks for credentials where they are not at hand.
    pub(super) async fn follow(
        &self,
        transport: &Transport,
        place: &Place,
        now: Timestamp,
    ) -> Result<(Obtained, Known), AuthError> {
        match &self.way {
            Way::Standing(keys) => Ok((Obtained::standing(keys.clone()), Known::default())),
            Way::Password(user) => token::fetch(transport, place, user, now).await,
        }
    }

    /// Tells plans apart, so that changed keys are noticed without keeping the old ones.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let parts: Vec<&str> = match &self.way {
            Way::Standing(Keys { access_key, secret_key, security_token }) => {
                let token = security_token.as_ref().map_or("", reveal);
                vec!["keys", access_key, reveal(secret_key), token]
            }
            Way::Password(User { name, domain, password }) => {
                vec!["password", name, domain, reveal(password)]
            }
        };
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

fn keys(
    access_key: &SecretFrom,
    secret_key: &SecretFrom,
    security_token: Option<&SecretFrom>,
    environment: &Environment,
) -> Result<Keys, AuthError> {
    let read = |from: &SecretFrom| -> Result<SecretString, AuthError> { Ok(environment.secret(from)?) };
    Ok(Keys {
        access_key: reveal(&read(access_key)?).to_owned(),
        secret_key: read(secret_key)?,
        security_token: security_token.map(read).transpose()?,
    })
}
