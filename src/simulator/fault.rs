//! Faults to order: what goes wrong, for which operation, and how often.

use std::time::Duration;

use tokio::time::Instant;

use super::operation::Operation;
use super::random::Random;

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The operation that it strikes; `None` is every one.
    pub operation: Option<Operation>,
    /// Which of that operation's requests.
    pub when: When,
    /// What happens.
    pub what: What,
}

/// Which requests a fault strikes, counted from its injection among those that it can strike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// All.
    Always,
    /// The first so many.
    Times(u32),
    /// Only this one; 1 is the first.
    Nth(u32),
    /// Each so-manieth.
    Every(u32),
    /// Each with this probability, drawn from the world's seed.
    Chance(f64),
    /// Those that come in the last `lasts` of each `every`, by the clock and counted from the injection.
    Recurring {
        /// From one end to the next.
        every: Duration,
        /// How long it lasts each time.
        lasts: Duration,
    },
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Another answer altogether.
    Status {
        /// HTTP status.
        code: u16,
        /// The body's bytes.
        body: Vec<u8>,
        /// Content-Type.
        content_type: String,
        /// Further headers, such as Retry-After.
        headers: Vec<(String, String)>,
    },
    /// The connection is reset before an answer.
    ConnectionReset,
    /// Nothing comes, not even a status line, until the client gives up.
    HangHeaders,
    /// The body comes this many bytes a second.
    TrickleBody(usize),
    /// The body begins well and never ends.
    EndlessBody,
    /// The connection ends after so many bytes of the body, of more that were announced.
    TruncateBody(usize),
    /// 200 and bytes that mean nothing.
    Garbage,
    /// The answer is sent to its end, but the document stops after so many bytes.
    CutDocument(usize),
    /// What a proxy says.
    Html502,
    /// 200 and nothing.
    EmptyBody200,
    /// 200, JSON by its header and a plain word.
    NotJson,
    /// 302 to somewhere else.
    Redirect(String),
    /// A header of so many bytes.
    HugeHeader(usize),
    /// `count` is off by so much.
    CountOff(i64),
    /// The page of this number (0 is the first) comes empty.
    DropPage(usize),
    /// Pages come empty.
    EmptyPage,
    /// The first object of a page stands at its end again.
    DuplicateWithinPage,
    /// Pages after the first begin with the last object of the one before, additionally.
    DuplicateAcrossPages,
    /// Pages after the first are moved by so many objects, as if the list had shrunk (or grown, when negative).
    ShiftWhilePaging(i64),
    /// Between two pages so many objects leave the list, and so many join it. The world changes in earnest:
    /// source servers go with their tasks and errors, and new ones come with what the list is about.
    Turnover {
        /// Objects that leave.
        leave: u32,
        /// Objects that join.
        join: u32,
    },
    /// The list has no stable order: for each request it is shuffled anew within blocks of so many.
    Shuffle(usize),
    /// The list consists of its first so many objects, and `count` says so.
    FirstOnly(usize),
    /// A value in the answer is replaced by raw text, which need not be JSON.
    ReplaceField {
        /// Such as `source_servers.3.memory`.
        path: String,
        /// Such as `1e999`.
        json: String,
    },
    /// 200, JSON by its header, and these bytes.
    RawBody(Vec<u8>),
    /// Content-Encoding says gzip and it is not.
    WrongContentEncoding,
    /// The answer comes so much later.
    SlowBy(Duration),
    /// Each answer comes later by a time up to this, drawn anew, so that a later request may be answered first.
    SlowUpTo(Duration),
    /// All keys are locked for five minutes.
    KeyLocked,
    /// All tokens are revoked.
    TokenRevoked,
    /// More requests than these within a second are answered by 429, which tells the limit.
    Throttle {
        /// Requests per second.
        limit: u32,
        /// The Retry-After header in seconds, if any.
        retry_after: Option<u32>,
    },
    /// A quota in earnest: a bucket that holds a second's tokens; who finds it empty gets 429, which does not tell
    /// the limit. Refused requests cost no token.
    Quota {
        /// Tokens that come in a second.
        per_second: f64,
        /// The Retry-After header in seconds, if any.
        retry_after: Option<u32>,
    },
    /// 429 for every request.
    Refuse {
        /// The Retry-After header in seconds, if any.
        retry_after: Option<u32>,
    },
}

impl Fault {
    /// A fault that strikes every request of one operation.
    pub fn always(operation: Operation, what: What) -> Self {
        Self { operation: Some(operation), when: When::Always, what }
    }

    /// A fault that strikes the next request of one operation.
    pub fn once(operation: Operation, what: What) -> Self {
        Self { operation: Some(operation), when: When::Times(1), what }
    }

