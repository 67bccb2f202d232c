//! The HTTP side: connections, and the way of one request.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answer, Body};
use super::desk::{self, Disorder, Query};
use super::fault::What;
use super::identity::Office;
use super::operation::Operation;
use super::pace::Pace;
use super::random::Random;
use super::signature::{Received, pairs};
use super::wire::{self, Broken, WireBody};
use super::{Settings, Simulator, State, blemish};

/// How often the world moves when it moves by itself.
const TICK: Duration = Duration::from_millis(200);
/// After a failed accept, often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// No question to the service is longer.
const MAX_BODY: usize = 1 << 20;

/// What was decided about a request.
#[derive(Debug)]
struct Verdict {
    answer: Answer,
    faults: Vec<What>,
    list_key: Option<&'static str>,
    latency: Duration,
}

impl Simulator {
    /// Serves until `stop`, and moves the world meanwhile as fast as its settings and switches say.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        tasks.spawn(self.clone().live(stop.clone()));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => drop(tasks.spawn(self.clone().converse(socket, stop.clone()))),
                    Err(_) => sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    async fn live(self, stop: CancellationToken) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut last, mut owed) = (Instant::now(), 0.0);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let passed = last.elapsed();
            last += passed;
            self.advance(passed.mul_f64(self.0.settings.speed));
            let state = &mut *self.state();
            owed += f64::from(state.options.turnover) * passed.as_secs_f64() / 60.0;
            while owed >= 1.0 {
                state.engine.turn_over(Operation::ListSources, 1, 1);
                owed -= 1.0;
            }
        }
    }

    /// One connection, to its end or the simulator's.
    async fn converse(self, socket: TcpStream, stop: CancellationToken) {
        // An answer in two segments must not wait for the kernel of who asked.
        drop(socket.set_nodelay(true));
        let reset = Arc::new(AtomicBool::new(false));
        let service = {
            let reset = Arc::clone(&reset);
            service_fn(move |request| {
                let (simulator, reset) = (self.clone(), Arc::clone(&reset));
                let answer = async move {
                    let answered = simulator.respond(request).await;
                    reset.store(answered.is_err(), Ordering::Relaxed);
                    answered
                };
                Box::pin(answer) as Pin<Box<dyn Future<Output = _> + Send>>
            })
        };
        let mut connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
        let served =
            stop.run_until_cancelled(poll_fn(|context| connection.poll_without_shutdown(context))).await;
        let socket = connection.into_parts().io.into_inner();
        if served.is_some() && reset.load(Ordering::Relaxed) {
            // Closing with no time to linger is a reset on the wire. Where that fails, a plain end will do.
            drop(socket.set_zero_linger());
        }
    }

    async fn respond(self, request: Request<Incoming>) -> Result<Response<WireBody>, Broken> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_or(Bytes::new(), |body| body.to_bytes());
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let received = Received { method: parts.method.as_str(), target, headers: &headers, body: &body };
        let verdict = self.judge(received);
        let gzip = received.header("Accept-Encoding").is_some_and(|accepted| accepted.contains("gzip"));
        let slow: Duration = verdict
            .faults
            .iter()
            .map(|what| if let What::SlowBy(by) = what { *by } else { Duration::ZERO })
            .sum();
        sleep(verdict.latency + slow).await;
        if verdict.faults.contains(&What::HangHeaders) {
            std::future::pending::<()>().await;
        }
        if verdict.faults.contains(&What::ConnectionReset) {
            return Err(Broken);
        }
        Ok(wire::response(verdict.answer, &verdict.faults, verdict.list_key, gzip))
    }

    fn judge(&self, received: Received<'_>) -> Verdict {
        let path = received.target.split('?').next().unwrap_or_default();
        let (operation, id) = Operation::parse(received.method, path);
        let query = Query(pairs(received.target.split_once('?').map_or("", |(_, query)| query)));
        let state = &mut *self.state();
        let now = (self.0.clock)() + state.options.clock_shift;
        let page = query.page(operation).map_or(0, |page| page.offset / page.limit);
        let faults = state.faults.strike(operation, page, Instant::now());
        let mut answer =
            state.answer(&self.0.settings.region, received, (operation, id), &query, &faults, now);
        let Settings { start_ms, speed, .. } = self.0.settings;
        if let Body::Json(json) = &mut answer.body
            && state.options.wall_pace
            && operation.is_of_sms()
        {
            Pace { start_ms, speed }.tell(json);
        }
        let unanswered = faults.iter().any(|what| matches!(what, What::ConnectionReset | What::HangHeaders));
        let status = if unanswered { 0 } else { answer.status };
        *state.requests.entry((operation, status)).or_default() += 1;
        Verdict { answer, faults, list_key: operation.list_key(), latency: state.options.latency }
    }
}

impl State {
    fn answer(
        &mut self,
        region: &str,
        received: Received<'_>,
        (operation, id): (Operation, Option<&str>),
        query: &Query,
        faults: &[What],
        now: jiff::Timestamp,
    ) -> Answer {
        if operation == Operation::Forbidden {
            self.forbidden_calls += 1;
            return Answer::error(500, "SMS.6000", "Service error.");
        }
        if let Some(refusal) = self.refuse(faults, now) {
            return refusal;
        }
        if operation.needs_authentication()
            && let Err(refusal) = self.gate.admit(received, operation, &self.keys, now)
        {
            return refusal;
        }
        let Self { gate, keys, options, .. } = self;
        let mut office = Office { keys, region, options, gate, now };
        if let Some(answer) = office.answer(operation, received, query.get("name")) {
            return answer;
        }
        if !operation.is_of_sms() {
            return Answer::error(404, "APIGW.0101", "The API does not exist or has not been published.");
        }
        let paged = query.get("limit").is_some() && query.get("offset").is_some();
        if self.options.strict_paging && operation.list_key().is_some() && !paged {
            return Answer::error(400, "SMS.9001", "limit and offset are mandatory.");
        }
        self.answer_spoiled((operation, id), query, faults)
    }

    /// The faults that act before the service looks at a request.
    fn refuse(&mut self, faults: &[What], now: jiff::Timestamp) -> Option<Answer> {
        for what in faults {
            if *what == What::KeyLocked {
                self.gate.lock_keys(now);
            } else if *what == What::TokenRevoked {
                self.gate.revoke_tokens();
            }
        }
        faults.iter().find_map(blemish::substitute)
    }

    /// The answer to a question about the fleet, with what faults do to it and to the fleet.
    fn answer_spoiled(
        &mut self,
        (operation, id): (Operation, Option<&str>),
        query: &Query,
        faults: &[What],
    ) -> Answer {
        for what in faults {
            if let What::Turnover { leave, join } = what {
                self.engine.turn_over(operation, *leave, *join);
            }
        }
        let world = &self.engine.world;
        let disorder = Disorder::of(faults, &Random::new(self.faults.struck, 0x0D15_0BDE));
        let mut answer = desk::answer(world, operation, id, query, &disorder);
        for what in faults {
            let last = (*what == What::DuplicateAcrossPages)
                .then(|| desk::before(world, operation, query))
                .flatten();
            blemish::spoil(&mut answer, what, operation.list_key(), last);
        }
        answer
    }
}

#[cfg(test)]
mod tests;
