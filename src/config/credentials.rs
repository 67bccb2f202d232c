//! Where an account's credentials come from; the secrets themselves are read by `auth`.

use std::path::PathBuf;

use super::SecretFrom;

/// Where an account's credentials come from.
#[derive(Clone, Debug, PartialEq)]
pub enum CredentialSource {
    /// An access key, permanent or temporary.
    Keys {
        /// The access key id.
        access_key: SecretFrom,
        /// The secret key.
        secret_key: SecretFrom,
        /// The token that belongs to a temporary key.
        security_token: Option<SecretFrom>,
    },
    /// An IAM user's name and password, exchanged for a token.
    Password {
        /// The IAM user's name.
        user: String,
        /// The name of the account (domain) that the user belongs to.
        domain: String,
        /// The password.
        password: SecretFrom,
    },
    /// The vendor's profile file; `None` is its default place.
    Profile(Option<PathBuf>),
    /// The agency of the cloud server that the exporter runs on, by the metadata service.
    EcsAgency,
    /// An OIDC token exchanged at STS, as the vendor's `HUAWEICLOUD_OIDC_*` variables describe.
    Oidc,
    /// The identity of a CCE pod, as the vendor's `HC_CONTAINER_*` variables describe.
    PodIdentity,
    /// The vendor's chain: environment, profile, then what the machine offers.
    Chain,
}

/// A source of credentials that needs no further word; what `source:` and `--credentials.source` name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// See [`CredentialSource::Chain`].
    Chain,
    /// See [`CredentialSource::Profile`].
    Profile,
    /// See [`CredentialSource::EcsAgency`].
    EcsAgency,
    /// See [`CredentialSource::Oidc`].
    Oidc,
    /// See [`CredentialSource::PodIdentity`].
    PodIdentity,
}

impl CredentialKind {
    /// Every member.
    pub const ALL: [Self; 5] = [Self::Chain, Self::Profile, Self::EcsAgency, Self::Oidc, Self::PodIdentity];

    /// The name in flags and files.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Profile => "profile",
            Self::EcsAgency => "ecs_agency",
            Self::Oidc => "oidc",
            Self::PodIdentity => "pod_identity",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.label() == label)
    }
}

impl From<CredentialKind> for CredentialSource {
    fn from(kind: CredentialKind) -> Self {
        match kind {
            CredentialKind::Chain => Self::Chain,
            CredentialKind::Profile => Self::Profile(None),
            CredentialKind::EcsAgency => Self::EcsAgency,
            CredentialKind::Oidc => Self::Oidc,
            CredentialKind::PodIdentity => Self::PodIdentity,
        }
    }
}

impl CredentialSource {
    /// What kind of source it is, for people: a name from a closed set.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Keys { .. } => "keys",
            Self::Password { .. } => "password",
            Self::Profile(_) => CredentialKind::Profile.label(),
            Self::EcsAgency => CredentialKind::EcsAgency.label(),
            Self::Oidc => CredentialKind::Oidc.label(),
            Self::PodIdentity => CredentialKind::PodIdentity.label(),
            Self::Chain => CredentialKind::Chain.label(),
        }
    }
}
