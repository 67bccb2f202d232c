//! The service's error codes and what kind of trouble each one is.

use std::fmt;

mod table;

/// What kind of trouble an error code means, and so who has to look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Identity, permission, or the state of the account: the account's administrator.
    Permission,
    /// Connectivity, name resolution, TLS, proxies, ports: the network team.
    Network,
    /// The SMS agent on the source: the source's owner.
    Agent,
    /// The source is not fit for the migration: the source's owner.
    SourceEnvironment,
    /// Disks, partitions, volumes, free space: storage.
    Disk,
    /// The target server or what it needs in the cloud: the platform team.
    TargetServer,
    /// The target's operating system after the copy: the OS team.
    TargetOsConfig,
    /// Snapshots: storage.
    Snapshot,
    /// The copy itself: whoever runs the migration.
    DataTransfer,
    /// A quota is used up: the account's administrator.
    Quota,
    /// A call that the service refused: whoever automates.
    Request,
    /// The service's own failure: a ticket with the vendor.
    Internal,
    /// A code that this exporter cannot place.
    Unknown,
}

impl Category {
    /// Every member.
    pub const ALL: [Self; 13] = [
        Self::Permission,
        Self::Network,
        Self::Agent,
        Self::SourceEnvironment,
        Self::Disk,
        Self::TargetServer,
        Self::TargetOsConfig,
        Self::Snapshot,
        Self::DataTransfer,
        Self::Quota,
        Self::Request,
        Self::Internal,
        Self::Unknown,
    ];

    /// The label value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Network => "network",
            Self::Agent => "agent",
            Self::SourceEnvironment => "source_environment",
            Self::Disk => "disk",
            Self::TargetServer => "target_server",
            Self::TargetOsConfig => "target_os_config",
            Self::Snapshot => "snapshot",
            Self::DataTransfer => "data_transfer",
            Self::Quota => "quota",
            Self::Request => "request",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

/// An error code of the service, such as `SMS.1302`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(Box<str>);

impl ErrorCode {
    /// The longest code taken at its word; the service's have eight characters.
    const MAX: usize = 32;

    /// Takes a code as the service spells it: letters, digits, dots, dashes and underscores.
    ///
    /// Anything else is not a code but prose, and prose never becomes a label. Nor is the word `unknown` one: it
    /// is how the absence of a code is told, and the two would be the same series.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_code =
            !text.is_empty() && text.len() <= Self::MAX && text.bytes().all(plain) && text != "unknown";
        is_code.then(|| Self(text.into()))
    }

    /// Finds the first `SMS.dddd` in a text that is not as documented.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        text.match_indices("SMS.").find_map(|(at, _)| {
            let digits = text.as_bytes().get(at + 4..at + 8)?;
            if !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            text.get(at..at + 8).and_then(Self::new)
        })
    }

    /// The code as the service spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What kind of trouble it is: by the table, else by the first two digits.
    #[must_use]
    pub fn category(&self) -> Category {
        let Some(digits) = self.0.strip_prefix("SMS.") else { return Category::Unknown };
        let exact = table::CODES.binary_search_by(|(code, _)| (*code).cmp(digits));
        if let Ok(at) = exact {
            return table::CODES[at].1;
        }
        let Some(prefix) = digits.get(..2) else { return Category::Unknown };
        let fallback = table::PREFIXES.binary_search_by(|(code, _)| (*code).cmp(prefix));
        fallback.map_or(Category::Unknown, |at| table::PREFIXES[at].1)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_documents_has_the_category_of_the_fixture() {
        let text = include_str!("../../tests/fixtures/error-categories.json");
        let fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        let codes = fixture["codes"].as_array().unwrap();
        assert_eq!(codes.len(), 385);
        for entry in codes {
            let code = ErrorCode::new(entry["code"].as_str().unwrap()).unwrap();
            assert_eq!(code.category().label(), entry["category"].as_str().unwrap(), "{code}");
        }
        for (prefix, category) in fixture["prefix_fallback"].as_object().unwrap() {
            let code = ErrorCode::new(&format!("SMS.{prefix}xx")).unwrap();
            assert_eq!(code.category().label(), category.as_str().unwrap(), "{code}");
        }
    }

    #[test]
    fn a_code_that_no_table_knows_is_unknown_and_prose_is_no_code() {
        assert_eq!(ErrorCode::new("SMS.4242").unwrap().category(), Category::Unknown);
        assert_eq!(ErrorCode::new("APIGW.0301").unwrap().category(), Category::Unknown);
        assert_eq!(ErrorCode::new("connection refused by 10.0.0.1"), None);
        assert_eq!(ErrorCode::new(""), None);
        assert_eq!(ErrorCode::new("unknown"), None, "no code is told by that word");
    }

    #[test]
    fn a_code_is_found_inside_prose() {
        assert_eq!(ErrorCode::find("plain text SMS.0202 happened"), ErrorCode::new("SMS.0202"));
        assert_eq!(ErrorCode::find("SMS.12 and SMS.1302"), ErrorCode::new("SMS.1302"));
        assert_eq!(ErrorCode::find("SMS.１２３４"), None);
    }
}
