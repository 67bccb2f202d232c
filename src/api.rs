//! The SMS API: one method per operation, complete lists or an error.
//!
//! Every request is signed by [`crate::auth`], waits for its turn by `throttle`, is repeated where a
//! moment later may help, and ends as a model value or an [`ApiError`]. Nothing here asks for a secret
//! or takes a command from the agents' queue: the operations below are all there are.

mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod list;
mod shared;
mod slices;
mod throttle;
mod wire;

#[cfg(test)]
pub(crate) use list::{Order as ListOrder, tests as list_tests};

pub use error::{ApiError, Refusal};
pub use list::{List, Reread};
pub use shared::Governors;
pub use throttle::Priority;
pub use wire::{Notes, PageError};

pub use crate::auth::http::Observer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use crate::auth::http::{Answer, Transport, TransportError};
use crate::auth::{Authenticator, Identity, Ticket};
use crate::config::Account;
use crate::model::{Clock, Consistency, MigrationError, Overview, Source, SpeedRule, Task, TaskId};
use list::Order;
use throttle::RateLimiter;
use wire::{DecodedPage, FromWire, Known, Units};

/// The code of a task that has no speed rules.
const NO_SPEED_LIMIT: &str = "SMS.6302";

/// The code of a task that there is not: it may have gone since the list was read.
const NO_TASK: &str = "SMS.7703";

/// The service of one account.
#[derive(Debug)]
pub struct Client {
    filters: Vec<(&'static str, String)>,
    units: Units,
    concurrency: usize,
    retry_base: Duration,
    authenticator: Authenticator,
    transport: Transport,
    limiter: RateLimiter,
    clock: Clock,
    sources: Memory<Source>,
    tasks: Memory<Task>,
    errors: Memory<MigrationError>,
}

/// What the last list was made of, and what is known of its order.
type Memory<T> = Mutex<(Arc<Known<T>>, Order)>;

/// One operation: the name that metrics know it by, and its path.
#[derive(Clone, Copy, Debug)]
struct Operation<'a> {
    name: &'static str,
    path: &'a str,
}

/// A list: its operation, and the longest page that the service gives of it.
#[derive(Clone, Copy, Debug)]
struct ListOperation {
    operation: Operation<'static>,
    limit: u64,
    /// Whether the list has a filter `state`, by which it can be read in slices.
    states: fn() -> Vec<&'static str>,
}

const SOURCES: ListOperation = ListOperation {
    operation: Operation { name: "list_servers", path: "/v3/sources" },
    limit: 200,
    states: slices::source_states,
};

const TASKS: ListOperation = ListOperation {
    operation: Operation { name: "list_tasks", path: "/v3/tasks" },
    limit: 200,
    states: slices::task_states,
};

const ERRORS: ListOperation = ListOperation {
    operation: Operation { name: "list_error_servers", path: "/v3/errors" },
    limit: 100,
    states: Vec::new,
};

impl Client {
    /// A client of the account's service.
    #[must_use]
    pub fn new(account: &Account, authenticator: Authenticator, transport: Transport, clock: Clock) -> Self {
        let limiter = RateLimiter::new(&account.limits);
        transport.observer().rate(limiter.rate());
        let filter = |key, value: &Option<String>| value.clone().map(|value| (key, value));
        let project = filter("enterprise_project_id", &account.enterprise_project_id);
        let migproject = filter("migproject", &account.migproject);
        Self {
            filters: project.into_iter().chain(migproject).collect(),
            units: Units { speed: account.speed_unit, disk_io: account.disk_io_unit },
            concurrency: account.limits.concurrency,
            retry_base: account.limits.retry_base,
            authenticator,
            limiter,
            transport,
            clock,
            sources: Memory::default(),
            tasks: Memory::default(),
            errors: Memory::default(),
        }
    }

    /// With the governor of the key that the account's requests show, which other accounts may show as well.
    #[must_use]
    pub fn sharing(self, account: &Account, governors: &Governors, identity: Option<Identity>) -> Self {
        let Some(identity) = identity else { return self };
        Self { limiter: governors.of(identity, &account.limits), ..self }
    }

    /// Who signs this client's requests.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// All source servers (`GET /v3/sources`).
    ///
    /// # Errors
    ///
    /// A request that fails, or a list that cannot be proven whole.
    pub async fn sources(&self, deadline: Instant) -> Result<List<Source>, ApiError> {
        self.list(SOURCES, &self.sources, deadline).await
    }

    /// All migration tasks (`GET /v3/tasks`).
    ///
    /// # Errors
    ///
    /// A request that fails, or a list that cannot be proven whole.
    pub async fn tasks(&self, deadline: Instant) -> Result<List<Task>, ApiError> {
        self.list(TASKS, &self.tasks, deadline).await
    }

