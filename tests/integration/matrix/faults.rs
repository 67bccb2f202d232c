//! The faults of the matrix, and what is promised of each.

use std::time::Duration;

use huaweicloud_sms_exporter::simulator::{Operation, What};

use super::cell::{Outcome, Served};
use super::front::Road;
use super::worlds::Size;

/// When a fault is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// From before the first poll, for a minute.
    Start,
    /// In the middle of one poll among good ones.
    Middle,
    /// For a minute among good ones.
    Minute,
    /// Without an end.
    Ever,
}

impl Phase {
    pub(super) const ALL: [Self; 4] = [Self::Start, Self::Middle, Self::Minute, Self::Ever];
}

/// Whom a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Operation(Operation),
    Everything,
}

/// How a fault is made.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// By the service, request by request.
    Order(What),
    /// The key is another one.
    OtherKey,
    /// Tokens that were given are good no longer, over and over.
    TokensEnd,
    /// The service's clock is an hour ahead.
    ClockSkew,
    /// By what stands before the service, without TLS or with it.
    Road(Road),
    /// The service's name does not resolve.
    NoName,
}

/// A fault, with what is promised while it lasts and after it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) act: Act,
    reach: Reach,
    /// What is served of what the fault strikes, once a poll that met it is over.
    meanwhile: Served,
    /// Seconds within which it is fresh again after a stroke, and after the fault's end.
    within: (u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Each operation by itself, and all together.
    Operations,
    /// Each of the lists.
    Lists,
    /// The whole service.
    Service,
}

/// What is asked for object by object is asked for again, and shown, within so many seconds.
const DETAILS: u64 = 65;

const LISTS: [Operation; 3] = [Operation::ListSources, Operation::ListTasks, Operation::ListErrors];

impl Fault {
    pub(super) fn targets(&self) -> Vec<Target> {
        let others = [Operation::ShowOverview, Operation::ShowSpeedLimit, Operation::ShowConsistency];
        let each = |operations: &[Operation]| operations.iter().copied().map(Target::Operation).collect();
        match self.reach {
            Reach::Lists => each(&LISTS),
            Reach::Service => vec![Target::Everything],
            Reach::Operations => {
                let mut targets: Vec<Target> = each(&LISTS);
                targets.extend(others.map(Target::Operation));
                targets.push(Target::Everything);
                targets
            }
        }
    }

    pub(super) fn phases(&self) -> &'static [Phase] {
        match &self.act {
            // A name cannot be made to resolve again without touching the machine.
            Act::NoName => &[Phase::Ever],
            Act::Order(What::FirstOnly(_)) => {
                // Whoever knew nothing before cannot know that a list is short.
                &[Phase::Middle, Phase::Minute, Phase::Ever]
            }
            Act::Order(What::Quota { .. }) => {
                // There is no stroke of a quota.
                &[Phase::Start, Phase::Minute, Phase::Ever]
            }
            Act::Order(_) | Act::OtherKey | Act::TokensEnd | Act::ClockSkew | Act::Road(_) => &Phase::ALL,
        }
    }

    /// Whether it needs lists of several pages.
    pub(super) fn is_between_pages(&self) -> bool {
        self.reach == Reach::Lists && !matches!(self.act, Act::Order(What::FirstOnly(_)))
    }

    /// A fleet in which it can be seen.
    pub(super) fn size(&self, target: Target) -> Size {
        if !self.is_between_pages() {
            return Size { sources: 12, tasks: 12, errors: 11, detailed: 6 };
        }
        if target == Target::Operation(Operation::ListTasks) {
            Size { sources: 20, tasks: 230, errors: 1, detailed: 0 }
        } else if target == Target::Operation(Operation::ListErrors) {
            Size { sources: 4, tasks: 1, errors: 120, detailed: 0 }
        } else {
            Size { sources: 230, tasks: 1, errors: 1, detailed: 0 }
        }
    }

    /// What of an outcome is not as promised.
    pub(super) fn judge(&self, target: Target, phase: Phase, outcome: &Outcome) -> Vec<String> {
        let mut wrong = Vec::new();
        let is_detail = is_of_details(target);
        let expected = match (self.meanwhile, phase) {
            (Served::Fresh, _) => Some(Served::Fresh),
            (_, Phase::Start) => Some(Served::Nothing),
            (_, Phase::Minute) => Some(Served::Last),
            // An answer about one object is not too old before its own time.
            (_, Phase::Ever) if is_detail && outcome.served == Served::Last => None,
            (_, Phase::Ever) => Some(Served::Nothing),
            (_, Phase::Middle) => None,
        };
        if expected.is_some_and(|expected| expected != outcome.served) {
            wrong.push(format!("served {:?} and not {:?}", outcome.served, expected));
        }
        let within = match phase {
            Phase::Ever => return wrong,
            Phase::Middle => self.within.0,
            Phase::Start | Phase::Minute => self.within.1,
        };
        let within = if is_detail { within.max(DETAILS) } else { within };
        match outcome.fresh {
            Some(fresh) if fresh <= Duration::from_secs(within) => {}
            Some(fresh) => wrong.push(format!("fresh after {} s and not {within}", fresh.as_secs())),
            None => wrong.push("never fresh again".to_owned()),
        }
        wrong
    }
}

