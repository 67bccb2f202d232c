//! Answers word for word: what the service says is what a test wrote down.

use huaweicloud_sms_exporter::config::Config;
use huaweicloud_sms_exporter::simulator::{Fault, Operation, What};
use serde_json::{Value, json};

use crate::harness::Rig;

/// What the service answers instead of what its world holds; by default it holds nothing.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// `source_servers[]`.
    pub(crate) sources: Vec<Value>,
    /// `tasks[]`.
    pub(crate) tasks: Vec<Value>,
    /// `migration_errors[]`.
    pub(crate) errors: Vec<Value>,
    /// The overview as a whole.
    pub(crate) overview: Value,
    /// The answer to `/speed-limit`, whatever the task.
    pub(crate) rules: Value,
    /// The answer to `/consistency-result`, whatever the task.
    pub(crate) consistency: Value,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            tasks: Vec::new(),
            errors: Vec::new(),
            overview: json!({"waiting": 0}),
            rules: json!({"speed_limit": []}),
            consistency: json!({"result_list": []}),
        }
    }
}

impl Answers {
    /// The answers with one source.
    pub(crate) fn source(source: Value) -> Self {
        Self { sources: vec![source], ..Self::default() }
    }

    /// The answers with one task.
    pub(crate) fn task(task: Value) -> Self {
        Self { tasks: vec![task], ..Self::default() }
    }

    /// Has a service give these answers from now on, but for what faults that are there already answer.
    pub(crate) fn put_into(&self, rig: &Rig) {
        let list = |key: &str, objects: &[Value]| json!({"count": objects.len(), key: objects});
        let bodies = [
            (Operation::ListSources, list("source_servers", &self.sources)),
            (Operation::ListTasks, list("tasks", &self.tasks)),
            (Operation::ListErrors, list("migration_errors", &self.errors)),
            (Operation::ShowOverview, self.overview.clone()),
            (Operation::ShowSpeedLimit, self.rules.clone()),
            (Operation::ShowConsistency, self.consistency.clone()),
        ];
        for (operation, body) in bodies {
            rig.simulator.inject(Fault::always(operation, What::RawBody(body.to_string().into_bytes())));
        }
    }

    /// An exporter that polled these answers once.
    pub(crate) async fn polled(&self) -> Rig {
        self.polled_with(|_| {}).await
    }

    /// As [`Self::polled`], with a configuration changed by `change`.
    pub(crate) async fn polled_with(&self, change: impl FnOnce(&mut Config)) -> Rig {
        let mut rig = Rig::with(1, change).await;
        self.put_into(&rig);
        rig.poll().await;
        rig
    }
}