    /// A fault that strikes every request of any operation.
    pub fn everywhere(what: What) -> Self {
        Self { operation: None, when: When::Always, what }
    }
}

/// The faults that are in force.
#[derive(Debug)]
pub(super) struct Faults {
    list: Vec<Ordered>,
    random: Random,
    /// How often a fault struck.
    pub(super) struck: u64,
}

/// A fault with what it has seen so far.
#[derive(Debug)]
struct Ordered {
    fault: Fault,
    /// Requests that it could strike.
    chances: u32,
    since: Instant,
    /// What a limit on requests counts: the second that it counts in, or when a bucket was last filled.
    counted: Instant,
    /// Requests in that second, or tokens in the bucket.
    amount: f64,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { list: Vec::new(), random: Random::new(seed, 0xFA_017), struck: 0 }
    }

    pub(super) fn inject(&mut self, fault: Fault, now: Instant) {
        let amount = if let What::Quota { per_second, .. } = fault.what { per_second.max(1.0) } else { 0.0 };
        self.list.push(Ordered { fault, chances: 0, since: now, counted: now, amount });
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn list(&self) -> Vec<Fault> {
        self.list.iter().map(|ordered| ordered.fault.clone()).collect()
    }

    /// What strikes this request, in the order of injection. `page` is the number of the page asked for.
    pub(super) fn strike(&mut self, operation: Operation, page: usize, now: Instant) -> Vec<What> {
        let (mut struck, random) = (Vec::new(), &mut self.random);
        for ordered in &mut self.list {
            struck.extend(ordered.strike(operation, page, now, random));
        }
        self.struck += u64::try_from(struck.len()).expect("few faults");
        struck
    }
}

impl Ordered {
    fn strike(
        &mut self,
        operation: Operation,
        page: usize,
        now: Instant,
        random: &mut Random,
    ) -> Option<What> {
        let concerned = self.fault.operation.is_none_or(|of| of == operation);
        if !concerned || !self.fault.what.can_strike(operation, page) {
            return None;
        }
        self.chances += 1;
        let holds = self.fault.when.holds(self.chances, now.duration_since(self.since), random);
        if !holds {
            return None;
        }
        let what = self.fault.what.clone();
        if let What::SlowUpTo(most) = what {
            return Some(What::SlowBy(most.mul_f64(random.unit())));
        }
        if let What::Quota { per_second, retry_after } = what {
            return self.is_empty(per_second, now).then_some(What::Refuse { retry_after });
        }
        if let What::Throttle { limit, .. } = what {
            return self.exceeds(f64::from(limit), now).then_some(what);
        }
        Some(what)
    }

    /// Whether this request is one too many in the present second.
    fn exceeds(&mut self, limit: f64, now: Instant) -> bool {
        if now.duration_since(self.counted) >= Duration::from_secs(1) {
            (self.counted, self.amount) = (now, 0.0);
        }
        self.amount += 1.0;
        self.amount > limit
    }

    /// Whether the bucket has no token for this request; else it is taken.
    fn is_empty(&mut self, per_second: f64, now: Instant) -> bool {
        let filled = self.amount + now.duration_since(self.counted).as_secs_f64() * per_second;
        (self.counted, self.amount) = (now, filled.min(per_second.max(1.0)));
        let empty = self.amount < 1.0;
        self.amount -= if empty { 0.0 } else { 1.0 };
        empty
    }
}

impl When {
    fn holds(self, chances: u32, since: Duration, random: &mut Random) -> bool {
        match self {
            Self::Always => true,
            Self::Times(times) => chances <= times,
            Self::Nth(nth) => chances == nth,
            Self::Every(every) => chances.is_multiple_of(every.max(1)),
            Self::Chance(probability) => random.chance(probability),
            Self::Recurring { every, lasts } => {
                let within = since.as_nanos().checked_rem(every.as_nanos()).unwrap_or_default();
                within >= every.saturating_sub(lasts).as_nanos()
            }
        }
    }
}

