//! The services around SMS that tell who somebody is: IAM, STS, the metadata service and the pod agent.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Answer;
use super::gate::{Gate, Temporary};
use super::operation::Operation;
use super::signature::Received;
use super::{Keys, Options};

/// The token of the metadata service, and that of the pod agent's file.
pub const METADATA_TOKEN: &str = "pretended-metadata-token";
/// What stands in the file named by `HC_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
pub const POD_TOKEN: &str = "pretended-pod-token";
/// The identity provider's token that is accepted.
pub const ID_TOKEN: &str = "pretended-id-token";

/// Everything that these services answer from.
#[derive(Debug)]
pub(super) struct Office<'a> {
    pub(super) keys: &'a Keys,
    pub(super) region: &'a str,
    pub(super) options: &'a Options,
    pub(super) gate: &'a mut Gate,
    pub(super) now: Timestamp,
}

impl Office<'_> {
    /// Answers an operation of IAM, STS or the metadata service; `None` when it is none of theirs.
    pub(super) fn answer(
        &mut self,
        operation: Operation,
        received: Received<'_>,
        name: Option<&str>,
    ) -> Option<Answer> {
        let json: Value = serde_json::from_slice(received.body).unwrap_or_default();
        let answer = match (operation, name) {
            (Operation::Versions, _) => versions(),
            (Operation::ListProjects, name) => self.projects(name),
            (Operation::ListDomains, _) => self.domains(),
            (Operation::CallerIdentity, _) => Answer::ok(json!({"account_id": self.keys.domain_id})),
            (Operation::CreateToken, _) => self.create_token(&json),
            (Operation::MetadataToken, _) => self.metadata_token(received),
            (Operation::MetadataKey, _) => self.metadata_key(received),
            (Operation::AssumeWithOidc, _) => self.assume(&json),
            (Operation::FederatedToken, _) => self.federate(received, &json),
            (Operation::SecurityTokens, _) => self.security_token(&json),
            (Operation::PodIdentity, _) => self.pod_identity(received),
            _ => return None,
        };
        Some(answer)
    }

    fn projects(&self, name: Option<&str>) -> Answer {
        let Keys { project_id, domain_id, .. } = self.keys;
        let project = json!({"id": project_id, "name": self.region, "domain_id": domain_id, "enabled": true});
        let projects = if name.is_none_or(|name| name == self.region) { vec![project] } else { Vec::new() };
        Answer::ok(json!({"projects": projects, "links": {"self": "https://iam.example/v3/projects"}}))
    }

    fn domains(&self) -> Answer {
        let Keys { domain_id, domain, .. } = self.keys;
        Answer::ok(json!({"domains": [{"id": domain_id, "name": domain, "enabled": true}]}))
    }

    fn create_token(&mut self, json: &Value) -> Answer {
        let user = &json["auth"]["identity"]["password"]["user"];
        let project = &json["auth"]["scope"]["project"];
        let Keys { user: name, domain, password, project_id, domain_id, .. } = self.keys;
        if user["name"] != **name || user["domain"]["name"] != **domain || user["password"] != **password {
            return keystone("The username or password is wrong.");
        }
        if project["name"] != *self.region
            && project["id"] != **project_id
            && json["auth"]["scope"]["domain"].is_null()
        {
            return keystone("The project is not one of the account's.");
        }
        let ends = self.now + self.options.token_lifetime;
        let token = self.gate.issue_token(ends);
        let project =
            json!({"id": project_id, "name": self.region, "domain": {"id": domain_id, "name": domain}});
        let body = json!({"token": {
            "expires_at": micros(ends),
            "issued_at": micros(self.now),
            "methods": ["password"],
            "project": project,
            "user": {"name": name, "domain": {"id": domain_id, "name": domain}},
            "roles": [],
            "catalog": [],
        }});
        Answer::new(201, body).with("X-Subject-Token", &token).with("X-IAM-Trace-Id", "token_pretended")
    }

    fn metadata_token(&self, received: Received<'_>) -> Answer {
        if !self.options.metadata_tokens {
            return Answer::bytes(404, "text/plain", b"not found");
        }
        match received.header("X-Metadata-Token-Ttl-Seconds") {
            Some(_) => Answer::bytes(200, "text/plain", METADATA_TOKEN.as_bytes()),
            None => Answer::bytes(400, "text/plain", b"X-Metadata-Token-Ttl-Seconds is missing"),
        }
    }

    fn metadata_key(&mut self, received: Received<'_>) -> Answer {
        let token = received.header("X-Metadata-Token");
        if self.options.metadata_tokens && token != Some(METADATA_TOKEN) {
            return Answer::bytes(401, "text/plain", b"Unauthorized");
        }
        self.credential()
    }

    fn assume(&mut self, json: &Value) -> Answer {
        let told = ["id_token", "web_identity_token"].iter().any(|key| json[*key] == ID_TOKEN);
        if !told {
            return keystone("The identity token is wrong.");
        }
        let keys = self.temporary_keys();
        Answer::ok(json!({"credentials": {
            "access_key_id": keys.access,
            "secret_access_key": keys.secret,
            "security_token": keys.security_token,
            "expiration": micros(keys.ends),
        }}))
    }

    fn federate(&mut self, received: Received<'_>, json: &Value) -> Answer {
        if received.header("X-Idp-Id").is_none() || json["auth"]["id_token"]["id"] != ID_TOKEN {
            return keystone("The identity provider or its token is wrong.");
        }
        let ends = self.now + self.options.token_lifetime;
        let token = self.gate.issue_token(ends);
        let body = json!({"token": {"expires_at": micros(ends), "issued_at": micros(self.now)}});
        Answer::new(201, body).with("X-Subject-Token", &token)
    }

    fn security_token(&mut self, json: &Value) -> Answer {
        let token = json["auth"]["identity"]["token"]["id"].as_str().unwrap_or_default();
        if !self.gate.is_token(token, self.now) {
            return keystone("The token is wrong.");
        }
        let mut answer = self.credential();
        answer.status = 201;
        answer
    }

    fn pod_identity(&mut self, received: Received<'_>) -> Answer {
        if received.header("Authorization") != Some(POD_TOKEN) {
            return keystone("The pod's token is wrong.");
        }
        self.credential()
    }

    fn credential(&mut self) -> Answer {
        let keys = self.temporary_keys();
        Answer::ok(json!({"credential": {
            "access": keys.access,
            "secret": keys.secret,
            "securitytoken": keys.security_token,
            "expires_at": micros(keys.ends),
        }}))
    }

    fn temporary_keys(&mut self) -> Temporary {
        self.gate.issue_keys(self.now + self.options.credential_lifetime)
    }
}

fn versions() -> Answer {
    Answer::ok(json!({"versions": [{
        "id": "v3", "status": "CURRENT", "version": "", "min_version": "", "links": [], "updated": "2020-09-02T17:50:00Z"
    }]}))
}

/// A refusal in the manner of Keystone, whose code is a number.
fn keystone(message: &str) -> Answer {
    Answer::new(401, json!({"error": {"message": message, "code": 401, "title": "Unauthorized"}}))
}

/// `2020-01-04T09:05:22.701000Z`, as IAM writes times.
fn micros(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
