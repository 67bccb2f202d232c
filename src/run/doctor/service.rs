//! Who asks, and what the service lets them ask.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

use super::Ended;
use super::report::Diagnosis;
use crate::api::{ApiError, Client, List, Priority, Refusal};
use crate::auth::http::{Answer, Transport};
use crate::auth::{AuthError, Ticket};
use crate::config::{Account, Scope};
use crate::model::{Collector, Source, TaskId};
use crate::run::{Surroundings, causes};

/// The action of the vendor's older policies that covers everything that is read.
const OLD_ACTION: &str = "sms:server:queryServer";

/// The code by which the service says that a policy does not allow an operation.
const NOT_PERMITTED: &str = "SMS.9004";

/// How long an operation may take, whatever the account's own limit for a poll.
const PATIENCE: Duration = Duration::from_secs(60);

/// The action of the vendor's identity policies that a collector needs.
#[must_use]
pub const fn action(collector: Collector) -> &'static str {
    match collector {
        Collector::Sources => "sms:server:list",
        Collector::Tasks => "sms:server:listTask",
        Collector::Overview => "sms:server:overview",
        Collector::SpeedLimits => "sms:server:getTaskSpeedLimit",
        Collector::Consistency => "sms:server:getConsistencyCheckResult",
        Collector::Errors => "sms:server:listErrors",
    }
}

/// Examines credentials, project, permissions and quota.
pub(super) async fn examine(
    account: &Account,
    client: &Client,
    transport: &Transport,
    surroundings: &Surroundings,
    diagnosis: &mut Diagnosis,
) -> Result<(), Ended> {
    credentials(client, diagnosis)?;
    project(account, client, surroundings, diagnosis).await?;
    let answer = key(client, transport, surroundings, diagnosis).await?;
    quota(&answer, diagnosis);
    operations(account, client, diagnosis).await
}

fn credentials(client: &Client, diagnosis: &mut Diagnosis) -> Result<(), Ended> {
    match client.authenticator().describe() {
        Ok(who) => {
            diagnosis.well("credentials", who);
            Ok(())
        }
        Err(error) => {
            let advice = "set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or name the account's credentials \
                          in the configuration file";
            diagnosis.fail("credentials", causes(&error), advice);
            Err(Ended)
        }
    }
}

async fn project(
    account: &Account,
    client: &Client,
    surroundings: &Surroundings,
    diagnosis: &mut Diagnosis,
) -> Result<(), Ended> {
    let (subject, key) = match account.scope {
        Scope::Project => ("project", "project_id"),
        Scope::Domain => ("account's id", "domain_id"),
    };
    match client.authenticator().project_id(surroundings.clock.now()).await {
        Ok(Some(id)) => diagnosis.well(subject, id),
        Ok(None) if account.project_id.is_some() || account.domain_id.is_some() => {
            diagnosis.well(subject, format!("{key} is given, nothing was looked up"));
        }
        Ok(None) => diagnosis.well(subject, "it is in the token"),
        Err(error) => {
            let subject = if error.is_refusal() { "key" } else { subject };
            diagnosis.fail(subject, causes(error.root()), advice_on(&error));
            return Err(Ended);
        }
    }
    Ok(())
}

/// What to do where no request can be signed.
fn advice_on(error: &AuthError) -> &'static str {
    match error.root() {
        AuthError::Refused { .. } => {
            "check access key and secret key, that the key is active, and that its user may use the API; \
             after five refusals the service locks a key for five minutes"
        }
        AuthError::NoProject { .. } => {
            "check the region, or set project_id to the id of the region's project"
        }
        AuthError::ManyProjects { .. } => "set project_id to one of them",
        AuthError::NoDomain => "set domain_id to the account's id",
        AuthError::Paused { .. } => "wait, then ask again",
        AuthError::Transport { .. } | AuthError::Failed { .. } | AuthError::Malformed { .. } => {
            "check the endpoint of the identity service, or set project_id so that it is not asked"
        }
        AuthError::Unavailable { .. }
        | AuthError::Secret(_)
        | AuthError::File { .. }
        | AuthError::Setting { .. }
        | AuthError::Setup(_)
        | AuthError::Target
        | AuthError::Characters
        | AuthError::Shared(_) => "check the account's credentials in the configuration or the environment",
    }
}