/// Whether it is what is asked for object by object.
pub(super) fn is_of_details(target: Target) -> bool {
    [Operation::ShowSpeedLimit, Operation::ShowConsistency].map(Target::Operation).contains(&target)
}

fn status(code: u16, headers: &[(&str, &str)]) -> Act {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = br#"{"error_code":"SMS.6000","error_msg":"Service error."}"#.to_vec();
    Act::Order(What::Status { code, body, content_type: "application/json".into(), headers })
}

/// All of them, in the order of the table.
pub(super) fn faults() -> Vec<Fault> {
    let mut faults = of_answers();
    faults.extend(of_lists_and_ways());
    faults
}

fn fault(name: &'static str, act: Act, reach: Reach, meanwhile: Served, within: (u64, u64)) -> Fault {
    Fault { name, act, reach, meanwhile, within }
}

/// What any request may be answered by.
fn of_answers() -> Vec<Fault> {
    use Act::Order;
    use Reach::{Operations, Service};
    use Served::{Fresh, Last};
    let secs = Duration::from_secs;
    let elsewhere = [("Location", "https://elsewhere.example/v3")];
    vec![
        fault(
            "429, with `Retry-After: 20`",
            Order(What::Refuse { retry_after: Some(20) }),
            Operations,
            Last,
            (30, 60),
        ),
        fault("429, without", Order(What::Refuse { retry_after: None }), Operations, Last, (35, 60)),
        fault(
            "a quota of half the configured rate",
            Order(What::Quota { per_second: 2.5, retry_after: None }),
            Service,
            Fresh,
            (30, 60),
        ),
        fault("500", status(500, &[]), Operations, Last, (10, 35)),
        fault("502, of a proxy", Order(What::Html502), Operations, Last, (10, 35)),
        fault("503", status(503, &[]), Operations, Last, (10, 35)),
        fault("301", status(301, &elsewhere), Operations, Last, (35, 35)),
        fault("403", status(403, &[]), Operations, Last, (35, 35)),
        fault("answers that take 5 s", Order(What::SlowBy(secs(5))), Operations, Fresh, (10, 35)),
        fault(
            "answers that overtake each other",
            Order(What::SlowUpTo(secs(3))),
            Operations,
            Fresh,
            (10, 35),
        ),
        fault("answers that never come", Order(What::HangHeaders), Operations, Last, (35, 35)),
        fault("answers that break off", Order(What::TruncateBody(40)), Operations, Last, (10, 35)),
        fault("JSON that ends early", Order(What::CutDocument(60)), Operations, Last, (35, 35)),
    ]
}

/// What may be wrong with lists, with who asks and with the way to the service.
fn of_lists_and_ways() -> Vec<Fault> {
    use Act::{Order, Road as On};
    use Reach::{Lists, Service};
    use Served::{Fresh, Last};
    vec![
        fault("a wrong `count`", Order(What::CountOff(1)), Lists, Last, (35, 35)),
        fault(
            "objects that leave and join between pages",
            Order(What::Turnover { leave: 1, join: 1 }),
            Lists,
            Fresh,
            (95, 95),
        ),
        fault("a list in no stable order", Order(What::Shuffle(7)), Lists, Fresh, (95, 95)),
        fault(
            "objects that come again on the next page",
            Order(What::DuplicateAcrossPages),
            Lists,
            Fresh,
            (35, 35),
        ),
        fault("an empty list, and a `count` that fits", Order(What::FirstOnly(0)), Lists, Last, (35, 35)),
        fault(
            "a list that lost two thirds, and a `count` that fits",
            Order(What::FirstOnly(4)),
            Lists,
            Last,
            (35, 35),
        ),
        fault("a refused key", Act::OtherKey, Service, Last, (605, 605)),
        fault("tokens that end before their time", Act::TokensEnd, Service, Last, (605, 605)),
        fault("a clock that is off by an hour", Act::ClockSkew, Service, Last, (605, 605)),
        fault("a name that does not resolve", Act::NoName, Service, Last, (35, 35)),
        fault("connection refused", On(Road::Refused), Service, Last, (35, 35)),
        fault("connection reset", On(Road::Reset), Service, Last, (35, 35)),
        fault("connections on which nothing comes", On(Road::Silent), Service, Last, (35, 35)),
        fault("a certificate that is not trusted", On(Road::Stranger), Service, Last, (35, 35)),
    ]
}
