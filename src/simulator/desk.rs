//! What the service answers to a well-authenticated question about the fleet.

use serde_json::{Value, json};

use super::answer::{Answer, Body};
use super::fault::What;
use super::operation::Operation;
use super::portrait;
use super::random::Random;
use super::world::{Source, Task, World};

/// The largest `offset` that the service takes.
const MAX_OFFSET: i64 = 65_535;

/// Decoded `name=value` pairs of a query.
#[derive(Debug, Default)]
pub(super) struct Query(pub(super) Vec<(String, String)>);

/// The part of a list that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// What faults do to a list before a page is cut from it.
#[derive(Debug, Default)]
pub(super) struct Disorder {
    /// By how many objects pages after the first are moved.
    shift: i64,
    /// How many objects there seem to be.
    first: Option<usize>,
    /// Blocks within which the order is any, and the chance that decides it.
    shuffle: Option<(usize, Random)>,
}

impl Disorder {
    /// What these faults do, with a chance of its own for each request.
    pub(super) fn of(faults: &[What], random: &Random) -> Self {
        let mut disorder = Self::default();
        for what in faults {
            if let What::ShiftWhilePaging(by) = what {
                disorder.shift = *by;
            } else if let What::FirstOnly(first) = what {
                disorder.first = Some(*first);
            } else if let What::Shuffle(block) = what {
                disorder.shuffle = Some(((*block).max(1), random.clone()));
            }
        }
        disorder
    }

    fn act<T>(&self, all: &mut Vec<T>) {
        all.truncate(self.first.unwrap_or(usize::MAX));
        if let Some((block, random)) = &self.shuffle {
            let mut random = random.clone();
            all.chunks_mut(*block).for_each(|block| random.shuffle(block));
        }
    }
}

impl Query {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a filter, if there is one, is met.
    fn admits(&self, name: &str, value: &str) -> bool {
        self.get(name).is_none_or(|wanted| wanted.is_empty() || wanted == value)
    }

    /// The page asked for, or the refusal of the service.
    pub(super) fn page(&self, operation: Operation) -> Result<Page, Answer> {
        let (default, max) = if operation == Operation::ListSources {
            (200, 200)
        } else if operation == Operation::ListTasks {
            (100, 200)
        } else {
            (50, 100)
        };
        let number = |name: &str, default: i64, max: i64| {
            let given = self.get(name).map_or(Some(default), |text| text.parse::<i64>().ok());
            given.filter(|number| (0..=max).contains(number)).ok_or_else(|| invalid(name))
        };
        let limit = number("limit", default, max)?;
        let limit = if limit == 0 { default } else { limit };
        let offset = number("offset", 0, MAX_OFFSET)?;
        let size = |number| usize::try_from(number).expect("checked not to be negative");
        Ok(Page { limit: size(limit), offset: size(offset) })
    }
}

fn invalid(parameter: &str) -> Answer {
    Answer::error(400, "SMS.9001", &format!("Invalid parameters: {parameter}."))
}

/// Answers an operation of SMS.
pub(super) fn answer(
    world: &World,
    operation: Operation,
    id: Option<&str>,
    query: &Query,
    disorder: &Disorder,
) -> Answer {
    match (operation, id) {
        (Operation::ShowOverview, _) => Answer::ok(json!(world.overview())),
        (Operation::ShowSource, Some(id)) => match world.sources.get(id) {
            Some(source) => Answer::ok(portrait::shown_source(world, source)),
            None => Answer::error(400, "SMS.7602", "The specified source server does not exist."),
        },
        (Operation::ShowTask, Some(id)) => {
            with_task(world, id, |task| Answer::ok(portrait::shown_task(world, task)))
        }
        (Operation::ShowSpeedLimit, Some(id)) => with_task(world, id, |task| match task.rules.as_slice() {
            [] => Answer::error(400, "SMS.6302", "No migration speed limit found."),
            _ => Answer::ok(portrait::speed_rules(task)),
        }),
        (Operation::ShowConsistency, Some(id)) => with_task(world, id, |task| match &task.consistency {
            Some(result) => Answer::ok(portrait::consistency(task, result)),
            None => Answer::error(404, "SMS.7703", "The consistency result does not exist."),
        }),
        _ => list(world, operation, query, disorder),
    }
}