/// The first signed request, which also asks the gateway for its quota.
async fn key(
    client: &Client,
    transport: &Transport,
    surroundings: &Surroundings,
    diagnosis: &mut Diagnosis,
) -> Result<Answer, Ended> {
    let request = client.authenticator().get("/v3/sources/overview", &[], surroundings.clock.now()).await;
    let mut request = request.map_err(|error| {
        diagnosis.fail("key", causes(error.root()), advice_on(&error));
        Ended
    })?;
    let ticket = Ticket::of(&request);
    request.headers_mut().insert("x-apig-mode", HeaderValue::from_static("debug"));
    let answer = transport.send("doctor", request).await.map_err(|error| {
        let advice = "the service answers other requests and not this one: ask again, and look at any proxy";
        diagnosis.fail("key", causes(&error), advice);
        Ended
    })?;
    if answer.status == StatusCode::UNAUTHORIZED {
        let refusal = Refusal::read(answer.status, &answer.headers, &answer.body);
        diagnosis.fail("key", format!("refused: {refusal}"), advice_on_refusal(&refusal));
        client.authenticator().refused(ticket, &refusal.to_string()).await;
        return Err(Ended);
    }
    client.authenticator().accepted(ticket);
    diagnosis.well("key", "accepted");
    Ok(answer)
}

/// What to do about a 401, by the words of the gateway.
fn advice_on_refusal(refusal: &Refusal) -> &'static str {
    let message = refusal.message.as_str();
    if message.contains("not exist") {
        "the access key does not exist: it was deleted, or belongs to another of the vendor's sites"
    } else if message.contains("locked") {
        "wait five minutes: the key is locked after several refusals"
    } else if message.contains("expired") {
        "the signature or the temporary key has ended: check this machine's clock, and renew temporary keys"
    } else if message.contains("verify aksk signature fail") {
        "the secret key does not belong to the access key: copy both anew"
    } else {
        "check the key or the token, and that it belongs to this site and region"
    }
}

fn quota(answer: &Answer, diagnosis: &mut Diagnosis) {
    let told = |(name, value): (&http::HeaderName, &HeaderValue)| {
        let of = name.as_str().strip_prefix("x-apig-ratelimit-")?;
        Some(format!("{of} {}", value.to_str().ok()?))
    };
    let quotas: Vec<String> = answer.headers.iter().filter_map(told).collect();
    match quotas.as_slice() {
        [] => diagnosis.skip("quota", "the gateway does not tell it"),
        quotas => diagnosis.well("quota", quotas.join("; ")),
    }
}

async fn operations(account: &Account, client: &Client, diagnosis: &mut Diagnosis) -> Result<(), Ended> {
    let mut tried = Tried { account, diagnosis, ended: Ok(()) };
    let objects = |count: usize, of: &str| format!("{count} {of}");
    let overview = tried.ask(Collector::Overview, client.overview(within())).await;
    tried.note(Collector::Overview, overview, |(overview, _)| objects(overview.0.len(), "states"));
    let sources = tried.ask(Collector::Sources, client.sources(within())).await;
    let passing = sources.as_ref().and_then(|sources| Some(passing(account, sources.as_ref().ok()?)));
    tried.note(Collector::Sources, sources, |list| objects(list.objects.len(), "source servers"));
    passing.into_iter().for_each(|(left, of)| filters(account, left, of, tried.diagnosis));
    let tasks = tried.ask(Collector::Tasks, client.tasks(within())).await;
    let task: Option<TaskId> =
        tasks.as_ref().and_then(|tasks| Some(tasks.as_ref().ok()?.objects.first()?.id.clone()));
    tried.note(Collector::Tasks, tasks, |list| objects(list.objects.len(), "tasks"));
    let errors = tried.ask(Collector::Errors, client.errors(within())).await;
    tried.note(Collector::Errors, errors, |list| objects(list.objects.len(), "errors"));
    let Some(task) = task else {
        tried.diagnosis.skip("speed_limits, consistency", "there is no task to ask about");
        return tried.ended;
    };
    let rules =
        tried.ask(Collector::SpeedLimits, client.speed_rules(&task, (Priority::Alone, within()))).await;
    tried.note(Collector::SpeedLimits, rules, |(rules, _)| objects(rules.len(), "rules of the first task"));
    let result =
        tried.ask(Collector::Consistency, client.consistency(&task, (Priority::Alone, within()))).await;
    tried.note(Collector::Consistency, result, |_| "permitted".to_owned());
    tried.ended
}

