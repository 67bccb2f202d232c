//! A real Prometheus scrapes the real binary over TLS, with a password and a client certificate.

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::process::{SOON, exporter};
use super::prometheus::Prometheus;
use super::web::get;
use crate::binary::{Running, file};

const WEB: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  \
                   client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users:\n  scraper: ";

/// Writes `ca.pem`, and a certificate and key each of `server`, `client` and, of another authority, `stranger`.
fn certificates(directory: &Path) {
    let (ours, theirs) = (authority(), authority());
    file(directory, "ca.pem", &ours.1);
    file(directory, "other-ca.pem", &theirs.1);
    for (name, (issuer, _)) in [("server", &ours), ("client", &ours), ("stranger", &theirs)] {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        let purposes = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.extended_key_usages.extend(purposes);
        let key = KeyPair::generate().expect("keys can be made");
        let pem = params.signed_by(&key, issuer).expect("the parameters are valid").pem();
        file(directory, &format!("{name}.pem"), &pem);
        file(directory, &format!("{name}.key"), &key.serialize_pem());
    }
}

fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("keys can be made");
    let pem = params.self_signed(&key).expect("the parameters are valid").pem();
    (Issuer::new(params, key), pem)
}

/// A job: what it trusts, what it shows, and its password if it has one.
fn job(name: &str, address: &str, ca: &str, identity: Option<&str>, password: Option<&str>) -> String {
    let mut job = format!(
        "- job_name: {name}\n  scheme: https\n  static_configs: [{{targets: ['{address}']}}]\n  \
         tls_config:\n    ca_file: {ca}\n"
    );
    if let Some(identity) = identity {
        job += &format!("    cert_file: {identity}.pem\n    key_file: {identity}.key\n");
    }
    if let Some(password) = password {
        job += &format!("  basic_auth: {{username: scraper, password: {password}}}\n");
    }
    job
}

/// The targets as Prometheus sees them: job, health and last error.
async fn targets(prometheus: &str) -> Vec<(String, String, String)> {
    let json = get(prometheus, "/api/v1/targets", &[]).await.text();
    let json: Value = serde_json::from_str(json.trim()).expect("Prometheus answers in JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = |target: &Value| {
        (text(&target["labels"]["job"]), text(&target["health"]), text(&target["lastError"]))
    };
    json["data"]["activeTargets"].as_array().into_iter().flatten().map(target).collect()
}

/// What a Prometheus with these jobs sees of their targets, once it has tried each.
async fn scraped(directory: &Path, jobs: &[String]) -> Vec<(String, String, String)> {
    let config =
        format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}", jobs.concat());
    let prometheus = Prometheus::start(directory, &config, &[]).await;
    let seen = timeout(SOON, async {
        loop {
            let seen = targets(&prometheus.address).await;
            if seen.len() == jobs.len() && seen.iter().all(is_told) {
                return seen;
            }
            sleep(Duration::from_millis(100)).await;
        }
    });
    seen.await.expect("every target is scraped in time")
}

/// Whether a target was scraped, or refused for a reason other than that a busy machine was too slow.
fn is_told((_, health, error): &(String, String, String)) -> bool {
    health != "unknown" && !error.contains("deadline exceeded")
}

#[tokio::test]
async fn prometheus_scrapes_with_certificate_and_password_and_is_refused_without_either() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    certificates(at);
    let web = format!("{WEB}{}\n", bcrypt::hash("sesame", 4).expect("a hash"));
    let flag = format!("--web.config.file={}", file(at, "web.yml", &web));
    let running = Running::start(exporter(&["demo", "--sources=3", &flag])).await;
    let address = running.address.to_string();
    let jobs = [
        job("good", &address, "ca.pem", Some("client"), Some("sesame")),
        job("no-password", &address, "ca.pem", Some("client"), None),
        job("wrong-password", &address, "ca.pem", Some("client"), Some("mellon")),
        job("no-certificate", &address, "ca.pem", None, Some("sesame")),
        job("strange-certificate", &address, "ca.pem", Some("stranger"), Some("sesame")),
        job("wrong-authority", &address, "other-ca.pem", Some("client"), Some("sesame")),
        format!("- job_name: plain\n  static_configs: [{{targets: ['{address}']}}]\n"),
    ];
    let seen = scraped(at, &jobs).await;
    let error = |job: &str| seen.iter().find(|(name, _, _)| name == job).map(|(_, _, error)| error.as_str());
    assert_eq!(error("good"), Some(""), "{seen:#?}");
    for (job, expected) in [("no-password", "401"), ("wrong-password", "401"), ("wrong-authority", "x509: ")]
    {
        assert!(error(job).is_some_and(|error| error.contains(expected)), "{job}: {seen:#?}");
    }
    // A server of TLS 1.3 refuses a client after the handshake, so the client may see the end before the reason.
    for job in ["no-certificate", "strange-certificate"] {
        let hung_up = ["tls: ", "reset by peer", "broken pipe", "EOF"];
        assert!(
            hung_up.iter().any(|end| error(job).is_some_and(|error| error.contains(end))),
            "{job}: {seen:#?}"
        );
    }
    let up: Vec<&str> =
        seen.iter().filter(|(_, health, _)| health == "up").map(|(job, _, _)| job.as_str()).collect();
    assert_eq!(up, ["good"]);
}

#[tokio::test]
async fn without_an_authority_of_the_clients_those_of_the_system_are_asked_as_go_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    certificates(at);
    let web = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  \
               client_auth_type: RequireAndVerifyClientCert\n";
    let flag = format!("--web.config.file={}", file(at, "web.yml", web));
    let mut command = exporter(&["demo", "--sources=3", &flag]);
    command.env("SSL_CERT_FILE", at.join("ca.pem"));
    let running = Running::start(command).await;
    assert!(running.log().contains("Without client_ca_file"), "{}", running.log());
    let address = running.address.to_string();
    let jobs = ["client", "stranger"].map(|name| job(name, &address, "ca.pem", Some(name), None));
    let seen = scraped(at, &jobs).await;
    let health = |job: &str| seen.iter().find(|(name, ..)| name == job).map(|(_, health, _)| health.as_str());
    assert_eq!((health("client"), health("stranger")), (Some("up"), Some("down")), "{seen:#?}");
}

#[tokio::test]
async fn the_doctor_tells_a_certificate_that_is_not_trusted_from_one_that_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    certificates(at);
    let web = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    let flag = format!("--web.config.file={}", file(at, "web.yml", web));
    file(at, "key", "EXAMPLE");
    // Not the service, but something that speaks TLS.
    let running = Running::start(exporter(&["demo", "--sources=1", &flag])).await;
    let account = format!(
        "region: cn-north-4, endpoint: 'https://{0}', iam_endpoint: 'https://{0}', project_id: p, \
         credentials: {{access_key_file: key, secret_key_file: key}}",
        running.address
    );
    for (ca, expected) in
        [("other-ca.pem", "name its root in the account's ca_file"), ("ca.pem", "TLS holds")]
    {
        let config = format!("accounts: [{{name: a, ca_file: {ca}, {account}}}]");
        let flag = format!("--config.file={}", file(at, "exporter.yml", &config));
        let output = exporter(&["doctor", &flag]).output().await.expect("the binary runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains(expected), "{ca}: {text}");
    }
}
