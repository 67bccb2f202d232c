//! Each place that credentials come from, against a stand-in for the service it needs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::*;

/// Temporary keys, numbered, that live six hours from `NOW`.
fn temporary(number: usize) -> Answer {
    let credential = json!({
        "access": format!("AKTEMP{number}"),
        "secret": "marked-secret",
        "securitytoken": "marked-token",
        "expires_at": "2024-04-15T14:30:15.000000Z",
    });
    json(200, json!({ "credential": credential }))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: BTreeMap<_, _> = variables.iter().map(owned).collect();
    Environment::new(move |name| variables.get(name).cloned())
}

/// An account of `fake` whose project is known, so that no lookup disturbs.
fn placed(fake: &Fake, credentials: CredentialSource) -> Account {
    Account { project_id: Some("p1".into()), ..fake.account(credentials) }
}

fn with(account: &Account, environment: Environment) -> Authenticator {
    Authenticator::new(account, transport().0, environment)
}

/// The access key that a request is signed with, and the security token sent along.
fn signer(request: &Request<Bytes>) -> (String, String) {
    let header = |name| request.headers().get(name).map_or("", |value| value.to_str().unwrap());
    let key = header("authorization").split("Access=").nth(1).and_then(|rest| rest.split(',').next());
    (key.unwrap_or_default().to_owned(), header("x-security-token").to_owned())
}

async fn first(authenticator: &Authenticator) -> (String, String) {
    signer(&get(authenticator).await.unwrap())
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

const TEMPORARY: (&str, &str) = ("AKTEMP1", "marked-token");

fn is_temporary(signer: &(String, String)) -> bool {
    (signer.0.as_str(), signer.1.as_str()) == TEMPORARY
}

#[tokio::test]
async fn keys_in_files_are_read_anew_when_they_change_and_a_pause_for_the_old_ends() {
    let (directory, path) = file("ak", "AKOLD\n");
    std::fs::write(directory.path().join("sk"), "marked-secret\n").unwrap();
    let fake = Fake::start(|_| projects(&["p1"])).await;
    let source = CredentialSource::Keys {
        access_key: SecretFrom::File(path.clone()),
        secret_key: SecretFrom::File(directory.path().join("sk")),
        security_token: None,
    };
    let authenticator = with(&fake.account(source), nothing());
    let request = get(&authenticator).await.unwrap();
    assert_eq!(signer(&request).0, "AKOLD");
    assert!(!authenticator.refused(Ticket::of(&request), "refused").await);
    drop(request);
    assert_eq!(get(&authenticator).await.unwrap_err().reason(), "auth_paused");
    std::fs::write(&path, "AKNEW\n").unwrap();
    assert_eq!(first(&authenticator).await.0, "AKNEW");
    assert_eq!(fake.lines().len(), 2, "another key may belong to another project");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(first(&authenticator).await.0, "AKNEW", "a file that is gone for a moment stops nothing");
}

#[tokio::test]
async fn a_changed_password_is_tried_at_once_and_a_wrong_one_is_not_tried_again() {
    let (_directory, path) = file("password", "marked-wrong");
    let fake = Fake::start(|asked| {
        let user = &asked.body["auth"]["identity"]["password"]["user"];
        if user["password"] == "marked-right" {
            return token(1);
        }
        json(
            401,
            json!({ "error": { "message": "The username or password marked-wrong is wrong.", "code": 401 } }),
        )
    })
    .await;
    let source = CredentialSource::Password {
        user: "reader".into(),
        domain: "company".into(),
        password: SecretFrom::File(path.clone()),
    };
    let authenticator = with(&fake.account(source), nothing());
    let error = get(&authenticator).await.unwrap_err();
    assert!(error.is_refusal(), "{error}");
    assert_eq!(
        error.to_string(),
        "the identity service (IAM) refused the credentials (401 Unauthorized, 401: The username or password […] is wrong.): \
         check the keys, or the user's name, account and password, and that the user may use the API"
    );
    assert_eq!(get(&authenticator).await.unwrap_err().reason(), "auth_paused");
    assert_eq!(fake.lines().len(), 1);
    std::fs::write(&path, "marked-right").unwrap();
    assert_eq!(get(&authenticator).await.unwrap().headers()["x-auth-token"], "marked-token-1");
}

#[tokio::test]
async fn an_agencys_keys_come_by_a_metadata_token_and_are_renewed_before_they_end() {
    let mut given = 0;
    let fake = Fake::start(move |asked| match asked.line().as_str() {
        "PUT /meta-data/latest/api/token" => {
            assert_eq!(asked.header("x-metadata-token-ttl-seconds"), "21600");
            (200, Vec::new(), "marked-metadata-token\n".into())
        }
        "GET /openstack/latest/securitykey" => {
            assert_eq!(asked.header("x-metadata-token"), "marked-metadata-token");
            given += 1;
            temporary(given)
        }
        other => panic!("{other}"),
    })
    .await;
    let authenticator =
        with(&placed(&fake, CredentialSource::EcsAgency), nothing().with_metadata(&fake.origin));
    assert!(is_temporary(&first(&authenticator).await));
    let after = async |minutes: u64| {
        pass(minutes * 60).await;
        first(&authenticator).await.0
    };
    assert_eq!(after(319).await, "AKTEMP1");
    assert_eq!(after(1).await, "AKTEMP2", "40 minutes before the end");
    let lines = fake.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("PUT")).count(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_metadata_service_without_tokens_serves_and_a_token_that_ended_is_renewed_once() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "PUT" => (404, Vec::new(), String::new()),
        _ => temporary(1),
    })
    .await;
    let source = || CredentialSource::EcsAgency;
    let authenticator = with(&placed(&fake, source()), nothing().with_metadata(&fake.origin));
    assert!(is_temporary(&first(&authenticator).await));

    let mut tokens = 0;
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "PUT" => {
            tokens += 1;
            (200, Vec::new(), format!("token-{tokens}"))
        }
        _ if asked.header("x-metadata-token") == "token-2" => temporary(1),
        _ => (401, Vec::new(), "Invalid token".into()),
    })
    .await;
    let authenticator = with(&placed(&fake, source()), nothing().with_metadata(&fake.origin));
    assert!(is_temporary(&first(&authenticator).await));
    assert_eq!(fake.lines().len(), 4);
}