impl What {
    /// Whether it would make a difference to this page of a list.
    fn can_strike(&self, operation: Operation, page: usize) -> bool {
        let is_list = operation.list_key().is_some();
        match self {
            Self::DropPage(number) => is_list && page == *number,
            Self::DuplicateAcrossPages | Self::ShiftWhilePaging(_) | Self::Turnover { .. } => {
                is_list && page > 0
            }
            Self::CountOff(_)
            | Self::EmptyPage
            | Self::DuplicateWithinPage
            | Self::Shuffle(_)
            | Self::FirstOnly(_) => is_list,
            Self::Status { .. }
            | Self::ConnectionReset
            | Self::HangHeaders
            | Self::TrickleBody(_)
            | Self::EndlessBody
            | Self::TruncateBody(_)
            | Self::CutDocument(_)
            | Self::Garbage
            | Self::Html502
            | Self::EmptyBody200
            | Self::NotJson
            | Self::Redirect(_)
            | Self::HugeHeader(_)
            | Self::ReplaceField { .. }
            | Self::RawBody(_)
            | Self::WrongContentEncoding
            | Self::SlowBy(_)
            | Self::SlowUpTo(_)
            | Self::KeyLocked
            | Self::TokenRevoked
            | Self::Throttle { .. }
            | Self::Quota { .. }
            | Self::Refuse { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn strikes(when: When) -> Vec<usize> {
        let (mut faults, now) = (Faults::new(1), Instant::now());
        faults.inject(Fault { operation: Some(Operation::ListTasks), when, what: What::Garbage }, now);
        let other = faults.strike(Operation::ListSources, 0, now);
        assert!(other.is_empty(), "another operation is left alone");
        // One request a second.
        let struck = |nth: &usize| {
            let now = now + Duration::from_secs(u64::try_from(*nth).unwrap());
            !faults.strike(Operation::ListTasks, 0, now).is_empty()
        };
        (1..=6).filter(struck).collect()
    }

    #[test]
    fn faults_strike_when_they_were_told_to() {
        assert_eq!(strikes(When::Always), [1, 2, 3, 4, 5, 6]);
        assert_eq!(strikes(When::Times(2)), [1, 2]);
        assert_eq!(strikes(When::Nth(3)), [3]);
        assert_eq!(strikes(When::Every(2)), [2, 4, 6]);
        assert_eq!(strikes(When::Chance(0.5)), strikes(When::Chance(0.5)));
        assert!(strikes(When::Chance(0.0)).is_empty());
        assert_eq!(strikes(When::Recurring { every: secs(3.0), lasts: secs(1.0) }), [2, 5]);
        assert_eq!(strikes(When::Recurring { every: secs(0.0), lasts: secs(1.0) }).len(), 6);
    }

    #[test]
    fn a_fault_of_later_pages_does_not_spend_itself_on_the_first() {
        let (mut faults, now) = (Faults::new(1), Instant::now());
        faults.inject(Fault::once(Operation::ListTasks, What::ShiftWhilePaging(1)), now);
        assert!(faults.strike(Operation::ListTasks, 0, now).is_empty());
        assert_eq!(faults.strike(Operation::ListTasks, 1, now), [What::ShiftWhilePaging(1)]);
        assert!(faults.strike(Operation::ListTasks, 1, now).is_empty());
    }

    #[test]
    fn a_quota_refills_and_refusals_cost_no_token() {
        let (mut faults, now) = (Faults::new(1), Instant::now());
        faults.inject(Fault::everywhere(What::Quota { per_second: 2.0, retry_after: None }), now);
        let refused: Vec<bool> = [0.0, 0.0, 0.0, 0.1, 0.5, 0.6, 1.0, 9.0, 9.0, 9.0]
            .map(|at| !faults.strike(Operation::ListTasks, 0, now + secs(at)).is_empty())
            .into();
        let expected = [false, false, true, true, false, true, false, false, false, true];
        assert_eq!(refused, expected);
    }

    #[test]
    fn two_throttles_count_each_for_itself() {
        let (mut faults, now) = (Faults::new(1), Instant::now());
        for operation in [Operation::ListTasks, Operation::ListSources] {
            faults.inject(Fault::always(operation, What::Throttle { limit: 1, retry_after: None }), now);
        }
        let mut strike = |operation| faults.strike(operation, 0, now).len();
        let struck = [Operation::ListTasks, Operation::ListSources, Operation::ListTasks].map(&mut strike);
        assert_eq!(struck, [0, 0, 1]);
    }

    #[test]
    fn delays_are_drawn_anew_for_each_request() {
        let (mut faults, now) = (Faults::new(1), Instant::now());
        faults.inject(Fault::everywhere(What::SlowUpTo(secs(2.0))), now);
        let mut draw = || match faults.strike(Operation::ListTasks, 0, now).as_slice() {
            [What::SlowBy(delay)] => *delay,
            other => panic!("{other:?}"),
        };
        let delays: Vec<Duration> = (0..9).map(|_| draw()).collect();
        assert!(delays.iter().all(|delay| *delay < secs(2.0)));
        assert!(delays.windows(2).any(|two| two[0] > two[1]), "one overtakes another: {delays:?}");
    }
}
