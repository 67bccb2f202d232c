//! What is valid and yet hardly meant: told by `--config.check`, by doctor and at the start.

use super::endpoint::Endpoint;
use super::nearest::Meant;
use super::{Account, Config, Scope};
use crate::model::{AccountName, Collector};

/// The vendor's regions that its SDKs know. Others exist for single customers, so an unknown one is no error.
const REGIONS: [&str; 34] = [
    "ae-ad-1",
    "af-north-1",
    "af-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "cn-east-2",
    "cn-east-3",
    "cn-east-4",
    "cn-east-5",
    "cn-north-1",
    "cn-north-11",
    "cn-north-12",
    "cn-north-2",
    "cn-north-4",
    "cn-north-9",
    "cn-south-1",
    "cn-south-2",
    "cn-south-4",
    "cn-southwest-2",
    "cn-southwest-3",
    "eu-west-0",
    "eu-west-101",
    "la-north-2",
    "la-south-2",
    "me-east-1",
    "my-kualalumpur-1",
    "na-mexico-1",
    "ru-moscow-1",
    "ru-northwest-2",
    "sa-brazil-1",
    "tr-west-1",
];

impl Config {
    /// What is hardly meant about accounts beside one another.
    #[must_use]
    pub fn doubts(&self) -> Vec<(AccountName, String)> {
        let twin = |(at, account): (usize, &Account)| {
            let named_alike = |other: &Account| Account { name: account.name.clone(), ..other.clone() };
            let before = self.accounts.iter().take(at);
            let twin = before.into_iter().find(|other| named_alike(other).is_polled_like(account))?;
            let told = format!(
                "everything but its name is as in account {:?}: the same servers are polled twice",
                twin.name.as_str()
            );
            Some((account.name.clone(), told))
        };
        self.accounts.iter().enumerate().filter_map(twin).collect()
    }
}

impl Account {
    /// What is hardly meant about this account, a line each.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> = self.region_doubt().into_iter().collect();
        doubts.extend(self.pattern_doubts());
        doubts.extend(self.idle_settings());
        doubts.extend(self.unreplaced());
        doubts
    }

    fn region_doubt(&self) -> Option<String> {
        let region = self.region.as_str();
        let by_region = [self.region.sms_endpoint(), self.region.iam_endpoint()];
        let by_name = |endpoint: &Endpoint| by_region.contains(endpoint);
        if !REGIONS.contains(&region) && (by_name(&self.endpoint) || by_name(&self.iam_endpoint)) {
            let meant = Meant::near(region, REGIONS);
            return Some(format!(
                "region {region} is none that is known{meant}: the names of its endpoints are made of it"
            ));
        }
        let named = self.endpoint.authority().split('.').find(|part| REGIONS.contains(part))?;
        let differs = named != region && REGIONS.contains(&region);
        differs.then(|| format!("the endpoint {} is in the region {named}, not in {region}", self.endpoint))
    }

    fn pattern_doubts(&self) -> impl Iterator<Item = String> {
        let lists = [("name_include", &self.names.include), ("name_exclude", &self.names.exclude)];
        let globs = lists.into_iter().flat_map(|(key, globs)| globs.iter().map(move |glob| (key, glob)));
        let foreign = globs.filter(|(_, glob)| glob.looks_foreign());
        foreign.map(|(key, glob)| {
            let glob = glob.as_str();
            format!("{glob:?} in {key} asks for a dot in the name: * alone is any text, this is no regular expression")
        })
    }

    /// Settings that change nothing, because another is as it is.
    fn idle_settings(&self) -> impl Iterator<Item = String> {
        let has = |collector| self.collectors.has(collector);
        let names = !self.names.include.is_empty() || !self.names.exclude.is_empty();
        let idle = [
            (
                names && !has(Collector::Sources) && !has(Collector::Tasks),
                "name_include and name_exclude",
                "the collectors sources and tasks are off",
            ),
            (
                self.finished_retention.is_some() && !has(Collector::Tasks),
                "finished_retention",
                "the collector tasks is off",
            ),
            (self.project_id.is_some() && self.scope == Scope::Domain, "project_id", "scope is domain"),
            (self.domain_id.is_some() && self.scope == Scope::Project, "domain_id", "scope is project"),
        ];
        idle.into_iter()
            .filter(|(idle, ..)| *idle)
            .map(|(_, key, why)| format!("{key} changes nothing: {why}"))
    }

    fn unreplaced(&self) -> impl Iterator<Item = String> {
        let name = std::iter::once(("name".to_owned(), self.name.as_str()));
        let labels = self.labels.iter().map(|(label, value)| (format!("labels.{label}"), value.as_str()));
        let variable = |text: &str| text.contains("${") || text.starts_with('$');
        let told = name.chain(labels).filter(move |(_, value)| variable(value));
        told.map(|(key, value)| {
            format!("{key} is {value:?} as it stands: variables are not replaced in this file")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CredentialSource, Glob, Region};

    fn account(region: &str) -> Account {
        Account::new(AccountName::new("a"), Region::new(region).unwrap(), CredentialSource::Chain)
    }

    #[test]
    fn an_unknown_region_is_doubted_where_names_are_made_of_it() {
        let told = |account: &Account| account.doubts().join("\n");
        assert_eq!(told(&account("cn-north-4")), "");
        for (region, meant) in
            [("cn-noth-4", "cn-north-4"), ("ap-southest-3", "ap-southeast-3"), ("la-sout-2", "la-south-2")]
        {
            assert!(told(&account(region)).contains(&format!("(did you mean {meant}?)")), "{region}");
        }
        let mut own = account("customer-1");
        assert_eq!(
            told(&own),
            "region customer-1 is none that is known: the names of its endpoints are made of it"
        );
        own.endpoint = Endpoint::parse("https://sms.example.com").unwrap();
        own.iam_endpoint = Endpoint::parse("https://iam.example.com").unwrap();
        assert_eq!(told(&own), "");
        let mut elsewhere = account("cn-north-4");
        elsewhere.endpoint = Region::new("cn-south-1").unwrap().sms_endpoint();
        assert!(told(&elsewhere).contains("is in the region cn-south-1, not in cn-north-4"));
    }

    #[test]
    fn settings_that_change_nothing_and_patterns_of_another_kind_are_doubted() {
        let mut account = account("cn-north-4");
        account.names.include = vec![Glob::new("web.*").unwrap(), Glob::new("web-*").unwrap()];
        account.domain_id = Some("d".to_owned());
        account.labels.insert("env".to_owned(), "${ENV}".to_owned());
        let doubts = account.doubts();
        assert_eq!(doubts.len(), 3, "{doubts:?}");
        assert!(doubts[0].starts_with("\"web.*\" in name_include asks for a dot"), "{doubts:?}");
        assert_eq!(doubts[1], "domain_id changes nothing: scope is project");
        assert!(doubts[2].starts_with("labels.env is \"${ENV}\" as it stands"), "{doubts:?}");
    }

    #[test]
    fn an_account_that_is_another_but_for_its_name_is_doubted() {
        let (a, mut b) = (account("cn-north-4"), account("cn-north-4"));
        b.name = AccountName::new("b");
        let mut c = b.clone();
        c.name = AccountName::new("c");
        c.enterprise_project_id = Some("p".to_owned());
        let config = Config {
            accounts: vec![a, b, c],
            poll_interval: Default::default(),
            stale_after: Default::default(),
        };
        let doubts = config.doubts();
        assert_eq!(doubts.len(), 1);
        assert!(doubts[0].0.as_str() == "b" && doubts[0].1.contains("account \"a\""), "{doubts:?}");
    }
}
