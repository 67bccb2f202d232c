//! What is kept, as JSON: written from the model, and read back into it.
//!
//! States are written as the service spells them, so that they mean the same to a later version. Floats are
//! written as their bits: a speed that comes back one digit smaller could be within its limit again.

mod counts;
mod objects;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Damage, Memory};
use crate::model::{
    AccountName, Collector, Fleet, Part, Source, SourceId, SpeedRule, SpeedRules, Task, TaskId, Timestamp,
};
use counts::KeptTally;
pub(super) use objects::KeptSource;
use objects::{KeptRule, KeptTask};

/// The whole content of a file.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    account: String,
    scope: String,
    last_success: BTreeMap<String, i64>,
    tally: KeptTally,
    sources: Option<KeptPart<KeptSource>>,
    tasks: Option<KeptPart<KeptTask>>,
    speed_rules: Option<KeptPart<(String, Vec<KeptRule>)>>,
    // Files of earlier versions lack these.
    #[serde(default)]
    absent_sources: Vec<String>,
    #[serde(default)]
    absent_tasks: Vec<String>,
    #[serde(default)]
    implausible_since: BTreeMap<String, i64>,
}

/// A part of a fleet.
#[derive(Debug, Deserialize, Serialize)]
struct KeptPart<T> {
    /// Milliseconds since 1970.
    read_at: i64,
    data: Vec<T>,
}

/// An account's memory as JSON.
pub(super) fn write(memory: &Memory, account: &AccountName, scope: &str) -> Vec<u8> {
    let Memory { fleet, tally, last_success, absent_sources, absent_tasks, implausible_since } = memory;
    let instant = |(collector, at): (&Collector, &Timestamp)| (collector.label().to_owned(), at.millis());
    let kept = Kept {
        account: account.to_string(),
        scope: scope.to_owned(),
        last_success: last_success.iter().map(instant).collect(),
        tally: tally.into(),
        sources: list(&fleet.sources, |source| KeptSource::from(&**source)),
        tasks: list(&fleet.tasks, |task| KeptTask::from(&**task)),
        speed_rules: fleet.speed_rules.as_ref().map(|part| KeptPart {
            read_at: part.read_at.millis(),
            data: part.data.iter().map(rules).collect(),
        }),
        absent_sources: absent_sources.iter().map(ToString::to_string).collect(),
        absent_tasks: absent_tasks.iter().map(ToString::to_string).collect(),
        implausible_since: implausible_since.iter().map(instant).collect(),
    };
    serde_json::to_vec(&kept).expect("plain values with strings for keys are JSON")
}

/// JSON as the memory of this account; of another scope, only what was counted.
pub(super) fn read(json: &[u8], account: &AccountName, scope: &str) -> Result<Memory, Damage> {
    let kept: Kept = serde_json::from_slice(json).map_err(Damage::Content)?;
    if kept.account != account.as_str() {
        return Err(Damage::OtherAccount(AccountName::new(kept.account)));
    }
    let tally = kept.tally.into();
    if kept.scope != scope {
        return Ok(Memory { tally, ..Memory::default() });
    }
    let instant = |(collector, millis): (String, i64)| {
        Some((Collector::from_label(&collector)?, Timestamp::from_millis(millis)))
    };
    let fleet = Fleet {
        sources: kept.sources.map(|part| objects(part, |source: &Source| source.id.as_str().to_owned())),
        tasks: kept.tasks.map(|part| objects(part, |task: &Task| task.id.as_str().to_owned())),
        speed_rules: kept.speed_rules.map(speed_rules),
        ..Fleet::default()
    };
    let instants = |kept: BTreeMap<String, i64>| kept.into_iter().filter_map(instant).collect();
    Ok(Memory {
        fleet,
        tally,
        last_success: instants(kept.last_success),
        absent_sources: kept.absent_sources.into_iter().map(SourceId::new).collect(),
        absent_tasks: kept.absent_tasks.into_iter().map(TaskId::new).collect(),
        implausible_since: instants(kept.implausible_since),
    })
}

fn list<T, K>(part: &Option<Arc<Part<Vec<T>>>>, keep: impl Fn(&T) -> K) -> Option<KeptPart<K>> {
    let part = part.as_ref()?;
    Some(KeptPart { read_at: part.read_at.millis(), data: part.data.iter().map(keep).collect() })
}

fn rules((task, rules): (&TaskId, &Arc<[SpeedRule]>)) -> (String, Vec<KeptRule>) {
    (task.to_string(), rules.iter().map(KeptRule::from).collect())
}

/// Ordered by id, each id once, as a fleet promises: what was written is so, but a promise is not a proof.
fn objects<T: From<K>, K>(part: KeptPart<K>, id: impl Fn(&T) -> String) -> Arc<Part<Vec<Arc<T>>>> {
    let by_id: BTreeMap<String, Arc<T>> = part
        .data
        .into_iter()
        .map(|kept| {
            let object = T::from(kept);
            (id(&object), Arc::new(object))
        })
        .collect();
    let read_at = Timestamp::from_millis(part.read_at);
    Arc::new(Part { data: by_id.into_values().collect(), read_at })
}

fn speed_rules(part: KeptPart<(String, Vec<KeptRule>)>) -> Arc<Part<SpeedRules>> {
    let of_task = |(task, rules): (String, Vec<KeptRule>)| {
        (TaskId::new(task), rules.into_iter().filter_map(KeptRule::rule).collect())
    };
    let read_at = Timestamp::from_millis(part.read_at);
    Arc::new(Part { data: part.data.into_iter().map(of_task).collect(), read_at })
}
