//! The authenticator against a stand-in for the vendor's services.

mod fake;
mod sources;

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

/// Lets time go on, for everything that is measured on the monotonic clock.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
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
async fn a_byte_order_mark_before_an_answer_is_no_part_of_it() {
    let fake = Fake::start(|_| {
        let (status, headers, body) = projects(&["p1"]);
        (status, headers, format!("\u{feff}{body}"))
    })
    .await;
    let (authenticator, _) = authenticator(&fake.account(keys()));
    assert_eq!(get(&authenticator).await.unwrap().headers()["x-project-id"], "p1");
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
    assert!(authenticator.refused(a, "refused").await);
    assert!(
        authenticator.refused(b, "refused").await,
        "refused with the same token, before the new one came"
    );
    let renewed = get(&authenticator).await.unwrap();
    assert!(authenticator.refused(c, "refused").await, "refused with the old token, after the new one came");
    assert_eq!(renewed.headers()["x-auth-token"], "marked-token-2");
    assert!(
        !authenticator.refused(Ticket::of(&renewed), "refused").await,
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
    assert!(!authenticator.refused(Ticket::of(&request), "refused").await);
    drop(request);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    let paused = get(&authenticator).await.unwrap_err();
    assert_eq!(paused.reason(), "auth_paused");
    tokio::time::advance(Duration::from_secs(2)).await;
    let request = get(&authenticator).await.unwrap();
    assert!(!authenticator.refused(Ticket::of(&request), "refused").await);
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
        authenticator.refused(ticket, "refused").await
    };
    let ((a, b, c), again) = tokio::join!(others, verdict);
    assert!(!again);
    for other in [a, b, c] {
        assert!(matches!(other, Err(AuthError::Paused { .. })), "{other:?}");
    }
    assert_eq!(*told.refusals.lock().unwrap(), 1);
}

#[tokio::test]
async fn what_is_signed_is_what_goes_over_the_wire() {
    let fake = Fake::start(|_| json(200, json!({}))).await;
    let account = Account { project_id: Some("p1".into()), ..fake.account(keys()) };
    let (transport, _) = transport();
    let authenticator = Authenticator::new(&account, transport.clone(), nothing());
    let query = [("name", "a b+c/d*~'é%"), ("limit", "200"), ("empty", "")];
    let request = authenticator.get("/v3/sources/a%20b", &query, NOW).await.unwrap();
    transport.send("test", request).await.unwrap();
    let asked = fake.asked().remove(0);
    assert_eq!(asked.target, "/v3/sources/a%20b?empty=&limit=200&name=a%20b%2Bc%2Fd%2A~%27%C3%A9%25");
    assert_eq!(asked.header("host"), account.endpoint.authority());
    assert_eq!(asked.headers.get_all("host").iter().count(), 1);
    assert_eq!(asked.header("content-type"), "application/json");
    let signed =
        asked.header("authorization").split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    let headers: Vec<_> = signed.split(';').map(|name| (name, asked.header(name))).collect();
    let unsigned = sign::Unsigned {
        method: "GET",
        host: "",
        path: "/v3/sources/a%20b",
        query: &query,
        headers: &headers,
        body: b"",
    };
    let keys = sign::Keys {
        access_key: "AKEXAMPLE".into(),
        secret_key: "marked-secret".to_owned().into(),
        security_token: None,
    };
    assert_eq!(sign::authorization(&keys, &unsigned, "20240415T083015Z"), asked.header("authorization"));
}

#[tokio::test]
async fn a_path_that_would_change_on_its_way_is_not_sent() {
    let fake = Fake::start(|_| projects(&["p1"])).await;
    let (authenticator, _) = authenticator(&fake.account(keys()));
    for path in ["/v3/../v3/tasks", "/v3/%2e%2e/x", "/v3/a b", "/v3/a?b", "/v3/a#b", "/v3/é", "v3", ""] {
        let error = authenticator.get(path, &[], NOW).await.unwrap_err();
        assert_eq!(error.reason(), "unsendable", "{path}");
    }
}

