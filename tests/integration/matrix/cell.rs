//! One cell: a fleet, a fault, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use huaweicloud_sms_exporter::config::{Collectors, CredentialSource, SecretFrom};
use huaweicloud_sms_exporter::model::Collector;
use huaweicloud_sms_exporter::simulator::{self, Keys, Operation, What, When, World};

use super::faults::{Act, Fault, Phase, Target};
use super::front::{Front, Identities, Road};
use super::oracle::{COLLECTORS, Facts, differences, still_there};
use super::worlds::{change, fill, mark};
use crate::counts::Counts;
use crate::harness::Series;
use crate::virtual_time::{Live, Service};

/// Between two polls.
const PERIOD: Duration = Duration::from_secs(30);

/// After so long, what was not read again is taken from the page.
const STALE: Duration = Duration::from_secs(120);

/// No fault is followed by so long a time without data.
const PATIENCE: Duration = Duration::from_secs(700);

/// For removals to be confirmed, and details to be asked for again.
const REST: Duration = Duration::from_secs(75);

/// By how much a failing collector may hold up the others, with the time that their own requests take.
const HELD_UP: Duration = Duration::from_secs(3);

/// The same where one operation is refused for the rate: refusals are the account's, and until the first success all
/// wait for the probe that is out.
const HELD_UP_BY_REFUSALS: Duration = Duration::from_secs(20);

/// What a collector's part of the page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Served {
    /// What is.
    Fresh,
    /// What was, before the fault.
    Last,
    /// Nothing.
    Nothing,
    /// Something else, which is never right.
    Wrong,
}

/// What came of a cell.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Of what the fault struck, at its end.
    pub(super) served: Served,
    /// From the fault's end (or the poll that it struck) to a page that says what is.
    pub(super) fresh: Option<Duration>,
    /// What must not be.
    pub(super) wrong: Vec<String>,
    /// What the exporter said of its failures, for whoever looks into a cell.
    pub(super) failures: String,
}

/// The moments of a cell, in seconds: when the fault begins and ends, and when the fleet changes meanwhile.
struct Times {
    change: u64,
    begin: u64,
    end: u64,
}

impl Times {
    fn of(phase: Phase) -> Self {
        // Polls begin at whole half minutes; a fault that ends shortly after one is met by it.
        let (change, begin, end) = match phase {
            Phase::Start => (20, 0, 65),
            Phase::Middle => (20, 25, 40),
            Phase::Minute => (80, 65, 125),
            Phase::Ever => (80, 65, 65 + 30 + STALE.as_secs()),
        };
        Self { change, begin, end }
    }
}

/// A cell under way.
struct Cell<'a> {
    fault: &'a Fault,
    target: Target,
    phase: Phase,
    live: Live,
    front: Option<Front>,
    keys: Keys,
    /// The fleet as it was at the beginning.
    initial: World,
    /// The fleet as it was at the end of the last change by hand.
    settled: World,
    changed: Duration,
    /// The fleet when each collector's part was first on the page, and when it was last seen to be fresh.
    known: BTreeMap<&'static str, (World, World)>,
    /// When each collector had told the last change.
    told: BTreeMap<&'static str, Duration>,
    wrong: Vec<String>,
}

/// Plays a cell to its end.
pub(super) async fn play(fault: &Fault, target: Target, phase: Phase) -> Outcome {
    let times = Times::of(phase);
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut cell = Cell::new(fault, target, phase, home.path()).await;
    if phase == Phase::Start {
        cell.turn(true);
    }
    let (first, second) = (times.change.min(times.begin), times.change.max(times.begin));
    for moment in [first, second] {
        cell.until(Duration::from_secs(moment)).await;
        if moment == times.change {
            cell.edit(change);
        }
        if moment == times.begin && phase != Phase::Start {
            cell.turn(true);
        }
    }
    cell.others_are_told(&times).await;
    let struck = if phase == Phase::Middle { PERIOD } else { Duration::from_secs(times.end) };
    if phase == Phase::Middle && cell.strikes_once() {
        // It ends by itself, and whether it was met is seen at the next page.
        let fresh = cell.until_fresh(PATIENCE).await.map(|at| at.saturating_sub(struck));
        cell.turn(false);
        return cell.end(Served::Fresh, fresh).await;
    }
    cell.until(Duration::from_secs(times.end)).await;
    let served = cell.served();
    if phase == Phase::Ever {
        return cell.end(served, None).await;
    }
    cell.turn(false);
    cell.edit(mark);
    let fresh = cell.until_fresh(PATIENCE).await.map(|at| at.saturating_sub(struck));
    cell.end(served, fresh).await
}