fn with_task(world: &World, id: &str, answer: impl FnOnce(&Task) -> Answer) -> Answer {
    match world.tasks.get(id) {
        Some(task) => answer(task),
        None => Answer::error(400, "SMS.7703", "Task does not exist."),
    }
}

fn list(world: &World, operation: Operation, query: &Query, disorder: &Disorder) -> Answer {
    let mut page = match query.page(operation) {
        Ok(page) => page,
        Err(refusal) => return refusal,
    };
    if page.offset > 0 {
        page.offset = page.offset.saturating_add_signed(isize::try_from(disorder.shift).unwrap_or(0));
    }
    let key = operation.list_key().expect("only lists come here");
    let (count, objects) = match (operation, key) {
        (Operation::ListSources, _) => {
            let matching = world.sources.values().filter(|source| source_admitted(source, query));
            cut(matching, page, disorder, |source| portrait::listed_source(world, source))
        }
        (Operation::ListTasks, _) => {
            let matching = world.tasks.values().filter(|task| task_admitted(task, query));
            cut(matching, page, disorder, |task| portrait::listed_task(world, task))
        }
        (Operation::ListErrors, _) => {
            let source = |id: &str| world.sources.get(id);
            let matching = world.errors.values().filter(|error| {
                source(&error.source_id).is_none_or(|source| source_admitted(source, &query.of_project()))
            });
            cut(matching, page, disorder, portrait::migration_error)
        }
        _ => cut(world.migprojects.iter(), page, disorder, |(id, name)| migproject(id, name)),
    };
    Answer::ok(json!({"count": count, key: objects}))
}

impl Query {
    /// The filters that `/v3/errors` knows.
    fn of_project(&self) -> Self {
        let known = |name: &str| name == "migproject" || name == "enterprise_project_id";
        Self(self.0.iter().filter(|(name, _)| known(name)).cloned().collect())
    }
}

/// The object that stands before the page that was asked for.
pub(super) fn before(world: &World, operation: Operation, query: &Query) -> Option<Value> {
    let page = query.page(operation).ok().filter(|page| page.offset > 0)?;
    let paging = |name: &str| name == "limit" || name == "offset";
    let mut query = Query(query.0.iter().filter(|(name, _)| !paging(name)).cloned().collect());
    query.0.push(("limit".to_owned(), "1".to_owned()));
    query.0.push(("offset".to_owned(), (page.offset - 1).to_string()));
    match list(world, operation, &query, &Disorder::default()).body {
        Body::Json(mut json) => json[operation.list_key()?].as_array_mut()?.pop(),
        Body::Bytes(_) => None,
    }
}

/// How many there are, and the page of them.
fn cut<T>(
    all: impl Iterator<Item = T>,
    page: Page,
    disorder: &Disorder,
    draw: impl Fn(T) -> Value,
) -> (usize, Vec<Value>) {
    let mut all: Vec<T> = all.collect();
    disorder.act(&mut all);
    let count = all.len();
    (count, all.into_iter().skip(page.offset).take(page.limit).map(draw).collect())
}

fn source_admitted(source: &Source, query: &Query) -> bool {
    query.admits("state", &source.state)
        && query.admits("id", &source.id)
        && query.admits("ip", &source.ip)
        && query.get("name").is_none_or(|part| source.name.contains(part))
        && query.admits("connected", if source.connected { "true" } else { "false" })
        && query.admits("migproject", &source.migproject)
        && query.admits("migration_cycle", &source.migration_cycle)
        && query.admits("enterprise_project_id", source.enterprise_project_id.as_deref().unwrap_or("0"))
}