#[tokio::test]
async fn the_account_scope_sends_the_accounts_id_and_asks_the_token_service_where_accounts_are_not_listed() {
    let fake = Fake::start(|asked| match asked.target.as_str() {
        "/v3/auth/domains" => json(200, json!({ "domains": [] })),
        _ => json(200, json!({ "account_id": "d1" })),
    })
    .await;
    let account = Account { scope: Scope::Domain, ..fake.account(keys()) };
    let origin = fake.origin.clone();
    let environment =
        Environment::new(move |name| (name == "HUAWEICLOUD_SDK_STS_ENDPOINT").then(|| origin.clone()));
    let authenticator = Authenticator::new(&account, transport().0, environment);
    let request = get(&authenticator).await.unwrap();
    assert_eq!(request.headers()["x-domain-id"], "d1");
    assert!(!request.headers().contains_key("x-project-id"));
    assert_eq!(fake.lines(), ["GET /v3/auth/domains", "GET /v5/caller-identity"]);
    assert_eq!(authenticator.project_id(NOW).await.unwrap().as_deref(), Some("d1"));
}

#[tokio::test]
async fn no_project_and_several_projects_are_told_apart() {
    let error = async |ids: &'static [&'static str]| {
        let fake = Fake::start(move |_| projects(ids)).await;
        let (authenticator, _) = authenticator(&fake.account(keys()));
        get(&authenticator).await.unwrap_err()
    };
    let none = error(&[]).await;
    assert!(matches!(none.root(), AuthError::NoProject { .. }), "{none}");
    let many = error(&["p1", "p2"]).await;
    assert_eq!(
        many.to_string(),
        "the account has several projects for cn-north-4: set project_id to one of p1, p2"
    );
    assert_eq!((none.reason(), many.reason()), ("project", "project"));
}

#[tokio::test]
async fn a_key_that_the_identity_service_refuses_is_refused_once_for_all_who_ask() {
    let body = json!({ "error_msg": "Incorrect IAM authentication information: verify aksk signature fail", "error_code": "APIGW.0301" });
    let fake = Fake::start(move |_| json(401, body.clone())).await;
    let (authenticator, told) = authenticator(&fake.account(keys()));
    let (a, b, c) = tokio::join!(get(&authenticator), get(&authenticator), get(&authenticator));
    let reasons = [a, b, c].map(|result| result.unwrap_err().reason());
    assert_eq!(reasons, ["auth_refused", "auth_paused", "auth_paused"]);
    assert_eq!(fake.lines().len(), 1);
    assert_eq!(*told.refusals.lock().unwrap(), 1);
}

#[tokio::test]
async fn whoever_waits_for_an_attempt_shares_its_failure() {
    let fake = Fake::start(|_| (502, Vec::new(), "<html>Bad Gateway</html>".into())).await;
    let (authenticator, _) = authenticator(&fake.account(password()));
    let (a, b, c) = tokio::join!(get(&authenticator), get(&authenticator), get(&authenticator));
    for result in [a, b, c] {
        let error = result.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the identity service (IAM) answered 502 Bad Gateway (<html>Bad Gateway</html>)"
        );
    }
    assert_eq!(fake.lines().len(), 1);
    assert!(get(&authenticator).await.is_err());
    assert_eq!(fake.lines().len(), 2, "a failure that is no refusal may be tried again");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_serves_on_where_that_fails() {
    let mut number = 0;
    let fake = Fake::start(move |_| {
        number += 1;
        if number == 2 { json(503, json!({})) } else { token(number) }
    })
    .await;
    let (authenticator, _) = authenticator(&fake.account(password()));
    let after = async |seconds: u64| {
        pass(seconds).await;
        let request = authenticator.get("/v3/tasks", &[], NOW).await.unwrap();
        request.headers()["x-auth-token"].to_str().unwrap().to_owned()
    };
    assert_eq!(after(0).await, "marked-token-1");
    assert_eq!(after(1409 * 60).await, "marked-token-1");
    assert_eq!(after(60).await, "marked-token-1", "the renewal failed");
    assert_eq!(after(10).await, "marked-token-1", "and is not tried for each request");
    assert_eq!(fake.lines().len(), 2);
    assert_eq!(after(20).await, "marked-token-3");
}