impl<'a> Cell<'a> {
    async fn new(fault: &'a Fault, target: Target, phase: Phase, home: &std::path::Path) -> Self {
        let size = fault.size(target);
        let service = Service::new(|world| fill(world, size)).await;
        let keys = service.simulator.keys();
        let (mut endpoint, mut authority, mut front) = (service.origin.clone(), None, None);
        if let Act::Road(road) = fault.act {
            let tls = (road == Road::Stranger).then(Identities::new);
            let address = service.origin.trim_start_matches("http://").parse().expect("an address");
            let scheme = if tls.is_some() { "https" } else { "http" };
            authority = tls.as_ref().map(|tls| tls.authority.clone());
            let before = Front::before(address, tls, Road::Open);
            endpoint = format!("{scheme}://{}", before.address());
            front = Some(before);
        } else if matches!(fault.act, Act::NoName) {
            // A label may have 63 characters: nobody has to be asked that it does not resolve.
            endpoint = format!("https://{}.invalid", "x".repeat(64));
        }
        let ca_file = authority.map(|pem| {
            let file = home.join("ca.pem");
            std::fs::write(&file, pem).expect("a file is written");
            file
        });
        let initial = service.simulator.truth();
        let settled = initial.clone();
        let mut live = service.polled(&endpoint, |config| {
            (config.poll_interval, config.stale_after) = (PERIOD, STALE);
            let account = &mut config.accounts[0];
            account.ca_file = ca_file;
            if fault.is_between_pages() {
                let lists = [Collector::Sources, Collector::Tasks, Collector::Overview, Collector::Errors];
                account.collectors = Collectors::new(lists);
            }
            if matches!(fault.act, Act::TokensEnd) {
                let Keys { user, domain, password, .. } = keys.clone();
                let password = SecretFrom::Value(password.into());
                account.credentials = CredentialSource::Password { user, domain, password };
            }
        });
        live.is_new();
        let (known, told, wrong) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let changed = Duration::ZERO;
        Self { fault, target, phase, live, front, keys, initial, settled, changed, known, told, wrong }
    }