#[tokio::test]
async fn a_server_without_an_agency_is_told_so_and_locks_nothing() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "PUT" => (200, Vec::new(), "token".into()),
        _ => (401, Vec::new(), "Please configure Cloud Service Agency first".into()),
    })
    .await;
    let authenticator =
        with(&placed(&fake, CredentialSource::EcsAgency), nothing().with_metadata(&fake.origin));
    let error = get(&authenticator).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the metadata service answered 401 Unauthorized (Please configure Cloud Service Agency first)"
    );
    assert_eq!(fake.lines().len(), 2, "a new token would not help");
    assert!(!error.is_refusal());
}

#[tokio::test]
async fn an_oidc_token_is_exchanged_at_the_security_token_service() {
    let (_directory, path) = file("token", "marked-id-token\n");
    let fake = Fake::start(|_| {
        let credentials = json!({
            "access_key_id": "AKTEMP1", "secret_access_key": "marked-secret", "security_token": "marked-token",
            "expiration": "2024-04-15T09:30:15Z",
        });
        json(200, json!({ "credentials": credentials }))
    })
    .await;
    let variables = environment(&[
        ("HUAWEICLOUD_OIDC_PROVIDER_URN", "iam::d:oidcProvider:p"),
        ("HUAWEICLOUD_OIDC_AGENCY_URN", "iam::d:agency:a"),
        ("HUAWEICLOUD_OIDC_TOKEN_FILE", path.to_str().unwrap()),
        ("HUAWEICLOUD_OIDC_POLICY_IDS", "a, b"),
        ("HUAWEICLOUD_SDK_STS_ENDPOINT", &fake.origin),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "p1"),
    ]);
    for source in [CredentialSource::Oidc, CredentialSource::Chain] {
        let authenticator = with(&fake.account(source), variables.clone());
        let request = get(&authenticator).await.unwrap();
        assert!(is_temporary(&signer(&request)));
        assert_eq!(request.headers()["x-project-id"], "p1");
    }
    assert_eq!(fake.lines(), ["POST /v5/agencies/assume-with-oidc"; 2]);
    let sent = json!({
        "provider_urn": "iam::d:oidcProvider:p", "agency_urn": "iam::d:agency:a",
        "agency_session_name": "oidc-sts-session", "id_token": "marked-id-token",
        "duration_seconds": 3600, "policy_ids": ["a", "b"],
    });
    assert_eq!(fake.asked()[0].body, sent);
}

