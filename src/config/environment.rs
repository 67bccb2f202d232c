//! What the environment says: the vendor's variables, Terraform's, and those of the documents.
//!
//! They make an account of their own where there is no file, and fill in what a file leaves out of
//! an account that uses the vendor's chain. A variable that is empty counts as not set.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Problem};
use super::{
    Account, Config, ConfigErrors, CredentialKind, CredentialSource, Endpoint, Overrides, Region, secret_in,
};
use crate::model::AccountName;

/// The `account` label of the account that the environment describes.
const ACCOUNT: &str = "default";

/// Pairs of variables that hold an access key, the first complete pair counts.
const KEY_PAIRS: [(&str, &str); 3] = [
    ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"),
    ("HW_ACCESS_KEY", "HW_SECRET_KEY"),
    ("CLOUD_SDK_AK", "CLOUD_SDK_SK"),
];

/// Variables of which each set is enough for credentials that no key is written down for.
const KEYLESS: [&[&str]; 3] = [
    &["HUAWEICLOUD_SDK_IDP_ID", "HUAWEICLOUD_SDK_ID_TOKEN_FILE"],
    &["HUAWEICLOUD_OIDC_PROVIDER_URN", "HUAWEICLOUD_OIDC_AGENCY_URN"],
    &["HC_CONTAINER_CREDENTIALS_FULL_URI"],
];

/// The environment, as far as it is not empty.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl fmt::Debug for Variables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

