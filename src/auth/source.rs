//! Where credentials come from: what can be known without asking a service.

use std::path::Path;

use secrecy::SecretString;

use super::chain::{self, Machine};
use super::credentials::{Known, Obtained};
use super::environment::Environment;
use super::error::AuthError;
use super::federation::{self, Federation};
use super::guard::{Identity, SecretPrint};
use super::http::Transport;
use super::metadata::Session;
use super::oidc::Oidc;
use super::place::Place;
use super::pod::Pod;
use super::profile;
use super::secret::{digest, reveal};
use super::sign::{Keys, shortened};
use super::token::{self, User};
use crate::config::{CredentialSource, Endpoint, SecretFrom};
use crate::model::Timestamp;

/// How to come to credentials, as files and variables say at this moment.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) way: Way,
    pub(super) known: Known,
    /// Where this was read, without what was read.
    pub(super) origin: String,
}

/// The ways to credentials.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// The keys are at hand.
    Standing(Keys),
    /// A token for a name and a password.
    Password(User),
    /// Temporary keys for another provider's token, by the identity service.
    Federation(Federation),
    /// Temporary keys for an OIDC token, by the security token service.
    Oidc(Oidc),
    /// Temporary keys of the server's agency.
    Metadata,
    /// Temporary keys of the pod.
    Pod(Pod),
    /// Whichever of the last two answers.
    Machine(Machine),
}

/// What is at hand to follow a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means<'a> {
    pub(super) transport: &'a Transport,
    pub(super) place: &'a Place,
    pub(super) environment: &'a Environment,
    pub(super) now: Timestamp,
}

impl Plan {
    /// Reads what the source's files and variables say.
    pub(super) fn make(
        source: &CredentialSource,
        place: &Place,
        environment: &Environment,
    ) -> Result<Self, AuthError> {
        let plan = |way, origin: &str| Self { way, known: Known::default(), origin: origin.to_owned() };
        Ok(match source {
            CredentialSource::Keys { access_key, secret_key, security_token } => {
                let keys = keys(access_key, secret_key, security_token.as_ref(), environment)?;
                plan(Way::Standing(keys), &standing_in(access_key))
            }
            CredentialSource::Password { user, domain, password } => {
                let origin = standing_in(password);
                let password = environment.secret(password)?;
                let user = User { name: user.clone(), domain: domain.clone(), password };
                plan(Way::Password(user), &origin)
            }
            CredentialSource::Profile(path) => profile(path.as_deref(), place, environment)?,
            CredentialSource::EcsAgency => plan(Way::Metadata, "the metadata service"),
            CredentialSource::Oidc => {
                let way = Way::Oidc(Oidc::of(environment)?);
                Self { known: chain::known(environment), ..plan(way, Oidc::ORIGIN) }
            }
            CredentialSource::PodIdentity => plan(Way::Pod(Pod::of(environment)?), Pod::ORIGIN),
            CredentialSource::Chain => chain::plan(place.scope, environment)?,
        })
    }

    /// Who will ask, and where that was read, in words.
    pub(super) fn describe(&self) -> String {
        let Self { way, origin, .. } = self;
        match way {
            Way::Standing(Keys { access_key, security_token, .. }) => {
                let kind = if security_token.is_some() { "temporary access key" } else { "access key" };
                format!("{kind} {} from {origin}", shortened(access_key))
            }
            Way::Password(User { name, domain, .. }) => {
                format!("user {name} of account {domain}, password from {origin}")
            }
            Way::Federation(_) => format!("federated identity from {origin}"),
            Way::Oidc(_) => format!("OIDC identity from {origin}"),
            Way::Metadata | Way::Pod(_) | Way::Machine(_) => format!("temporary keys from {origin}"),
        }
    }

