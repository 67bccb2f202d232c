//! The ids that requests are scoped to, looked up where they were not given.

use serde_json::Value;

use super::credentials::Obtained;
use super::error::AuthError;
use super::exchange::{self, IAM, STS, Service};
use super::http::Transport;
use super::place::Place;
use super::request;
use crate::config::Endpoint;
use crate::model::Timestamp;

/// Looks ids up with credentials in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<'a> {
    pub(super) transport: &'a Transport,
    pub(super) place: &'a Place,
    pub(super) obtained: &'a Obtained,
    pub(super) now: Timestamp,
}

impl Lookup<'_> {
    /// The project of the region's name.
    pub(super) async fn project(self) -> Result<String, AuthError> {
        let region = self.place.region.as_str();
        let iam = &self.place.iam_endpoint;
        let json = self.ask(IAM, "list_projects", iam, "/v3/projects", &[("name", region)]).await?;
        let mut ids = ids(&json, "projects").ok_or_else(|| IAM.lacks("projects with their ids"))?;
        match ids.len() {
            0 => Err(AuthError::NoProject { region: region.to_owned() }),
            1 => Ok(ids.remove(0)),
            _ => Err(AuthError::ManyProjects { region: region.to_owned(), ids }),
        }
    }

    /// The account's own id; the security token service knows it where the user may not list accounts.
    pub(super) async fn domain(self, sts: &Endpoint) -> Result<String, AuthError> {
        let json = self.ask(IAM, "list_domains", &self.place.iam_endpoint, "/v3/auth/domains", &[]).await?;
        let ids = ids(&json, "domains").ok_or_else(|| IAM.lacks("domains with their ids"))?;
        if let Some(id) = ids.into_iter().next() {
            return Ok(id);
        }
        let json = self.ask(STS, "caller_identity", sts, "/v5/caller-identity", &[]).await?;
        exchange::text(&json, &["account_id"]).map(str::to_owned).ok_or(AuthError::NoDomain)
    }

    async fn ask(
        self,
        service: Service,
        operation: &'static str,
        endpoint: &Endpoint,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, AuthError> {
        let request = request::get(self.obtained, endpoint, path, query, None, self.now)?;
        let answer = service.ask(self.transport, operation, request).await?;
        service.json(&answer)
    }
}

/// The ids of the objects in a list; `None` where the list is missing or one has no id.
fn ids(json: &Value, list: &str) -> Option<Vec<String>> {
    let objects = json.get(list)?.as_array()?;
    objects.iter().map(|object| exchange::text(object, &["id"]).map(str::to_owned)).collect()
}