fn task_admitted(task: &Task, query: &Query) -> bool {
    query.admits("state", &task.state)
        && query.admits("id", &task.id)
        && query.get("name").is_none_or(|part| task.name.contains(part))
        && query.admits("source_server_id", &task.source_id)
        && query.admits("enterprise_project_id", task.enterprise_project_id.as_deref().unwrap_or("0"))
}

fn migproject(id: &str, name: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "use_public_ip": true,
        "isdefault": name == "SystemProject",
        "start_target_server": true,
        "region": null,
        "speed_limit": 0,
        "exist_server": true,
        "description": "",
        "type": "MIGRATE_BLOCK",
        "enterprise_project": "default",
        "syncing": true,
        "start_network_check": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str, operation: Operation) -> Result<Page, u16> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = Query(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
        query.page(operation).map_err(|refusal| refusal.status)
    }

    #[test]
    fn limits_and_offsets_are_those_of_the_documents() {
        let ok = |limit, offset| Ok(Page { limit, offset });
        assert_eq!(page("", Operation::ListSources), ok(200, 0));
        assert_eq!(page("limit=0", Operation::ListSources), ok(200, 0));
        assert_eq!(page("", Operation::ListTasks), ok(100, 0));
        assert_eq!(page("limit=200&offset=65535", Operation::ListTasks), ok(200, 65_535));
        assert_eq!(page("", Operation::ListErrors), ok(50, 0));
        for query in ["limit=201", "limit=-1", "limit=x", "offset=65536", "offset=-1"] {
            assert_eq!(page(query, Operation::ListSources), Err(400), "{query}");
        }
        assert_eq!(page("limit=101", Operation::ListErrors), Err(400));
    }

    #[test]
    fn a_list_is_cut_by_records_and_counts_all_that_match() {
        let mut world = World::default();
        for index in 0..5 {
            let state = if index == 4 { "error" } else { "waiting" }.into();
            let source = Source { id: format!("s{index}"), state, ..Source::default() };
            world.sources.insert(source.id.clone(), source);
        }
        let ids = |pairs: &[(&str, &str)], fault: What| {
            let query = Query(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
            let disorder = Disorder::of(&[fault], &Random::new(4, 1));
            let json = answer(&world, Operation::ListSources, None, &query, &disorder).json().unwrap();
            let list = json["source_servers"].as_array().unwrap();
            let ids: Vec<_> = list.iter().map(|source| source["id"].as_str().unwrap().to_owned()).collect();
            (json["count"].as_u64().unwrap(), ids.join(" "))
        };
        let (none, shift) = (What::ShiftWhilePaging(0), What::ShiftWhilePaging(1));
        assert_eq!(ids(&[("limit", "2"), ("offset", "2")], none.clone()), (5, "s2 s3".into()));
        assert_eq!(ids(&[("limit", "2"), ("offset", "2")], shift), (5, "s3 s4".into()));
        assert_eq!(ids(&[("offset", "5")], none.clone()), (5, String::new()));
        assert_eq!(ids(&[("state", "error")], none), (1, "s4".into()));
        assert_eq!(ids(&[], What::FirstOnly(2)), (2, "s0 s1".into()));
        assert_eq!(ids(&[], What::FirstOnly(0)), (0, String::new()));
        let (count, shuffled) = ids(&[], What::Shuffle(3));
        let (head, tail) = shuffled.split_at(8);
        let sorted = |ids: &str| {
            let mut ids: Vec<_> = ids.split_whitespace().map(str::to_owned).collect();
            ids.sort();
            ids.join(" ")
        };
        assert_eq!((count, sorted(head), sorted(tail)), (5, "s0 s1 s2".into(), "s3 s4".into()));
        assert_ne!(shuffled, "s0 s1 s2 s3 s4");
    }
}