#[tokio::test]
async fn a_token_of_sixteen_thousand_characters_is_taken_and_sent() {
    let long = "m".repeat(16_000);
    let answer = (201, vec![("x-subject-token", long.clone())], "no JSON".to_owned());
    let fake = Fake::start(move |_| answer.clone()).await;
    let (transport, _) = transport();
    let authenticator = Authenticator::new(&fake.account(password()), transport.clone(), nothing());
    let request = get(&authenticator).await.unwrap();
    assert_eq!(authenticator.expiry(), None);
    transport.send("test", request).await.unwrap();
    assert_eq!(fake.asked()[1].header("x-auth-token"), long);
    assert!(!fake.asked()[1].headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_token_that_ended_before_it_came_is_tried_once_for_all_and_then_after_growing_pauses() {
    let fake = Fake::start(tokens()).await;
    let (authenticator, told) = authenticator(&fake.account(password()));
    let late = NOW.plus(Duration::from_secs(25 * 60 * 60));
    let get = async || authenticator.get("/v3/tasks", &[], late).await;
    let others = async { tokio::join!(get(), get(), get()) };
    let first = async {
        let request = get().await.unwrap();
        assert!(!authenticator.refused(Ticket::of(&request), "it has ended").await);
    };
    let (others, ()) = tokio::join!(others, first);
    // Whichever of the four came first tried the token; the others have it, or wait for the pause to end.
    for other in [others.0, others.1, others.2] {
        assert!(matches!(&other, Ok(_) | Err(AuthError::Paused { .. })), "{other:?}");
    }
    assert_eq!(fake.lines().len(), 1, "one token for all who ask, although it has ended by this clock");
    for pause in [30, 60, 120] {
        assert_eq!(get().await.unwrap_err().reason(), "auth_paused");
        pass(pause).await;
        assert!(!authenticator.refused(Ticket::of(&get().await.unwrap()), "it has ended").await);
    }
    assert_eq!(fake.lines().len(), 4, "one more after each pause, and each pause is longer");
    assert_eq!(*told.refusals.lock().unwrap(), 4);
    pass(240).await;
    authenticator.accepted(Ticket::of(&get().await.unwrap()));
    get().await.expect("the service takes it, whatever this machine's clock says");
    assert_eq!(fake.lines().len(), 5);
}

#[tokio::test]
async fn neither_debug_nor_any_error_shows_a_secret() {
    let echo = |asked: &Asked| (500, Vec::new(), format!("{:?} {}", asked.headers, asked.body));
    let fake = Fake::start(echo).await;
    let temporary = CredentialSource::Keys {
        access_key: value("AKIDMARKED"),
        secret_key: value("marked-secret"),
        security_token: Some(value("marked-token")),
    };
    let broken = CredentialSource::Keys {
        access_key: value("AKIDMARKED\u{7f}"),
        secret_key: value("marked-secret"),
        security_token: Some(value("marked\u{7f}token")),
    };
    let mut shown = String::new();
    for source in [temporary, broken, password()] {
        let (authenticator, _) = authenticator(&fake.account(source));
        let error = get(&authenticator).await.unwrap_err();
        shown += &format!(
            "{authenticator:?} {error} {error:?} {} {:?}",
            error.with_causes(),
            authenticator.held.lock().await
        );
        shown += &format!("{:?}", authenticator.describe());
    }
    let account = Account { project_id: Some("p1".into()), ..fake.account(keys()) };
    let (authenticator, _) = authenticator(&account);
    shown += &format!("{:?} {:?}", get(&authenticator).await.unwrap(), authenticator.held.lock().await);
    // The access key's beginning is shown on purpose; the stand-in answers with what it was sent.
    let shown = shown.replace("Access=AKIDMARKED", "");
    assert!(!shown.to_lowercase().contains("marked"), "{shown}");
}

#[tokio::test]
async fn an_answer_that_says_nothing_of_the_credentials_lets_the_next_request_try_them() {
    let fake = Fake::start(|_| json(500, json!({}))).await;
    let account = Account { project_id: Some("p1".into()), ..fake.account(keys()) };
    let (transport, _) = transport();
    let authenticator = Authenticator::new(&account, transport.clone(), nothing());
    let next = async || tokio::time::timeout(PATIENCE / 2, get(&authenticator)).await;
    for _ in 0..2 {
        let request = next().await.expect("nothing is waited for").unwrap();
        let ticket = Ticket::of(&request);
        transport.send("test", request).await.unwrap();
        tokio::time::pause();
        next().await.expect_err("another request tries the credentials");
        tokio::time::resume();
        drop(ticket);
    }
    assert_eq!(fake.lines().len(), 2);
}