/// How many source servers pass the account's name filters, and of how many.
fn passing(account: &Account, sources: &List<Source>) -> (usize, usize) {
    let passes = sources.objects.iter().filter(|source| account.names.passes(&source.name));
    (passes.count(), sources.objects.len())
}

fn filters(account: &Account, left: usize, of: usize, diagnosis: &mut Diagnosis) {
    if account.names.include.is_empty() && account.names.exclude.is_empty() {
        return;
    }
    let told = format!("{left} of {of} source servers pass name_include and name_exclude");
    if left == 0 && of > 0 {
        let advice = "mend the patterns: they match whole names, * is any text, ? one character";
        diagnosis.doubt("filters", told, advice);
    } else {
        diagnosis.well("filters", told);
    }
}

fn within() -> Instant {
    Instant::now() + PATIENCE
}

/// The operations as they are tried, one after the other.
struct Tried<'a> {
    account: &'a Account,
    diagnosis: &'a mut Diagnosis,
    ended: Result<(), Ended>,
}

impl Tried<'_> {
    async fn ask<T>(
        &self,
        collector: Collector,
        answer: impl Future<Output = Result<T, ApiError>>,
    ) -> Option<Result<T, ApiError>> {
        if self.account.collectors.has(collector) { Some(answer.await) } else { None }
    }

    fn note<T>(
        &mut self,
        collector: Collector,
        answer: Option<Result<T, ApiError>>,
        found: impl FnOnce(&T) -> String,
    ) {
        match answer {
            None => self.diagnosis.skip(collector.label(), "switched off"),
            Some(Ok(answer)) => self.diagnosis.well(collector.label(), found(&answer)),
            Some(Err(error)) => {
                self.ended = Err(Ended);
                let (told, advice) = (causes(&error), advice_on_operation(collector, &error));
                self.diagnosis.fail(collector.label(), told, &advice);
            }
        }
    }
}

/// What to do about an operation that fails.
fn advice_on_operation(collector: Collector, error: &ApiError) -> String {
    let switch = format!("or switch it off with --no-collector.{}", collector.label());
    match error {
        ApiError::Refused(refusal) if is_not_permitted(refusal) => {
            let action = action(collector);
            format!("allow the action {action} (in older policies {OLD_ACTION}), {switch}")
        }
        ApiError::Refused(refusal) if refusal.status == StatusCode::TOO_MANY_REQUESTS => {
            "others use up the quota: poll less often, or lower limits.requests_per_second".to_owned()
        }
        ApiError::Auth(error) => advice_on(error).to_owned(),
        ApiError::Refused(_)
        | ApiError::Malformed(_)
        | ApiError::Incomplete { .. }
        | ApiError::Implausible { .. }
        | ApiError::Panicked(_) => {
            format!("ask again; if it stays, show this line to the vendor's support, {switch}")
        }
        ApiError::TooLong { .. } => "narrow the account by enterprise_project_id or migproject".to_owned(),
        ApiError::Transport(_) | ApiError::Deadline => {
            "ask again; if it stays, look at the network in between, or raise limits.request_timeout"
                .to_owned()
        }
    }
}

fn is_not_permitted(refusal: &Refusal) -> bool {
    refusal.code.as_deref() == Some(NOT_PERMITTED) || refusal.status == StatusCode::FORBIDDEN
}