    /// Collectors whose own requests the fault strikes; of everything, the lists, as details go by these.
    fn struck(&self) -> &'static [&'static str] {
        let collector = match self.target {
            Target::Operation(Operation::ListSources) => "sources",
            Target::Operation(Operation::ListTasks) => "tasks",
            Target::Operation(Operation::ShowOverview) => "overview",
            Target::Operation(Operation::ListErrors) => "errors",
            Target::Operation(Operation::ShowSpeedLimit) => "speed_limits",
            Target::Operation(Operation::ShowConsistency) => "consistency",
            Target::Operation(_) | Target::Everything => return &COLLECTORS[..4],
        };
        let at = COLLECTORS.iter().position(|of| *of == collector).expect("it is one of them");
        &COLLECTORS[at..=at]
    }

    /// Whether the fault, in the middle of a poll, is one request's.
    fn strikes_once(&self) -> bool {
        matches!(self.fault.act, Act::Order(_)) && !matches!(self.fault.act, Act::Order(What::Quota { .. }))
    }

    /// Begins the fault, or ends it.
    fn turn(&mut self, on: bool) {
        let simulator = &self.live.simulator;
        match (&self.fault.act, on) {
            (Act::Order(_), false) => simulator.clear_faults(),
            (Act::Order(what), true) => {
                let operation = match self.target {
                    Target::Operation(operation) => Some(operation),
                    Target::Everything => None,
                };
                let nth = if self.target == Target::Everything { 3 } else { 1 };
                let strikes_once = self.phase == Phase::Middle && self.strikes_once();
                let when = if strikes_once { When::Nth(nth) } else { When::Always };
                simulator.inject(simulator::Fault { operation, when, what: what.clone() });
            }
            (Act::OtherKey, true) => {
                simulator.replace_keys(Keys { sk: "another".into(), ..self.keys.clone() });
            }
            (Act::OtherKey, false) => simulator.replace_keys(self.keys.clone()),
            (Act::TokensEnd, true) => simulator.inject(simulator::Fault::everywhere(What::TokenRevoked)),
            (Act::TokensEnd, false) => simulator.clear_faults(),
            (Act::ClockSkew, on) => self.live.set_skew(Duration::from_secs(if on { 3600 } else { 0 })),
            (Act::Road(road), on) => {
                let front = self.front.as_ref().expect("it stands before the service");
                front.turn(if on { *road } else { Road::Open });
            }
            (Act::NoName, _) => {}
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut World)) {
        self.live.simulator.edit(change);
        self.settled = self.live.simulator.truth();
        self.changed = self.live.elapsed();
        self.told.clear();
    }

    async fn until(&mut self, moment: Duration) {
        while self.live.elapsed() < moment {
            self.live.step().await;
            if self.live.is_new() {
                self.look();
            }
        }
    }

    /// When all that the fault struck says what is; `None` where it does not within the time.
    async fn until_fresh(&mut self, within: Duration) -> Option<Duration> {
        let end = self.live.elapsed() + within;
        let collectors = self.struck();
        let is_told = |cell: &Self| collectors.iter().all(|collector| cell.told.contains_key(collector));
        while !is_told(self) && self.live.elapsed() < end {
            self.until(self.live.elapsed() + Duration::from_secs(1)).await;
        }
        let when = |collector| self.told.get(collector).copied();
        collectors.iter().map(when).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Takes a new page into account.
    fn look(&mut self) {
        let (page, truth, now) = (self.live.series(), self.live.simulator.truth(), self.live.elapsed());
        let facts = Facts::of_page(&page);
        let expected = Facts::of_world(&still_there(self.settled.clone(), &truth));
        for collector in COLLECTORS.into_iter().filter(|collector| facts.has(collector)) {
            let (_, fresh) = self.known.entry(collector).or_insert_with(|| (truth.clone(), truth.clone()));
            if facts.covers(&expected, collector) {
                fresh.clone_from(&truth);
                self.told.entry(collector).or_insert(now);
            }
            let wrong = missing(&facts, collector, &self.initial, &truth);
            self.wrong.extend(wrong.into_iter().map(|wrong| format!("at {} s: {wrong}", now.as_secs())));
        }
    }

    /// What the page says of what the fault struck: the worst of it.
    fn served(&self) -> Served {
        let facts = Facts::of_page(&self.live.series());
        let served = |collector: &&'static str| match () {
            () if self.told.contains_key(*collector) && facts.has(collector) => Served::Fresh,
            () if facts.has(collector) => Served::Last,
            () => Served::Nothing,
        };
        self.struck().iter().map(served).max().unwrap_or(Served::Wrong)
    }

    /// The lists that the fault does not strike have told the change with the poll after it.
    async fn others_are_told(&mut self, times: &Times) {
        let turns_over = matches!(self.fault.act, Act::Order(What::Turnover { .. }));
        let lists = &COLLECTORS[..4];
        if turns_over || self.struck().len() > 1 {
            return;
        }
        let poll = Duration::from_secs(times.change.next_multiple_of(PERIOD.as_secs()));
        self.until(poll + PERIOD).await;
        let refuses = matches!(self.fault.act, Act::Order(What::Refuse { .. }));
        let most = if refuses && self.phase == Phase::Start { HELD_UP_BY_REFUSALS } else { HELD_UP };
        let struck = self.struck();
        for list in lists.iter().filter(|list| !struck.contains(list)) {
            let told = self.told.get(*list).map(|told| told.saturating_sub(poll));
            if told.is_none_or(|told| told > most) {
                self.wrong.push(format!("{list} is held up, and told after {told:?}"));
            }
        }
    }

    /// Lets all come to rest, and holds the counters against what happened.
    async fn end(mut self, served: Served, fresh: Option<Duration>) -> Outcome {
        if self.phase != Phase::Ever {
            self.until(self.live.elapsed() + REST).await;
        }
        let (page, truth) = (self.live.series(), self.live.simulator.truth());
        if self.phase != Phase::Ever {
            self.wrong.extend(differences(&page, &truth));
        }
        self.wrong.extend(self.miscounted(&page));
        let said = self.live.whole().into_iter();
        let said = said.filter(|(name, _)| name.starts_with("sms_exporter_poll_failures_total"));
        let failures = said.filter_map(|(name, count)| Some(format!("{} {count}", name.split_once(',')?.1)));
        let failures = failures.collect::<Vec<_>>().join(" ");
        Outcome { served, fresh, wrong: self.wrong, failures }
    }

    /// What counters of events say that the service's own truth does not.
    fn miscounted(&self, page: &Series) -> Vec<String> {
        if matches!(self.fault.act, Act::Order(What::Turnover { .. })) {
            return self.miscounted_in_turnover(page);
        }
        let mut counts = Counts::default();
        if let Some((first, fresh)) = self.known.get("sources") {
            counts.sources(first, fresh);
        }
        if let Some((first, fresh)) = self.known.get("tasks") {
            counts.tasks(first, fresh);
        }
        counts.differences(page)
    }

    /// Who joined and left between two readings was never seen; all others were, once.
    fn miscounted_in_turnover(&self, page: &Series) -> Vec<String> {
        let Some((first, fresh)) = self.known.get("sources") else { return Vec::new() };
        let counted = |what: &str| {
            let series = format!("huaweicloud_sms_source_{what}_total{{account=\"test\"}}");
            page.get(&series).copied().unwrap_or_default()
        };
        let (came, went) = (counted("registrations"), counted("removals"));
        let all = self.live.simulator.tally().changes;
        let gained = fresh.sources.len() as f64 - first.sources.len() as f64;
        let mut wrong = Vec::new();
        // What left last is not yet confirmed where nothing came to rest.
        if self.phase != Phase::Ever && came - went != gained {
            wrong.push(format!("{came} came and {went} went, and there are {gained} more"));
        }
        // The fleet itself was registered by hand.
        let (most, least) = (all.registrations as f64 - first.sources.len() as f64, 0.0);
        if came > most.max(least) || went > all.removals as f64 {
            wrong.push(format!("{came} came and {went} went, of {most} and {}", all.removals));
        }
        wrong
    }
}

/// Of those who were there all the time, some are not on the page.
fn missing(facts: &Facts, collector: &'static str, initial: &World, truth: &World) -> Option<String> {
    let ids = |world: &World| -> Vec<String> {
        match collector {
            "sources" => world.sources.keys().cloned().collect(),
            "tasks" => world.tasks.keys().cloned().collect(),
            "errors" => world.errors.keys().cloned().collect(),
            _ => Vec::new(),
        }
    };
    let shown = facts.ids(collector);
    let now: BTreeSet<String> = ids(truth).into_iter().collect();
    let stayed = ids(initial).into_iter().filter(|id| now.contains(id));
    let missing: Vec<String> = stayed.filter(|id| !shown.contains(id.as_str())).collect();
    let example = missing.first()?;
    Some(format!("{} of {collector} are missing, such as {example}", missing.len()))
}