#[tokio::test]
async fn a_federated_token_is_exchanged_twice() {
    let (_directory, path) = file("token", "marked-id-token\n");
    let fake = Fake::start(|asked| match asked.target.as_str() {
        "/v3.0/OS-AUTH/id-token/tokens" => {
            (201, vec![("x-subject-token", "marked-unscoped".into())], "{}".into())
        }
        _ => temporary(1),
    })
    .await;
    let variables = [
        ("HUAWEICLOUD_SDK_IDP_ID", "idp"),
        ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", path.to_str().unwrap()),
        ("HUAWEICLOUD_SDK_AK", "a federation wins over keys"),
        ("HUAWEICLOUD_SDK_SK", "marked-secret"),
    ];
    let authenticator = with(&placed(&fake, CredentialSource::Chain), environment(&variables));
    assert!(is_temporary(&first(&authenticator).await));
    assert_eq!(
        fake.lines(),
        ["POST /v3.0/OS-AUTH/id-token/tokens", "POST /v3.0/OS-CREDENTIAL/securitytokens"]
    );
    let asked = fake.asked();
    assert_eq!(asked[0].header("x-idp-id"), "idp");
    assert_eq!(asked[0].body, json!({ "auth": { "id_token": { "id": "marked-id-token" } } }));
    let identity =
        json!({ "methods": ["token"], "token": { "id": "marked-unscoped", "duration_seconds": 21600 } });
    assert_eq!(asked[1].body, json!({ "auth": { "identity": identity } }));
}

#[tokio::test]
async fn a_pod_shows_its_token_and_the_chain_comes_to_it_last() {
    let (_directory, path) = file("token", "marked-pod-token\n");
    let fake = Fake::start(|asked| match asked.target.as_str() {
        "/v1/credentials" => temporary(1),
        _ => (404, Vec::new(), "no agency".into()),
    })
    .await;
    let uri = format!("{}/v1/credentials", fake.origin);
    let variables = environment(&[
        ("HC_CONTAINER_CREDENTIALS_FULL_URI", &uri),
        ("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.to_str().unwrap()),
    ])
    .with_metadata(&fake.origin);
    for source in [CredentialSource::PodIdentity, CredentialSource::Chain] {
        assert!(is_temporary(&first(&with(&placed(&fake, source), variables.clone())).await));
    }
    assert_eq!(
        fake.lines(),
        [
            "POST /v1/credentials",
            "PUT /meta-data/latest/api/token",
            "GET /openstack/latest/securitykey",
            "POST /v1/credentials"
        ]
    );
    assert_eq!(fake.asked()[0].header("authorization"), "marked-pod-token");
    assert_eq!(fake.asked()[0].body, json!({}));
}

#[tokio::test]
async fn the_chain_takes_variables_before_the_profile_and_the_profile_before_the_machine() {
    let fake = Fake::start(|asked| match asked.method.as_str() {
        "PUT" => (404, Vec::new(), String::new()),
        _ => temporary(1),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".huaweicloud")).unwrap();
    let profile = home.path().join(".huaweicloud/credentials");
    std::fs::write(&profile, "[basic]\nak = AKPROFILE\nsk = marked-secret\nproject_id = p2\n").unwrap();
    let chained = async |variables: &[(&str, &str)]| {
        let environment = environment(variables).with_home(home.path()).with_metadata(&fake.origin);
        first(&with(&placed(&fake, CredentialSource::Chain), environment)).await
    };
    let sdk = [
        ("HUAWEICLOUD_SDK_AK", "AKSDK"),
        ("HUAWEICLOUD_SDK_SK", "s"),
        ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "t"),
    ];
    let terraform = [("HW_ACCESS_KEY", "AKHW"), ("HW_SECRET_KEY", "s"), ("HW_SECURITY_TOKEN", "t")];
    let documents = [("CLOUD_SDK_AK", "AKDOC"), ("CLOUD_SDK_SK", "s")];
    let all = [sdk.as_slice(), &terraform, &documents].concat();
    assert_eq!(chained(&all).await, ("AKSDK".to_owned(), "t".to_owned()));
    assert_eq!(chained(&[terraform.as_slice(), &documents].concat()).await.0, "AKHW");
    assert_eq!(chained(&documents).await, ("AKDOC".to_owned(), String::new()));
    assert_eq!(chained(&[("HUAWEICLOUD_SDK_AK", "without its secret key")]).await.0, "AKPROFILE");
    std::fs::remove_file(&profile).unwrap();
    assert!(is_temporary(&chained(&[]).await));
}