    /// All migration errors (`GET /v3/errors`).
    ///
    /// # Errors
    ///
    /// A request that fails, or a list that cannot be proven whole.
    pub async fn errors(&self, deadline: Instant) -> Result<List<MigrationError>, ApiError> {
        self.list(ERRORS, &self.errors, deadline).await
    }

    /// The service's own sums (`GET /v3/sources/overview`).
    ///
    /// # Errors
    ///
    /// A request that fails, or an answer without a count.
    pub async fn overview(&self, deadline: Instant) -> Result<(Overview, Notes), ApiError> {
        let operation = Operation { name: "show_overview", path: "/v3/sources/overview" };
        let answer = self.get(operation, &[], (Priority::List, deadline)).await?;
        read(&answer.body, "overview", wire::overview)
    }

    /// The speed rules of a task (`GET /v3/tasks/{id}/speed-limit`); none where the service knows none.
    ///
    /// # Errors
    ///
    /// A request that fails, or an answer without a list.
    pub async fn speed_rules(
        &self,
        task: &TaskId,
        when: (Priority, Instant),
    ) -> Result<(Vec<SpeedRule>, Notes), ApiError> {
        let path = format!("/v3/tasks/{}/speed-limit", segment(task.as_str()));
        let operation = Operation { name: "show_speed_limits", path: &path };
        match self.get(operation, &[], when).await {
            Err(ApiError::Refused(refusal))
                if refusal.is_absence(NO_SPEED_LIMIT) || refusal.is_absence(NO_TASK) =>
            {
                Ok(Default::default())
            }
            answer => read(&answer?.body, "speed_limit", wire::speed_rules),
        }
    }

    /// The newest consistency result of a task (`GET /v3/tasks/{id}/consistency-result`), if it has one.
    ///
    /// # Errors
    ///
    /// A request that fails, or an answer without a list.
    pub async fn consistency(
        &self,
        task: &TaskId,
        when: (Priority, Instant),
    ) -> Result<(Option<Consistency>, Notes), ApiError> {
        let path = format!("/v3/tasks/{}/consistency-result", segment(task.as_str()));
        let operation = Operation { name: "show_consistency_result", path: &path };
        match self.get(operation, &[], when).await {
            Err(ApiError::Refused(refusal)) if refusal.is_absence(NO_TASK) => Ok(Default::default()),
            answer => read(&answer?.body, "consistency", wire::consistency_result),
        }
    }

    async fn list<T: FromWire + Send + Sync>(
        &self,
        list: ListOperation,
        memory: &Memory<T>,
        deadline: Instant,
    ) -> Result<List<T>, ApiError> {
        let (known, order) = memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let reading = Reading { client: self, list, state: None, known: &known, order, deadline };
        let mut read = match reading.whole().await {
            Err(ApiError::TooLong { count, .. }) if !(list.states)().is_empty() => {
                slices::all(&(list.states)(), count, &reading).await?
            }
            read => read?,
        };
        let order = order.after(&read);
        let next = known.renewed(std::mem::take(&mut read.decoded));
        *memory.lock().unwrap_or_else(PoisonError::into_inner) = (Arc::new(next), order);
        Ok(read)
    }

