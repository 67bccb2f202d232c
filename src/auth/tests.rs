//! The authenticator against a stand-in for the vendor's services.

mod fake;

use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::config::SecretFrom;
use fake::{Answer, Asked, Fake, Told, json, transport};

const NOW: Timestamp = Timestamp::from_millis(1_713_169_815_000);

fn value(text: &str) -> SecretFrom {
    SecretFrom::Value(text.to_owned().into())
}

fn keys() -> CredentialSource {
    CredentialSource::Keys {
        access_key: value("AKEXAMPLE"),
        secret_key: value("marked-secret"),
        security_token: None,
    }
}

fn password() -> CredentialSource {
    CredentialSource::Password {
        user: "reader".into(),
        domain: "company".into(),
        password: value("marked-password"),
    }
}

fn nothing() -> Environment {
    Environment::new(|_| None)
}

/// An authenticator for an account of `fake`, and what its observer is told.
fn authenticator(account: &Account) -> (Authenticator, Arc<Told>) {
    let (transport, told) = transport();
    (Authenticator::new(account, transport, nothing()), told)
}

async fn get(authenticator: &Authenticator) -> Result<Request<Bytes>, AuthError> {
    authenticator.get("/v3/sources", &[("offset", "0"), ("limit", "200")], NOW).await
}

/// A token, numbered, that lives a day from `NOW`.
fn token(number: usize) -> Answer {
    let body = json!({ "token": { "expires_at": "2024-04-16T08:30:15.000000Z", "project": { "id": "p1" } } });
    (201, vec![("x-subject-token", format!("marked-token-{number}"))], body.to_string())
}

/// Answers with one token after the other.
fn tokens() -> impl FnMut(&Asked) -> Answer + Send + 'static {
    let mut number = 0;
    move |_| {
        number += 1;
        token(number)
    }
}

fn projects(ids: &[&str]) -> Answer {
    let projects: Vec<_> = ids.iter().map(|id| json!({ "id": id, "name": "cn-north-4" })).collect();
    json(200, json!({ "projects": projects, "links": {} }))
}

#[tokio::test]
async fn a_key_finds_its_project_once_and_signs_every_request() {
    let fake = Fake::start(|_| projects(&["p1"])).await;
    let (authenticator, told) = authenticator(&fake.account(keys()));
    let first = get(&authenticator).await.unwrap();
    authenticator.accepted(Ticket::of(&first));
    let second = get(&authenticator).await.unwrap();
    assert_eq!(fake.lines(), ["GET /v3/projects?name=cn-north-4"]);
    for request in [&first, &second] {
        assert_eq!(request.headers()["x-project-id"], "p1");
        let authorization = request.headers()["authorization"].to_str().unwrap();
        let signed = "Access=AKEXAMPLE, SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature=";
        assert!(authorization.contains(signed), "{authorization}");
        assert_eq!(request.headers()["x-sdk-date"], "20240415T083015Z");
    }
    assert_eq!(first.uri().to_string(), format!("{}/v3/sources?limit=200&offset=0", fake.origin));
    assert_eq!(*told.expiries.lock().unwrap(), [None]);
}

#[tokio::test]
async fn a_password_is_exchanged_for_one_token_however_many_wait_for_it() {
    let fake = Fake::start(tokens()).await;
    let (authenticator, told) = authenticator(&fake.account(password()));
    let ask = async || {
        let request = get(&authenticator).await.unwrap();
        authenticator.accepted(Ticket::of(&request));
        request.headers()["x-auth-token"].to_str().unwrap().to_owned()
    };
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    assert_eq!([a, b, c], ["marked-token-1"; 3]);
    let asked = fake.asked();
    assert_eq!(fake.lines(), ["POST /v3/auth/tokens?nocatalog=true"]);
    let user = json!({ "name": "reader", "password": "marked-password", "domain": { "name": "company" } });
    assert_eq!(asked[0].body["auth"]["identity"]["password"]["user"], user);
    assert_eq!(asked[0].body["auth"]["scope"], json!({ "project": { "name": "cn-north-4" } }));
    let end = Some(NOW.plus(Duration::from_secs(24 * 60 * 60)));
    assert_eq!(*told.expiries.lock().unwrap(), [end]);
    assert_eq!(authenticator.expiry(), end);
    assert_eq!(authenticator.project_id(NOW).await.unwrap().as_deref(), Some("p1"));
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_and_its_late_refusals_are_not_held_against_the_new_one() {
    let fake = Fake::start(tokens()).await;
    let (authenticator, told) = authenticator(&fake.account(password()));
    authenticator.accepted(Ticket::of(&get(&authenticator).await.unwrap()));
    let stale = [
        get(&authenticator).await.unwrap(),
        get(&authenticator).await.unwrap(),
        get(&authenticator).await.unwrap(),
    ];
    let [a, b, c] = stale.each_ref().map(Ticket::of);
    assert!(authenticator.refused(a).await);
    assert!(authenticator.refused(b).await, "refused with the same token, before the new one came");
    let renewed = get(&authenticator).await.unwrap();
    assert!(authenticator.refused(c).await, "refused with the old token, after the new one came");
    assert_eq!(renewed.headers()["x-auth-token"], "marked-token-2");
    assert!(
        !authenticator.refused(Ticket::of(&renewed)).await,
        "a new token that is refused is not tried again"
    );
    assert!(matches!(get(&authenticator).await, Err(AuthError::Paused { .. })));
    assert_eq!(fake.lines().len(), 2);
    assert_eq!(*told.refusals.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_refused_key_is_paused_and_nothing_is_sent_until_the_pause_ends() {
    let fake = Fake::start(|_| projects(&["p1"])).await;
    let (authenticator, _) = authenticator(&fake.account(keys()));
    let authenticator = authenticator.with_pause(Duration::from_secs(60));
    let request = get(&authenticator).await.unwrap();
    assert!(!authenticator.refused(Ticket::of(&request)).await);
    drop(request);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    let paused = get(&authenticator).await.unwrap_err();
    assert_eq!(paused.reason(), "auth_paused");
    tokio::time::advance(Duration::from_secs(2)).await;
    let request = get(&authenticator).await.unwrap();
    assert!(!authenticator.refused(Ticket::of(&request)).await);
    drop(request);
    tokio::time::advance(Duration::from_secs(119)).await;
    assert!(get(&authenticator).await.is_err(), "the second pause is twice as long");
    tokio::time::advance(Duration::from_secs(2)).await;
    authenticator.accepted(Ticket::of(&get(&authenticator).await.unwrap()));
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test]
async fn while_a_key_is_unproven_one_request_tries_it_and_the_others_learn_from_it() {
    let fake = Fake::start(|_| projects(&["p1"])).await;
    let (authenticator, told) = authenticator(&fake.account(keys()));
    let first = get(&authenticator).await.unwrap();
    let others = async { tokio::join!(get(&authenticator), get(&authenticator), get(&authenticator)) };
    let verdict = async {
        tokio::task::yield_now().await;
        let ticket = Ticket::of(&first);
        drop(first);
        authenticator.refused(ticket).await
    };
    let ((a, b, c), again) = tokio::join!(others, verdict);
    assert!(!again);
    for other in [a, b, c] {
        assert!(matches!(other, Err(AuthError::Paused { .. })), "{other:?}");
    }
    assert_eq!(*told.refusals.lock().unwrap(), 1);
}