#[tokio::test]
async fn where_nothing_has_credentials_the_error_names_every_place() {
    let fake = Fake::start(|_| (404, Vec::new(), "no agency".into())).await;
    let variables = environment(&[("HUAWEICLOUD_SDK_AK", "AK"), ("HUAWEICLOUD_OIDC_AGENCY_URN", "a")]);
    let surroundings = variables.with_home("/nowhere").with_metadata(&fake.origin);
    let error = get(&with(&fake.account(CredentialSource::Chain), surroundings)).await.unwrap_err();
    assert_eq!(error.reason(), "credentials");
    assert_eq!(
        error.to_string(),
        "no credentials: HUAWEICLOUD_OIDC_PROVIDER_URN is not set; HUAWEICLOUD_SDK_AK is set without HUAWEICLOUD_SDK_SK; \
         HW_ACCESS_KEY and HW_SECRET_KEY are not set; CLOUD_SDK_AK and CLOUD_SDK_SK are not set; \
         /nowhere/.huaweicloud/credentials does not exist; HC_CONTAINER_CREDENTIALS_FULL_URI is not set; \
         the metadata service answered 404 Not Found (no agency)"
    );
}

#[tokio::test]
async fn a_profile_names_its_own_identity_service_unless_the_account_chose_one() {
    let fake = Fake::start(|_| projects(&["p1"])).await;
    let text = format!("[basic]\nak = AKPROFILE\nsk = s\niam_endpoint = {}\n", fake.origin);
    let (_directory, path) = file("credentials", &text);
    let account = fake.account(CredentialSource::Profile(Some(path)));
    let account = Account { iam_endpoint: account.region.iam_endpoint(), ..account };
    assert_eq!(first(&with(&account, nothing())).await.0, "AKPROFILE");
    assert_eq!(fake.lines(), ["GET /v3/projects?name=cn-north-4"]);
}

#[tokio::test]
async fn what_a_source_is_called_shows_four_characters_of_the_key() {
    let account = Fake::start(|_| json(500, json!({}))).await.account(keys());
    assert_eq!(with(&account, nothing()).describe().unwrap(), "access key AKEX… from memory");
    let account = Account { credentials: CredentialSource::Chain, ..account };
    let variables = [("HW_ACCESS_KEY", "AKLONG"), ("HW_SECRET_KEY", "s"), ("HW_SECURITY_TOKEN", "t")];
    let described = with(&account, environment(&variables)).describe().unwrap();
    assert_eq!(described, "temporary access key AKLO… from HW_ACCESS_KEY");
    let account = Account { credentials: password(), ..account };
    let described = with(&account, nothing()).describe().unwrap();
    assert_eq!(described, "user reader of account company, password from memory");
}