    /// Gets an answer that is a success, repeating the request where that may help.
    async fn get(
        &self,
        operation: Operation<'_>,
        query: &[(&str, &str)],
        (priority, deadline): (Priority, Instant),
    ) -> Result<Answer, ApiError> {
        let (mut attempt, mut renewed) = (1, false);
        let mut throttled = None;
        loop {
            let (error, wait) = match self.once(operation, query, priority, deadline).await {
                Ok(answer) => return Ok(answer),
                // A refusal for the rate is the limiter's matter: it says when the next may go.
                Err(Failure { error, .. }) if error.is_throttling() => {
                    self.transport.observer().retry(operation.name, error.reason());
                    throttled = Some(error);
                    continue;
                }
                Err(Failure { error: ApiError::Deadline, .. }) => {
                    return Err(throttled.unwrap_or(ApiError::Deadline));
                }
                Err(Failure { error, renew: true, .. }) if !renewed => {
                    renewed = true;
                    tracing::debug!(operation = operation.name, %error, "Once more at once: with new credentials, or at another endpoint");
                    continue;
                }
                Err(Failure { error, retry_after, .. }) => (error, retry_after),
            };
            let wait =
                throttle::backoff(self.retry_base, attempt, throttle::jitter()).max(wait.unwrap_or_default());
            let in_time = Instant::now() + wait < deadline;
            if !error.is_transient() || attempt == throttle::ATTEMPTS || !in_time {
                return Err(error);
            }
            self.transport.observer().retry(operation.name, error.reason());
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn once(
        &self,
        operation: Operation<'_>,
        query: &[(&str, &str)],
        priority: Priority,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let permit =
            self.limiter.acquire(operation.name, priority, deadline, &**self.transport.observer()).await;
        let Some(permit) = permit else { return Err(ApiError::Deadline.into()) };
        let request = self.authenticator.get(operation.path, query, self.clock.now());
        let request = tokio::time::timeout_at(deadline, request).await.map_err(|_| ApiError::Deadline)?;
        let request = request.map_err(ApiError::Auth)?;
        let ticket = Ticket::of(&request);
        let answer = tokio::time::timeout_at(deadline, self.transport.send(operation.name, request));
        let answer = match answer.await.map_err(|_| ApiError::Deadline)? {
            Ok(answer) => answer,
            Err(error) => return Err(self.unanswered(&ticket, error)),
        };
        if answer.status.is_success() {
            permit.passed();
            self.authenticator.accepted(ticket);
            return Ok(answer);
        }
        let refusal = Refusal::read(answer.status, &answer.headers, &answer.body);
        let retry_after = throttle::retry_after(&answer.headers, self.clock.now());
        if refusal.status == StatusCode::TOO_MANY_REQUESTS {
            self.transport.observer().throttled(operation.name);
            permit.refused(retry_after, &refusal.message);
        } else {
            permit.passed();
        }
        self.transport.observer().rate(self.limiter.rate());
        let renew = self.verdict(ticket, &refusal).await;
        Err(Failure { error: ApiError::Refused(refusal), retry_after, renew })
    }

    /// No answer came: where no connection could be made, another endpoint may be tried at once.
    fn unanswered(&self, ticket: &Ticket, error: TransportError) -> Failure {
        let error = ApiError::Transport(error);
        let elsewhere =
            error.reason() == "connect" && self.authenticator.unreachable(ticket, &error.with_causes());
        Failure { error, retry_after: None, renew: elsewhere }
    }

    /// Tells the authenticator what a refusal says of the credentials; whether to try once more at once.
    async fn verdict(&self, ticket: Ticket, refusal: &Refusal) -> bool {
        if refusal.status == StatusCode::UNAUTHORIZED {
            return self.authenticator.refused(ticket, &refusal.to_string()).await;
        }
        // The gateway refuses whom it does not know; what the service itself answers, a known client got.
        if refusal.code.as_deref().is_some_and(|code| code.starts_with("SMS.")) {
            self.authenticator.accepted(ticket);
        }
        false
    }
}

/// A list while it is read: all of it, or the slice of a state.
struct Reading<'a, T> {
    client: &'a Client,
    list: ListOperation,
    state: Option<&'static str>,
    known: &'a Known<T>,
    order: Order,
    deadline: Instant,
}

impl<T: FromWire + Send + Sync> Reading<'_, T> {
    async fn whole(&self) -> Result<List<T>, ApiError> {
        list::whole(self.list.limit, self.client.concurrency, self.order, self).await
    }
}

impl<T: FromWire + Send + Sync> list::Pages<T> for Reading<'_, T> {
    async fn page(&self, offset: u64, limit: u64) -> Result<DecodedPage<T>, ApiError> {
        let Self { client, list, state, known, deadline, .. } = self;
        let (limit, offset) = (limit.to_string(), offset.to_string());
        let mut query = vec![("limit", limit.as_str()), ("offset", offset.as_str())];
        query.extend(state.map(|state| ("state", state)));
        let filters = client.filters.iter().filter(|(key, _)| accepts(*list, key));
        query.extend(filters.map(|(key, value)| (*key, value.as_str())));
        let answer = client.get(list.operation, &query, (Priority::List, *deadline)).await?;
        wire::page(&answer.body, client.units, known).map_err(ApiError::Malformed)
    }
}

impl<T: FromWire + Send + Sync> slices::Slices<T> for Reading<'_, T> {
    async fn slice(&self, state: &'static str) -> Result<List<T>, ApiError> {
        Reading { state: Some(state), ..*self }.whole().await
    }
}

/// A request that failed, and what is known of trying again.
struct Failure {
    error: ApiError,
    retry_after: Option<Duration>,
    renew: bool,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error, retry_after: None, renew: false }
    }
}

/// Whether a list takes a filter: tasks know no migration project.
fn accepts(list: ListOperation, filter: &str) -> bool {
    filter != "migproject" || list.operation.name != TASKS.operation.name
}

/// Reads an answer that is one object, known by `name`.
fn read<T>(
    body: &[u8],
    name: &'static str,
    decode: impl Fn(&str, &mut Notes) -> Result<T, serde_json::Error>,
) -> Result<(T, Notes), ApiError> {
    wire::object(body, name, decode).map_err(ApiError::Malformed)
}

/// An id as one segment of a path. Ids are opaque, so whatever could leave the segment is encoded.
fn segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    id.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
