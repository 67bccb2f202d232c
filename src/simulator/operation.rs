//! The operations that the stand-in answers, of the service itself and of those around it.

/// One operation, told by method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `GET /v3/sources`
    ListSources,
    /// `GET /v3/sources/{id}`
    ShowSource,
    /// `GET /v3/sources/overview`
    ShowOverview,
    /// `GET /v3/tasks`
    ListTasks,
    /// `GET /v3/tasks/{id}`
    ShowTask,
    /// `GET /v3/tasks/{id}/speed-limit`
    ShowSpeedLimit,
    /// `GET /v3/tasks/{id}/consistency-result`
    ShowConsistency,
    /// `GET /v3/errors`
    ListErrors,
    /// `GET /v3/migprojects`
    ListMigprojects,
    /// `GET /`
    Versions,
    /// `GET /v3/projects` of IAM
    ListProjects,
    /// `GET /v3/auth/domains` of IAM
    ListDomains,
    /// `GET /v5/caller-identity` of STS
    CallerIdentity,
    /// `POST /v3/auth/tokens` of IAM
    CreateToken,
    /// `PUT /meta-data/latest/api/token` of the metadata service
    MetadataToken,
    /// `GET /openstack/latest/securitykey` of the metadata service
    MetadataKey,
    /// `POST /v5/agencies/assume-with-oidc` of STS
    AssumeWithOidc,
    /// `POST /v3.0/OS-AUTH/id-token/tokens` of IAM
    FederatedToken,
    /// `POST /v3.0/OS-CREDENTIAL/securitytokens` of IAM
    SecurityTokens,
    /// `POST /pod-identity/credentials`, the agent of a CCE cluster
    PodIdentity,
    /// What an exporter must never call: it would see a secret or consume an agent's command.
    Forbidden,
    /// Anything else.
    Unknown,
}

impl Operation {
    /// Tells the operation, and the id in its path if it has one.
    pub fn parse<'a>(method: &str, path: &'a str) -> (Self, Option<&'a str>) {
        const FORBIDDEN: [&str; 4] = ["passphrase", "certkey", "target-password", "command"];
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if parts.iter().any(|part| FORBIDDEN.contains(part)) {
            return (Self::Forbidden, None);
        }
        match (method, parts.as_slice()) {
            ("GET", ["v3", "sources"]) => (Self::ListSources, None),
            ("GET", ["v3", "sources", "overview"]) => (Self::ShowOverview, None),
            ("GET", ["v3", "sources", id]) => (Self::ShowSource, Some(*id)),
            ("GET", ["v3", "tasks"]) => (Self::ListTasks, None),
            ("GET", ["v3", "tasks", id]) => (Self::ShowTask, Some(*id)),
            ("GET", ["v3", "tasks", id, "speed-limit"]) => (Self::ShowSpeedLimit, Some(*id)),
            ("GET", ["v3", "tasks", id, "consistency-result"]) => (Self::ShowConsistency, Some(*id)),
            ("GET", ["v3", "errors"]) => (Self::ListErrors, None),
            ("GET", ["v3", "migprojects"]) => (Self::ListMigprojects, None),
            ("GET", [""]) => (Self::Versions, None),
            ("GET", ["v3", "projects"]) => (Self::ListProjects, None),
            ("GET", ["v3", "auth", "domains"]) => (Self::ListDomains, None),
            ("GET", ["v5", "caller-identity"]) => (Self::CallerIdentity, None),
            ("POST", ["v3", "auth", "tokens"]) => (Self::CreateToken, None),
            ("PUT", ["meta-data", "latest", "api", "token"]) => (Self::MetadataToken, None),
            ("GET", ["openstack", "latest", "securitykey"]) => (Self::MetadataKey, None),
            ("POST", ["v5", "agencies", "assume-with-oidc"]) => (Self::AssumeWithOidc, None),
            ("POST", ["v3.0", "OS-AUTH", "id-token", "tokens"]) => (Self::FederatedToken, None),
            ("POST", ["v3.0", "OS-CREDENTIAL", "securitytokens"]) => (Self::SecurityTokens, None),
            ("POST", ["pod-identity", "credentials"]) => (Self::PodIdentity, None),
            _ => (Self::Unknown, None),
        }
    }

    /// The key of the answer under which a list stands, where it is one.
    pub fn list_key(self) -> Option<&'static str> {
        match self {
            Self::ListSources => Some("source_servers"),
            Self::ListTasks => Some("tasks"),
            Self::ListErrors => Some("migration_errors"),
            Self::ListMigprojects => Some("migprojects"),
            Self::ShowSource
            | Self::ShowOverview
            | Self::ShowTask
            | Self::ShowSpeedLimit
            | Self::ShowConsistency
            | Self::Versions
            | Self::ListProjects
            | Self::ListDomains
            | Self::CallerIdentity
            | Self::CreateToken
            | Self::MetadataToken
            | Self::MetadataKey
            | Self::AssumeWithOidc
            | Self::FederatedToken
            | Self::SecurityTokens
            | Self::PodIdentity
            | Self::Forbidden
            | Self::Unknown => None,
        }
    }

    /// Whether a signature or a token is asked for.
    pub(super) fn needs_authentication(self) -> bool {
        !matches!(
            self,
            Self::Versions
                | Self::CreateToken
                | Self::MetadataToken
                | Self::MetadataKey
                | Self::AssumeWithOidc
                | Self::FederatedToken
                | Self::SecurityTokens
                | Self::PodIdentity
        )
    }

    /// Whether it belongs to SMS, where the project must be the account's.
    pub(super) fn is_of_sms(self) -> bool {
        self.list_key().is_some()
            || matches!(
                self,
                Self::ShowSource
                    | Self::ShowOverview
                    | Self::ShowTask
                    | Self::ShowSpeedLimit
                    | Self::ShowConsistency
            )
    }
}
