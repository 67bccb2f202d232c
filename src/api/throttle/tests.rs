//! Storms, quotas and details against a clock that the tests own.

use proptest::prelude::*;

use super::*;
use crate::auth::http::Unobserved;
use crate::model::Timestamp;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn header(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::RETRY_AFTER, value.parse().unwrap())])
}

#[test]
fn the_limit_is_found_in_the_gateways_words() {
    assert_eq!(limit_in("policy ip over ratelimit,limit:5,time:1 second"), Some(5.0));
    assert_eq!(limit_in("policy user over ratelimit,limit:200,time:5 minute"), Some(200.0 / 300.0));
    for text in ["", "limit:0,time:1 second", "limit:x,time:1 second", "limit:5,time:1 fortnight", "limit:5"]
    {
        assert_eq!(limit_in(text), None, "{text}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_bounded() {
    let now = Timestamp::from_millis(1_445_412_420_000);
    assert_eq!(retry_after(&header("7"), now), Some(Duration::from_secs(7)));
    let date = retry_after(&header("Wed, 21 Oct 2015 07:28:00 GMT"), now);
    assert_eq!(date, Some(Duration::from_secs(60)));
    for hours in [-2, 2] {
        let (mut told, off) = (header("Wed, 21 Oct 2015 07:28:00 GMT"), hours * 3_600_000);
        told.insert(http::header::DATE, "Wed, 21 Oct 2015 07:27:30 GMT".parse().unwrap());
        let wait = retry_after(&told, Timestamp::from_millis(now.millis() + off));
        assert_eq!(wait, Some(Duration::from_secs(30)), "a clock that is {hours} hours off");
    }
    assert_eq!(retry_after(&header("99999999"), now), Some(LONGEST));
    assert_eq!(retry_after(&header("soon"), now), None);
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

proptest! {
    #[test]
    fn a_wait_lies_between_half_and_all_of_its_step(attempt in 0u32..99, jitter in 0.0..1.0) {
        let base = Duration::from_secs(1);
        let wait = backoff(base, attempt, jitter);
        let step = base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(LONGEST);
        prop_assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
    }
}

/// A service that lets through what its own bucket has tokens for, and nothing during storms.
struct Service {
    quota: f64,
    tokens: f64,
    counted_at: Instant,
    storm: std::ops::Range<f64>,
}

impl Service {
    fn passes(&mut self, begin: Instant, now: Instant) -> bool {
        self.tokens =
            (self.tokens + (now - self.counted_at).as_secs_f64() * self.quota).min(self.quota.max(1.0));
        self.counted_at = now;
        let passes = self.tokens >= 1.0 && !self.storm.contains(&(now - begin).as_secs_f64());
        if passes {
            self.tokens -= 1.0;
        }
        passes
    }
}

/// What became of requests that are made as fast as they may, each answered after 50 ms, four at once.
#[derive(Debug, Default)]
struct Outcome {
    passed: Vec<f64>,
    refused: Vec<f64>,
    /// When an episode of refusals began.
    episodes: Vec<f64>,
}

fn drive(configured: f64, quota: f64, storm: std::ops::Range<f64>, seconds: f64) -> (Outcome, Congestion) {
    let begin = Instant::now();
    let limits = ApiLimits { requests_per_second: configured, ..ApiLimits::default() };
    let mut congestion = Congestion::new(&limits, begin);
    let mut service = Service { quota, tokens: quota, counted_at: begin, storm };
    let mut outcome = Outcome::default();
    let mut under_way: std::collections::VecDeque<(Instant, u64)> = std::collections::VecDeque::new();
    let mut now = begin;
    while (now - begin).as_secs_f64() < seconds {
        let at = (now - begin).as_secs_f64();
        while under_way.front().is_some_and(|(back, _)| *back <= now) {
            let (_, epoch) = under_way.pop_front().unwrap();
            if service.passes(begin, now) {
                outcome.passed.push(at);
                congestion.passed(epoch, now);
            } else {
                outcome.refused.push(at);
                let before = congestion.epoch;
                congestion.refused(epoch, now, None);
                outcome.episodes.extend((congestion.epoch > before).then_some(at));
            }
        }
        let turn = if under_way.len() < 4 { congestion.take(now) } else { Turn::AfterProbe };
        let next = match turn {
            Turn::Now => {
                under_way.push_back((now + secs(0.05), congestion.epoch));
                now
            }
            Turn::At(at) => at,
            Turn::AfterProbe => now + secs(60.0),
        };
        now = under_way.front().map_or(next, |(back, _)| next.min(*back)).max(now);
    }
    (outcome, congestion)
}

#[test]
fn a_storm_of_any_length_costs_one_decrease_and_is_over_soon_after_its_end() {
    for length in [1.0, 45.0, 300.0, 3600.0, 36_000.0] {
        let end = 10.0 + length;
        let (outcome, congestion) = drive(5.0, 1000.0, 10.0..end, end + 120.0);
        assert_eq!(outcome.episodes.len(), 1, "{length} s: {:?}", outcome.episodes);
        let first = outcome.passed.iter().copied().find(|at| *at >= end).unwrap();
        assert!(
            first - end <= 15.1,
            "{length} s: the first request passes {} s after the storm",
            first - end
        );
        let soon = outcome.passed.iter().filter(|at| (end..end + 45.0).contains(*at)).count();
        assert!(soon >= 100, "{length} s: {soon} requests pass within 45 s, enough for a thousand sources");
        let rate = congestion.rate(Instant::now() + secs(first + RAMP.as_secs_f64() + 1.0));
        assert!(rate >= 4.5, "{length} s: {rate}");
        let probes = outcome.refused.iter().filter(|at| **at > 11.0).count();
        assert!(to_f64(probes) <= 4.0 + length / 15.0, "{length} s: {probes} probes");
    }
}

#[test]
fn half_the_configured_rate_costs_at_most_one_episode_a_minute() {
    let (outcome, _) = drive(5.0, 2.5, 0.0..0.0, 3.0 * 3600.0);
    let late: Vec<f64> = outcome.episodes.iter().copied().filter(|at| *at >= 300.0).collect();
    assert!(late.windows(2).all(|pair| pair[1] - pair[0] >= 60.0), "{late:?}");
    let used = to_f64(outcome.passed.len()) / (3.0 * 3600.0) / 2.5;
    assert!(used > 0.85, "{used} of the quota is used");
}

/// The figure stands in the README.
#[test]
fn a_tenth_of_the_configured_rate_costs_few_refusals_a_day() {
    let (outcome, _) = drive(5.0, 0.5, 0.0..0.0, 86_400.0);
    assert!(outcome.refused.len() < 300, "{} refused", outcome.refused.len());
    let used = to_f64(outcome.passed.len()) / 86_400.0 / 0.5;
    assert!(used > 0.85, "{used} of the quota is used");
}

#[test]
fn a_limit_that_is_told_is_taken_as_it_is() {
    let begin = Instant::now();
    let mut congestion = Congestion::new(&ApiLimits::default(), begin);
    congestion.refused(0, begin, Some(2.0));
    let back = begin + secs(1.0);
    assert_eq!(congestion.take(back), Turn::Now);
    congestion.passed(congestion.epoch, back);
    for later in [0.0, 30.0, 3000.0] {
        assert_eq!(congestion.rate(back + secs(later)), 2.0, "{later}");
    }
    assert!(congestion.rate(back + secs(7200.0)) > 2.0, "what was told an hour ago is tried anew");
}

#[test]
fn what_was_under_way_when_an_episode_began_is_the_same_episode() {
    let begin = Instant::now();
    let mut congestion = Congestion::new(&ApiLimits::default(), begin);
    (0..4).for_each(|_| assert_eq!(congestion.take(begin), Turn::Now));
    (0..3).for_each(|_| congestion.refused(0, begin, None));
    congestion.passed(0, begin);
    assert_eq!(
        (congestion.epoch, congestion.rate(begin)),
        (1, 2.5),
        "one decrease, not ended by an older request"
    );
    let probe = begin + secs(1.0);
    assert_eq!((congestion.take(begin), congestion.take(probe)), (Turn::At(probe), Turn::Now));
    assert_eq!(congestion.take(probe), Turn::AfterProbe, "one probe at a time");
    congestion.refused(1, probe, None);
    assert_eq!(congestion.take(probe), Turn::At(probe + secs(2.0)));
    assert_eq!(congestion.take(probe + secs(2.0)), Turn::Now);
    congestion.unknown(1, probe + secs(3.0));
    assert_eq!(congestion.take(probe + secs(3.0)), Turn::At(probe + secs(5.0)), "no answer ends no episode");
}

fn limits(requests_per_second: f64, burst: u32, concurrency: usize) -> ApiLimits {
    ApiLimits { requests_per_second, burst, concurrency, ..ApiLimits::default() }
}

async fn list(limiter: &RateLimiter, within: f64) -> Option<Permit> {
    limiter.acquire("list_servers", Priority::List, Instant::now() + secs(within), &Unobserved).await
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_at_once_and_then_the_rate_holds() {
    let limiter = RateLimiter::new(&limits(5.0, 10, 4));
    let begin = Instant::now();
    for at in [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 400] {
        list(&limiter, 10.0).await.unwrap().passed();
        assert_eq!(begin.elapsed().as_millis() / 10 * 10, at);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_turn_that_comes_too_late() {
    let limiter = RateLimiter::new(&limits(1.0, 1, 4));
    let begin = Instant::now();
    list(&limiter, 10.0).await.unwrap().refused(Some(secs(20.0)), "");
    assert!(list(&limiter, 10.0).await.is_none());
    assert_eq!(begin.elapsed(), secs(0.0), "refused at once, not after ten seconds");
    assert!(list(&limiter, 30.0).await.is_some());
    assert_eq!(begin.elapsed(), secs(20.0));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_refused_holds_no_other_back() {
    let limiter = RateLimiter::new(&limits(5.0, 5, 4));
    let begin = Instant::now();
    let soon = || Instant::now() + secs(100.0);
    let refused = limiter.acquire("list_error_servers", Priority::List, soon(), &Unobserved).await.unwrap();
    refused.refused(Some(secs(20.0)), "");
    let again = async {
        limiter.acquire("list_error_servers", Priority::List, soon(), &Unobserved).await.unwrap();
        begin.elapsed().as_secs()
    };
    let other = async {
        list(&limiter, 100.0).await.unwrap().passed();
        begin.elapsed().as_secs()
    };
    assert_eq!(tokio::join!(again, other), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_allowed() {
    let limiter = RateLimiter::new(&limits(5.0, 10, 2));
    let first = list(&limiter, 1.0).await.unwrap();
    let _second = list(&limiter, 1.0).await.unwrap();
    assert!(list(&limiter, 1.0).await.is_none());
    drop(first);
    assert!(list(&limiter, 1.0).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn details_take_what_lists_leave_within_a_rate_of_their_own() {
    let limiter = RateLimiter::new(&limits(5.0, 5, 4));
    let detail = async |overdue, within| {
        limiter
            .acquire(
                "show_speed_limits",
                Priority::Detail { overdue },
                Instant::now() + secs(within),
                &Unobserved,
            )
            .await
    };
    let begin = Instant::now();
    for at in [0, 1, 2] {
        detail(false, 10.0).await.unwrap().passed();
        assert_eq!(begin.elapsed().as_secs(), at, "a fifth of five a second");
    }
    // More lists than the rate allows: details wait, and those that are overdue get a tenth.
    let lists = async {
        for _ in 0..200 {
            list(&limiter, 100.0).await.unwrap().passed();
        }
    };
    let busy = async { (detail(false, 10.0).await.is_some(), detail(true, 10.0).await.is_some()) };
    let begin = Instant::now();
    assert_eq!(tokio::join!(lists, busy).1, (false, true));
    assert!(begin.elapsed() < secs(40.0), "lists hardly notice: {:?}", begin.elapsed());
}

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}
