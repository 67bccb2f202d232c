//! The labels that every series of an account has.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use crate::exposition::Labels;
use crate::model::AccountName;

/// An account's name, and the labels that its owner gave it.
///
/// Clones share the given labels, so that a new configuration changes them on every series at once and no
/// counter begins anew. For the same reason it is the name alone by which two are equal, and are ordered.
#[derive(Clone, Debug)]
pub struct AccountLabels {
    name: AccountName,
    given: Arc<ArcSwap<BTreeMap<String, String>>>,
}

impl AccountLabels {
    /// The labels of the account of that name; `given` stand behind it, in the order of their names.
    #[must_use]
    pub fn new(name: &AccountName, given: &BTreeMap<String, String>) -> Self {
        Self { name: name.clone(), given: Arc::new(ArcSwap::from_pointee(given.clone())) }
    }

    /// Whose they are.
    #[must_use]
    pub fn name(&self) -> &AccountName {
        &self.name
    }

    /// Replaces the given labels, in every clone.
    pub(super) fn give(&self, given: &BTreeMap<String, String>) {
        self.given.store(Arc::new(given.clone()));
    }

    /// As they stand now, escaped.
    pub(super) fn labels(&self) -> Labels {
        let given = self.given.load();
        let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Labels::new(&std::iter::once(("account", self.name.as_str())).chain(given).collect::<Vec<_>>())
    }
}

impl PartialEq for AccountLabels {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for AccountLabels {}

impl PartialOrd for AccountLabels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AccountLabels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl EncodeLabelSet for AccountLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("account", self.name.as_str()).encode(encoder.encode_label())?;
        for (name, value) in &**self.given.load() {
            (name.as_str(), value.as_str()).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}
