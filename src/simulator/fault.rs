//! Faults to order: what goes wrong, for which operation, and how often.

use std::time::Duration;

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
    /// All keys are locked for five minutes.
    KeyLocked,
    /// All tokens are revoked.
    TokenRevoked,
    /// More requests than these within a second are answered by 429.
    Throttle {
        /// Requests per second.
        limit: u32,
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

/// The faults that are in force, and how often each had its chance.
#[derive(Debug)]
pub(super) struct Faults {
    list: Vec<(Fault, u32)>,
    random: Random,
    /// How often a fault struck.
    pub(super) struck: u64,
    /// The second that a throttle counts, and how many requests it had.
    window: (Option<tokio::time::Instant>, u32),
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { list: Vec::new(), random: Random::new(seed, 0xFA_017), struck: 0, window: (None, 0) }
    }

    pub(super) fn inject(&mut self, fault: Fault) {
        self.list.push((fault, 0));
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn list(&self) -> Vec<Fault> {
        self.list.iter().map(|(fault, _)| fault.clone()).collect()
    }

    /// What strikes this request, in the order of injection. `page` is the number of the page asked for.
    pub(super) fn strike(&mut self, operation: Operation, page: usize) -> Vec<What> {
        let (mut struck, random) = (Vec::new(), &mut self.random);
        for (fault, chances) in &mut self.list {
            let concerned = fault.operation.is_none_or(|of| of == operation);
            if !concerned || !fault.what.can_strike(operation, page) {
                continue;
            }
            *chances += 1;
            if fault.when.holds(*chances, random) {
                struck.push(fault.what.clone());
            }
        }
        self.struck += u64::try_from(struck.len()).expect("few faults");
        struck
    }

    /// Whether this request is one too many in the present second.
    pub(super) fn exceeds(&mut self, limit: u32, now: tokio::time::Instant) -> bool {
        let (begin, count) = &mut self.window;
        if begin.is_none_or(|begin| now.duration_since(begin) >= Duration::from_secs(1)) {
            (*begin, *count) = (Some(now), 0);
        }
        *count += 1;
        *count > limit
    }
}

impl When {
    fn holds(self, chances: u32, random: &mut Random) -> bool {
        match self {
            Self::Always => true,
            Self::Times(times) => chances <= times,
            Self::Nth(nth) => chances == nth,
            Self::Every(every) => chances.is_multiple_of(every.max(1)),
            Self::Chance(probability) => random.chance(probability),
        }
    }
}

impl What {
    /// Whether it would make a difference to this page of a list.
    fn can_strike(&self, operation: Operation, page: usize) -> bool {
        let is_list = operation.list_key().is_some();
        match self {
            Self::DropPage(number) => is_list && page == *number,
            Self::DuplicateAcrossPages | Self::ShiftWhilePaging(_) => is_list && page > 0,
            Self::CountOff(_) | Self::EmptyPage | Self::DuplicateWithinPage => is_list,
            Self::Status { .. }
            | Self::ConnectionReset
            | Self::HangHeaders
            | Self::TrickleBody(_)
            | Self::EndlessBody
            | Self::TruncateBody(_)
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
            | Self::KeyLocked
            | Self::TokenRevoked
            | Self::Throttle { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(when: When) -> Vec<usize> {
        let mut faults = Faults::new(1);
        faults.inject(Fault { operation: Some(Operation::ListTasks), when, what: What::Garbage });
        assert!(faults.strike(Operation::ListSources, 0).is_empty(), "another operation is left alone");
        (1..=6).filter(|_| !faults.strike(Operation::ListTasks, 0).is_empty()).collect()
    }

    #[test]
    fn faults_strike_when_they_were_told_to() {
        assert_eq!(strikes(When::Always), [1, 2, 3, 4, 5, 6]);
        assert_eq!(strikes(When::Times(2)), [1, 2]);
        assert_eq!(strikes(When::Nth(3)), [3]);
        assert_eq!(strikes(When::Every(2)), [2, 4, 6]);
        assert_eq!(strikes(When::Chance(0.5)), strikes(When::Chance(0.5)));
        assert!(strikes(When::Chance(0.0)).is_empty());
    }

    #[test]
    fn a_fault_of_later_pages_does_not_spend_itself_on_the_first() {
        let mut faults = Faults::new(1);
        faults.inject(Fault::once(Operation::ListTasks, What::ShiftWhilePaging(1)));
        assert!(faults.strike(Operation::ListTasks, 0).is_empty());
        assert_eq!(faults.strike(Operation::ListTasks, 1), [What::ShiftWhilePaging(1)]);
        assert!(faults.strike(Operation::ListTasks, 1).is_empty());
    }
}
