//! A family of prometheus-client whose order does not change from run to run.

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::family::MetricConstructor;
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Metrics by label set, in the labels' order. Clones share the metrics.
pub struct SortedFamily<S, M, C = fn() -> M> {
    metrics: Arc<RwLock<BTreeMap<S, M>>>,
    constructor: C,
}

impl<S: Ord, M: Default> SortedFamily<S, M> {
    /// A family whose metrics begin at their default.
    pub fn new() -> Self {
        Self { metrics: Arc::default(), constructor: M::default }
    }
}

impl<S: Ord, M, C> SortedFamily<S, M, C> {
    /// A family whose metrics are made by the constructor, as histograms with buckets must be.
    pub fn with_constructor(constructor: C) -> Self {
        Self { metrics: Arc::new(RwLock::new(BTreeMap::new())), constructor }
    }

    /// Forgets one label set; whether it was there.
    pub fn remove(&self, labels: &S) -> bool {
        self.write().remove(labels).is_some()
    }

    /// Forgets all label sets but those that the predicate keeps.
    pub fn retain(&self, mut keeps: impl FnMut(&S) -> bool) {
        self.write().retain(|labels, _| keeps(labels));
    }

    // A panic between the few instructions that hold the lock leaves the map whole, so poison means nothing.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<S, M>> {
        self.metrics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<S, M>> {
        self.metrics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Ord + Clone, M: Clone, C: MetricConstructor<M>> SortedFamily<S, M, C> {
    /// The metric of these labels, made if it is not there. prometheus-client's metrics are handles: what is
    /// done to the clone returned is done to the family's.
    pub fn get_or_create(&self, labels: &S) -> M {
        if let Some(metric) = self.get(labels) {
            return metric;
        }
        self.write().entry(labels.clone()).or_insert_with(|| self.constructor.new_metric()).clone()
    }

    /// The metric of these labels, if it is there.
    pub fn get(&self, labels: &S) -> Option<M> {
        self.read().get(labels).cloned()
    }
}

impl<S: Ord, M: Default> Default for SortedFamily<S, M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, M, C: Clone> Clone for SortedFamily<S, M, C> {
    fn clone(&self) -> Self {
        Self { metrics: Arc::clone(&self.metrics), constructor: self.constructor.clone() }
    }
}

impl<S: Ord + fmt::Debug, M: fmt::Debug, C> fmt::Debug for SortedFamily<S, M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.read().iter()).finish()
    }
}

impl<S, M: TypedMetric, C> TypedMetric for SortedFamily<S, M, C> {
    const TYPE: MetricType = M::TYPE;
}

impl<S, M, C> EncodeMetric for SortedFamily<S, M, C>
where
    S: Ord + EncodeLabelSet,
    M: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, metric) in self.read().iter() {
            metric.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.read().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
    use prometheus_client::registry::Registry;

    type Name = [(&'static str, String); 1];

    fn name(value: &str) -> Name {
        [("name", value.to_owned())]
    }

    fn page(family: &SortedFamily<Name, Counter>) -> String {
        let mut registry = Registry::default();
        registry.register("x", "X", family.clone());
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string cannot fail");
        text
    }

    #[test]
    fn metrics_stand_in_the_order_of_their_labels() {
        let family = SortedFamily::<Name, Counter>::new();
        for value in ["c", "a", "b"] {
            family.get_or_create(&name(value)).inc();
        }
        family.get_or_create(&name("a")).inc();
        let expected = "# HELP x X.\n# TYPE x counter\n\
            x_total{name=\"a\"} 2\nx_total{name=\"b\"} 1\nx_total{name=\"c\"} 1\n# EOF\n";
        assert_eq!(page(&family), expected);
    }

    #[test]
    fn label_sets_can_be_forgotten_and_an_empty_family_is_not_on_the_page() {
        let family = SortedFamily::<Name, Counter>::default();
        for value in ["c", "a", "b"] {
            family.get_or_create(&name(value)).inc();
        }
        assert!(family.remove(&name("b")) && !family.remove(&name("b")));
        family.retain(|labels| labels[0].1 == "c");
        assert!(family.get(&name("a")).is_none());
        assert_eq!(family.get(&name("c")).map(|counter| counter.get()), Some(1));
        family.retain(|_| false);
        assert_eq!(page(&family), "# EOF\n");
    }

    #[test]
    fn a_constructor_makes_metrics_that_have_no_default() {
        let family = SortedFamily::with_constructor(|| Histogram::new([1.0]));
        family.get_or_create(&name("a")).observe(2.0);
        assert_eq!(format!("{family:?}").matches("Histogram").count(), 1);
    }
}
