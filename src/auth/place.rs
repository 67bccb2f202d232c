//! Where an account's services answer, and what its credentials are scoped to.

use super::credentials::Known;
use super::environment::Environment;
use super::error::AuthError;
use crate::config::{Account, Endpoint, Region, Scope};

/// Regions whose security token service the vendor's SDKs know.
const STS_REGIONS: [&str; 12] = [
    "cn-north-4",
    "cn-south-1",
    "cn-east-3",
    "cn-southwest-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "sa-brazil-1",
    "la-south-2",
    "af-south-1",
    "tr-west-1",
];

/// What of an account's configuration concerns its credentials.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) region: Region,
    pub(super) iam_endpoint: Endpoint,
    pub(super) scope: Scope,
    pub(super) project_id: Option<String>,
    pub(super) domain_id: Option<String>,
}

impl Place {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            region: account.region.clone(),
            iam_endpoint: account.iam_endpoint.clone(),
            scope: account.scope,
            project_id: account.project_id.clone(),
            domain_id: account.domain_id.clone(),
        }
    }

    /// With the identity service that the credentials' place names, unless the account's own was chosen.
    pub(super) fn with(&self, known: &Known) -> Self {
        let mut place = self.clone();
        if self.iam_endpoint == self.region.iam_endpoint() {
            place.iam_endpoint = known.iam_endpoint.clone().unwrap_or(place.iam_endpoint);
        }
        place.project_id = self.project_id.clone().or_else(|| known.project_id.clone());
        place.domain_id = self.domain_id.clone().or_else(|| known.domain_id.clone());
        place
    }

    /// The header that says what requests are scoped to, once that is known.
    pub(super) fn scope_header<'a>(&'a self, known: &'a Known) -> Option<(&'static str, &'a str)> {
        let (name, given, known) = match self.scope {
            Scope::Project => ("X-Project-Id", &self.project_id, &known.project_id),
            Scope::Domain => ("X-Domain-Id", &self.domain_id, &known.domain_id),
        };
        given.as_deref().or(known.as_deref()).map(|id| (name, id))
    }

    /// Where the security token service answers, as the vendor's SDKs choose it.
    pub(super) fn sts_endpoint(&self, environment: &Environment) -> Result<Endpoint, AuthError> {
        const VARIABLE: &str = "HUAWEICLOUD_SDK_STS_ENDPOINT";
        let region = self.region.as_str();
        let text = environment.variable(VARIABLE).unwrap_or_else(|| match region {
            known if STS_REGIONS.contains(&known) => format!("https://sts.{known}.myhuaweicloud.com"),
            european if european.starts_with("eu-west-1") => {
                format!("https://sts.{european}.myhuaweicloud.eu")
            }
            _ => "https://sts.cn-north-4.myhuaweicloud.com".to_owned(),
        });
        let setting = |problem| AuthError::Setting { name: VARIABLE.to_owned(), problem };
        Endpoint::parse(&text).map_err(|error| setting(error.to_string()))
    }
}