    /// Asks for credentials where they are not at hand.
    pub(super) async fn follow(
        &self,
        means: Means<'_>,
        session: &mut Session,
    ) -> Result<(Obtained, Known), AuthError> {
        let Means { transport, place, environment, now } = means;
        let obtained = match &self.way {
            Way::Standing(keys) => Obtained::standing(keys.clone()),
            Way::Password(user) => return token::fetch(transport, place, user, now).await,
            Way::Federation(federation) => federation::fetch(transport, place, federation, now).await?,
            Way::Oidc(oidc) => oidc.fetch(transport, &place.sts_endpoint(environment)?, now).await?,
            Way::Metadata => session.fetch(transport, environment.metadata(), now).await?,
            Way::Pod(pod) => pod.fetch(transport, now).await?,
            Way::Machine(machine) => machine.fetch(transport, session, environment, now).await?,
        };
        Ok((obtained, Known::default()))
    }

    /// What the service counts refusals by, and the secret that goes with it; `None` where no secret stands here
    /// that a person chose.
    pub(super) fn guarded(&self) -> Option<(Identity, SecretPrint)> {
        let identity = match &self.way {
            Way::Standing(Keys { access_key, .. }) => Identity::of(&["key", access_key]),
            Way::Password(User { name, domain, .. }) => Identity::of(&["user", domain, name]),
            Way::Federation(_) | Way::Oidc(_) | Way::Metadata | Way::Pod(_) | Way::Machine(_) => return None,
        };
        Some((identity, SecretPrint(digest(self.parts()))))
    }

    /// What the guard of the credentials is called in the log: no account's place, for several may share it.
    pub(super) fn label(&self) -> String {
        match &self.way {
            Way::Standing(Keys { access_key, .. }) => format!("access key {}", shortened(access_key)),
            Way::Password(User { name, domain, .. }) => format!("user {name} of account {domain}"),
            Way::Federation(_) | Way::Oidc(_) | Way::Metadata | Way::Pod(_) | Way::Machine(_) => {
                self.describe()
            }
        }
    }

    /// Tells plans apart, so that changed keys are noticed without keeping the old ones.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let Known { project_id, domain_id, iam_endpoint } = &self.known;
        let iam = iam_endpoint.as_ref().map(Endpoint::origin).unwrap_or_default();
        let ids = [project_id, domain_id].map(|id| id.as_deref().unwrap_or_default());
        digest(self.parts().into_iter().chain(ids).chain([iam.as_str()]))
    }

    fn parts(&self) -> Vec<&str> {
        match &self.way {
            Way::Standing(Keys { access_key, secret_key, security_token }) => {
                let token = security_token.as_ref().map_or("", reveal);
                vec!["keys", access_key, reveal(secret_key), token]
            }
            Way::Password(User { name, domain, password }) => {
                vec!["password", name, domain, reveal(password)]
            }
            Way::Federation(Federation { idp_id, token_file }) => {
                vec!["federation", idp_id, token_file.to_str().unwrap_or_default()]
            }
            Way::Oidc(oidc) => [vec!["oidc"], oidc.parts()].concat(),
            Way::Metadata => vec!["metadata"],
            Way::Pod(pod) => [["pod"].as_slice(), &pod.parts()].concat(),
            Way::Machine(machine) => [vec!["machine"], machine.parts()].concat(),
        }
    }
}

fn profile(path: Option<&Path>, place: &Place, environment: &Environment) -> Result<Plan, AuthError> {
    let nowhere = || AuthError::Unavailable {
        looked_at: vec![
            "there is no home directory with a profile, and HUAWEICLOUD_SDK_CREDENTIALS_FILE is not set"
                .to_owned(),
        ],
    };
    profile::plan(&profile::place(path, environment).ok_or_else(nowhere)?, place.scope)
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

/// Where a secret stands, in words.
fn standing_in(from: &SecretFrom) -> String {
    match from {
        SecretFrom::Env(name) => name.clone(),
        SecretFrom::File(path) => path.display().to_string(),
        SecretFrom::Value(_) => "memory".to_owned(),
    }
}