impl Variables<'_> {
    /// The value of a variable, without white space around it.
    pub(super) fn get(self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The first of several variables that is set, with its name.
    fn first(self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// `HW_REGION_NAME`.
    pub(super) fn region(self) -> Result<Option<Region>, ConfigError> {
        let read = |id: String| {
            Region::new(&id).map_err(|error| ConfigError::variable("HW_REGION_NAME", error.into()))
        };
        self.get("HW_REGION_NAME").map(read).transpose()
    }

    /// The migration service's endpoints in a region, separated by commas as the vendor's SDKs have it: the others are
    /// for when the first cannot be reached.
    pub(super) fn sms_endpoints(
        self,
        region: &Region,
    ) -> Result<Option<(Endpoint, Vec<Endpoint>)>, ConfigError> {
        let name = region.sms_endpoint_variable();
        let Some(list) = self.get(&name) else { return Ok(None) };
        let written = list.split(',').map(str::trim).filter(|endpoint| !endpoint.is_empty());
        let read =
            |text| Endpoint::parse(text).map_err(|error| ConfigError::variable(name.as_str(), error.into()));
        let mut endpoints = written.map(read).collect::<Result<Vec<_>, _>>()?.into_iter();
        Ok(endpoints.next().map(|first| (first, endpoints.collect())))
    }

    /// `HUAWEICLOUD_SDK_IAM_ENDPOINT`.
    pub(super) fn iam_endpoint(self) -> Result<Option<Endpoint>, ConfigError> {
        self.endpoint("HUAWEICLOUD_SDK_IAM_ENDPOINT")
    }

    fn endpoint(self, name: &str) -> Result<Option<Endpoint>, ConfigError> {
        let read =
            |text: String| Endpoint::parse(&text).map_err(|error| ConfigError::variable(name, error.into()));
        self.get(name).map(read).transpose()
    }

    /// The project's id.
    pub(super) fn project_id(self) -> Result<Option<String>, ConfigError> {
        self.id(&["HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID"])
    }

    /// The account's (domain's) id.
    pub(super) fn domain_id(self) -> Result<Option<String>, ConfigError> {
        self.id(&["HUAWEICLOUD_SDK_DOMAIN_ID", "HW_DOMAIN_ID"])
    }

    fn id(self, names: &[&'static str]) -> Result<Option<String>, ConfigError> {
        let Some((name, text)) = self.first(names) else { return Ok(None) };
        // Not repeated: a key that got into the wrong variable would be shown.
        let wrong = Problem::InvalidSecret("an id of letters, digits, dashes and underscores".into());
        super::values::id(&text).map(Some).map_err(|_| ConfigError::variable(name, wrong))
    }

    /// Where the vendor's profile is by default, or where its variable says.
    fn profile(self) -> Option<PathBuf> {
        let named = self.get("HUAWEICLOUD_SDK_CREDENTIALS_FILE").map(PathBuf::from);
        named.or_else(|| Some(Path::new(&self.get("HOME")?).join(".huaweicloud/credentials")))
    }

    /// Whether the chain will find anything that it need not ask the network for.
    fn check_credentials(self) -> Result<(), ConfigError> {
        for (access, secret) in KEY_PAIRS {
            match (self.get(access), self.get(secret)) {
                (Some(_), Some(_)) => return self.odd_key().map_or(Ok(()), Err),
                (Some(_), None) => return Err(half(secret, access)),
                (None, Some(_)) => return Err(half(access, secret)),
                (None, None) => {}
            }
        }
        let keyless = KEYLESS.iter().any(|all| all.iter().all(|name| self.get(name).is_some()));
        if keyless || self.profile().is_some_and(|path| path.is_file()) {
            return Ok(());
        }
        Err(ConfigError::variable(KEY_PAIRS[0].0, Problem::NoCredentials))
    }
}

impl Variables<'_> {
    /// Refuses a variable that holds more than a secret, such as one that a shell would have taken the quotes of.
    fn check_secret(self, name: &'static str) -> Result<(), ConfigError> {
        let value = self.get(name).unwrap_or_default();
        let told = |oddity| ConfigError::variable(name, Problem::OddSecret { of: "variable", oddity });
        secret_in(&value).map(drop).map_err(told)
    }

    /// The first half of a key in the variables of the chain that is more than a secret.
    pub(super) fn odd_key(self) -> Option<ConfigError> {
        let pair = KEY_PAIRS.into_iter().find(|(a, b)| self.get(a).is_some() && self.get(b).is_some());
        let (access, secret) = pair?;
        [access, secret].into_iter().find_map(|name| self.check_secret(name).err())
    }
}

fn half(missing: &'static str, present: &'static str) -> ConfigError {
    let expected = format!("the other half of the key in {present}");
    ConfigError::variable(missing, Problem::Missing(expected.into()))
}

/// Keeps the value of a result and notes its error.
fn noted<T>(result: Result<Option<T>, ConfigError>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.unwrap_or_else(|error| {
        errors.push(error);
        None
    })
}

/// See [`Config::from_environment`].
pub(super) fn config(variables: Variables<'_>, overrides: &Overrides) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let kind = overrides.credentials.unwrap_or(CredentialKind::Chain);
    if kind == CredentialKind::Chain {
        errors.extend(variables.check_credentials().err());
    }
    let account = account(variables, overrides, kind, &mut errors);
    let (poll_interval, stale_after) = overrides.times(&mut errors);
    match account {
        Some(account) if errors.is_empty() => {
            Ok(Config { accounts: vec![account], poll_interval, stale_after })
        }
        _ => Err(ConfigErrors::new(errors)),
    }
}

fn account(
    variables: Variables<'_>,
    overrides: &Overrides,
    kind: CredentialKind,
    errors: &mut Vec<ConfigError>,
) -> Option<Account> {
    let region = overrides.region.clone().or_else(|| noted(variables.region(), errors));
    let Some(region) = region else {
        if errors.iter().all(|error| error.key() != "HW_REGION_NAME") {
            let expected = "a region such as cn-north-4 in this variable, or --region";
            errors.push(ConfigError::variable("HW_REGION_NAME", Problem::Missing(expected.into())));
        }
        return None;
    };
    let mut account = Account::new(AccountName::new(ACCOUNT), region, CredentialSource::from(kind));
    if let Some(endpoints) = noted(variables.sms_endpoints(&account.region), errors) {
        (account.endpoint, account.other_endpoints) = endpoints;
    }
    if let Some(endpoint) = noted(variables.iam_endpoint(), errors) {
        account.iam_endpoint = endpoint;
    }
    account.project_id = noted(variables.project_id(), errors);
    account.domain_id = noted(variables.domain_id(), errors);
    account.enterprise_project_id = noted(variables.id(&["HW_ENTERPRISE_PROJECT_ID"]), errors);
    overrides.switch(&mut account.collectors);
    errors.extend(overrides.lacking(&account.collectors));
    account.collectors.drop_what_lacks();
    if account.collectors.is_empty() {
        errors.push(overrides.no_collector());
    }
    Some(account)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn from(variables: &[(&str, &str)], overrides: &Overrides) -> Result<Config, String> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        let environment = |name: &str| variables.get(name).map(|value| (*value).to_owned());
        Config::from_environment(&environment, overrides).map_err(|errors| errors.to_string())
    }

    fn errors(variables: &[(&str, &str)]) -> String {
        from(variables, &Overrides::default()).expect_err("this environment is wrong")
    }

    #[test]
    fn two_keys_and_a_region_are_an_account() {
        for (access, secret) in KEY_PAIRS {
            let variables = [(access, "ak"), (secret, "sk"), ("HW_REGION_NAME", "cn-north-4")];
            let config = from(&variables, &Overrides::default()).unwrap();
            let account = &config.accounts[0];
            assert_eq!((account.name.as_str(), account.region.as_str()), ("default", "cn-north-4"));
            assert_eq!(account.credentials, CredentialSource::Chain);
            assert_eq!(account.endpoint.origin(), "https://sms.cn-north-4.myhuaweicloud.com");
        }
    }

    #[test]
    fn every_variable_of_the_vendors_and_terraforms_is_heeded() {
        let variables = [
            ("HUAWEICLOUD_SDK_AK", "ak"),
            ("HUAWEICLOUD_SDK_SK", "sk"),
            ("HUAWEICLOUD_SDK_PROJECT_ID", "p1"),
            ("HW_PROJECT_ID", "p2"),
            ("HUAWEICLOUD_SDK_DOMAIN_ID", "d1"),
            ("HW_ENTERPRISE_PROJECT_ID", "0"),
            ("HUAWEICLOUD_SDK_REGION_SMS_EU_WEST_101", "http://127.0.0.1:8080,https://b"),
            ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "http://localhost:8081"),
            ("HW_REGION_NAME", "cn-north-4"),
        ];
        let overrides =
            Overrides { region: Some(Region::new("eu-west-101").unwrap()), ..Overrides::default() };
        let config = from(&variables, &overrides).unwrap();
        let account = &config.accounts[0];
        assert_eq!(account.region.as_str(), "eu-west-101", "the flag counts more");
        assert_eq!(account.endpoint.origin(), "http://127.0.0.1:8080");
        assert_eq!(account.other_endpoints, [Endpoint::parse("https://b").unwrap()]);
        assert_eq!(account.iam_endpoint.origin(), "http://localhost:8081");
        assert_eq!(account.project_id.as_deref(), Some("p1"));
        assert_eq!(account.domain_id.as_deref(), Some("d1"));
        assert_eq!(account.enterprise_project_id.as_deref(), Some("0"));
    }

    #[test]
    fn an_empty_environment_is_told_what_it_needs() {
        let told = errors(&[]);
        assert_eq!(told.lines().count(), 2, "{told}");
        let needed =
            ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "--config.file", "HW_REGION_NAME", "--region"];
        assert!(needed.iter().all(|name| told.contains(name)), "{told}");
    }

    #[test]
    fn half_a_key_is_told_by_the_name_of_its_other_half() {
        let variables = [("HW_REGION_NAME", "cn-north-4"), ("HW_ACCESS_KEY", "ak"), ("HW_SECRET_KEY", " ")];
        assert_eq!(
            errors(&variables),
            "environment: HW_SECRET_KEY: is missing; expected the other half of the key in HW_ACCESS_KEY"
        );
    }

    #[test]
    fn variables_that_are_wrong_are_all_told_by_name_and_no_id_is_repeated() {
        let variables = [
            ("HUAWEICLOUD_SDK_AK", "ak"),
            ("HUAWEICLOUD_SDK_SK", "sk"),
            ("HW_REGION_NAME", "cn-north-4"),
            ("HUAWEICLOUD_SDK_REGION_SMS_CN_NORTH_4", "http://marked.example.com"),
            ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "https://user:marked@iam.example.com"),
            ("HUAWEICLOUD_SDK_PROJECT_ID", "marked secret"),
        ];
        let told = errors(&variables);
        assert!(!told.contains("marked"), "{told}");
        let keys = ["HUAWEICLOUD_SDK_IAM_ENDPOINT", "HUAWEICLOUD_SDK_PROJECT_ID"];
        assert!(keys.iter().all(|key| told.contains(key)), "{told}");
        assert_eq!(told.lines().count(), 3, "{told}");
    }

    #[test]
    fn a_wrong_region_is_told_once() {
        let told = errors(&[("CLOUD_SDK_AK", "a"), ("CLOUD_SDK_SK", "b"), ("HW_REGION_NAME", "CN")]);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.starts_with("environment: HW_REGION_NAME: \"CN\" is not a region"), "{told}");
    }

    #[test]
    fn whatever_the_chain_can_find_without_the_network_is_enough() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap();
        let region = ("HW_REGION_NAME", "cn-north-4");
        assert!(from(&[region, ("HOME", home)], &Overrides::default()).is_err());
        std::fs::create_dir(directory.path().join(".huaweicloud")).unwrap();
        std::fs::write(directory.path().join(".huaweicloud/credentials"), "[basic]\n").unwrap();
        assert!(from(&[region, ("HOME", home)], &Overrides::default()).is_ok());
        for names in KEYLESS {
            let mut variables = vec![region];
            variables.extend(names.iter().map(|name| (*name, "set")));
            assert!(from(&variables, &Overrides::default()).is_ok(), "{names:?}");
        }
    }

    #[test]
    fn an_agency_is_asked_for_by_a_flag_since_only_the_network_knows_of_it() {
        let overrides = Overrides { credentials: Some(CredentialKind::EcsAgency), ..Overrides::default() };
        let config = from(&[("HW_REGION_NAME", "cn-north-4")], &overrides).unwrap();
        assert_eq!(config.accounts[0].credentials, CredentialSource::EcsAgency);
    }

    #[test]
    fn switching_everything_off_is_refused() {
        let collectors = crate::model::Collector::ALL.map(|collector| (collector, false)).to_vec();
        let overrides = Overrides { collectors, ..Overrides::default() };
        let variables = [("HW_REGION_NAME", "cn-north-4"), ("HW_ACCESS_KEY", "ak"), ("HW_SECRET_KEY", "sk")];
        let told = from(&variables, &overrides).unwrap_err();
        assert_eq!(told, "command line: --no-collector: no collector is on; expected at least one");
    }
}
