//! What is taken and what is refused, and with which words; what happens when files change.

use super::super::tests::certs::Folder;
use super::*;
use proptest::prelude::*;

const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
const HASH: &str = "$2y$04$iDSEgmwrSvx0Xv8MYdLgBuTXtPWFqtQZXXsJi3V.wq9w4O3YR1aSm";

/// The error's text without the directory.
fn refused(yaml: &str) -> String {
    let folder = Folder::new(yaml);
    let error = WebConfig::load(&folder.path("web.yml")).expect_err(yaml).to_string();
    error.replace(&format!("{}/", folder.path("").display().to_string().trim_end_matches('/')), "")
}

fn accepted(yaml: &str) -> Arc<Loaded> {
    let folder = Folder::new(yaml);
    match WebConfig::load(&folder.path("web.yml")) {
        Ok(web) => web.current(),
        Err(error) => panic!("{yaml}: {error}"),
    }
}

#[test]
fn what_the_toolkit_accepts_is_accepted() {
    for plain in [
        "",
        "# nothing\n",
        "tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n",
        "tls_server_config:\n  min_version: TLS13\n",
        "tls_server_config:\n  cert_file: ''\n  key_file: ''\n",
        "http_server_config:\n  http2: no\n",
        "rate_limit:\n  interval: 0\n  burst: 0\n",
        "rate_limit:\n  interval: 1s\n  burst: 0x1_0\n",
        "rate_limit:\n  interval: 1s\n  burst: !!int 5\n",
        "~",
    ] {
        assert!(accepted(plain).tls.is_none(), "{plain}");
    }
    for secured in [
        "",
        "  min_version: TLS10\n",
        "  min_version: TLS13\n  max_version: TLS13\n",
        "  max_version: TLS12\n",
        "  max_version: TLS11\n",
        "  prefer_server_cipher_suites: false\n",
        "  client_auth_type: NoClientCert\n",
        "  client_auth_type: RequestClientCert\n",
        "  client_auth_type: RequireAnyClientCert\n",
        "  client_auth_type: RequireClientCert\n",
        "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n",
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n",
        "  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: [a, b]\n",
        "  curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]\n",
        "  curve_preferences: [CurveP521]\n",
        "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n",
        "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n",
        "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n",
    ] {
        assert!(accepted(&format!("{TLS}{secured}")).tls.is_some(), "{secured}");
    }
}

#[test]
fn what_is_written_comes_to_what_is_in_force() {
    let yaml = format!(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: ''\n\
         basic_auth_users:\n  alice: {HASH}\nrate_limit:\n  interval: 1m30s\n  burst: 2\n"
    );
    let loaded = accepted(&yaml);
    assert_eq!(loaded.headers, [(http::header::X_FRAME_OPTIONS, HeaderValue::from_static("deny"))]);
    assert_eq!(loaded.users.0.get("alice").map(String::as_str), Some(HASH));
    let limit = RateLimit { interval: std::time::Duration::from_secs(90), burst: 2 };
    assert_eq!(loaded.rate_limit, Some(limit));
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_nothing_lets_nobody_in() {
    let bucket = accepted("rate_limit:\n  interval: 1s\n").rate.clone().expect("there is a limit");
    assert!((0..10).all(|second| !bucket.take(Instant::now() + std::time::Duration::from_secs(second))));
}

#[test]
fn http_2_is_offered_unless_it_is_switched_off() {
    let protocols = |yaml: &str| accepted(yaml).tls.as_ref().map(|tls| tls.alpn_protocols.clone());
    assert_eq!(protocols(TLS), Some(vec![b"h2".to_vec(), b"http/1.1".to_vec()]));
    let without = format!("{TLS}http_server_config:\n  http2: false\n");
    assert_eq!(protocols(&without), Some(vec![b"http/1.1".to_vec()]));
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    let table = [
        (
            "tls_config:\n",
            "web.yml:1: unknown field `tls_config`, expected one of tls_server_config, \
            http_server_config, basic_auth_users, rate_limit",
        ),
        ("rate_limit:\n  burst: many\n", "web.yml:2: burst: expected a whole number"),
        ("http_server_config:\n  http2: maybe\n", "web.yml:2: http2: expected true or false"),
        ("rate_limit:\n  burst: 1\n  burst: 2\n", "web.yml:3: duplicate mapping key: burst"),
        ("a: 1\n---\nb: 2\n", "web.yml:2: expected one document, without a second `---`"),
        (
            "rate_limit:\n  interval: soon\n",
            "web.yml:2: rate_limit.interval: expected a duration such as 1s, \
            100ms or 1m30s, or 0 for none",
        ),
        (
            "http_server_config:\n  headers:\n    Server: x\n",
            "web.yml:3: headers: \"Server\" cannot be configured; \
            only Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection and \
            Content-Security-Policy can",
        ),
        (
            "http_server_config:\n  headers:\n    X-Frame-Options: maybe\n",
            "web.yml:3: X-Frame-Options: expected one of [\"deny\", \"sameorigin\"]",
        ),
        (
            "http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\nb\"\n",
            "web.yml:3: X-XSS-Protection: not a header's value",
        ),
        (
            "basic_auth_users:\n  alice: hunter2\n",
            "web.yml:2: basic_auth_users: the password of \"alice\" is no bcrypt hash",
        ),
        (
            "tls_server_config:\n  cert_file: server.pem\n",
            "web.yml:2: tls_server_config: one of key_file and key is needed",
        ),
        (
            "tls_server_config:\n  client_auth_type: RequireAnyClientCert\n",
            "web.yml:2: tls_server_config: one of cert_file and cert is needed",
        ),
    ];
    for (yaml, expected) in table {
        assert_eq!(refused(yaml), expected, "{yaml}");
    }
}

#[test]
fn what_is_wrong_with_tls_is_told_with_file_and_line() {
    let table = [
        ("  min_version: SSL3\n", "web.yml:4: min_version: expected TLS12 or TLS13"),
        ("  max_version: SSL3\n", "web.yml:4: max_version: expected TLS12 or TLS13"),
        (
            "  min_version: TLS13\n  max_version: TLS12\n",
            "web.yml:2: tls_server_config: min_version is above max_version",
        ),
        ("  cipher_suites: [TLS_FAST]\n", "web.yml:4: cipher_suites: \"TLS_FAST\" is unknown"),
        (
            "  max_version: TLS12\n  cipher_suites:\n    - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\n",
            "web.yml:2: cipher_suites: none of these is available here for TLS 1.2, and max_version allows no other",
        ),
        (
            "  client_auth_type: Maybe\n",
            "web.yml:4: client_auth_type: expected one of NoClientCert, \
            RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        ),
        (
            "  client_ca_file: ca.pem\n",
            "web.yml:4: client_ca: of no use without a client_auth_type that asks for certificates",
        ),
        (
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: server.key\n",
            "web.yml:5: tls_server_config: server.key: there is no certificate in PEM",
        ),
        (
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: none.pem\n",
            "web.yml:5: tls_server_config: cannot read none.pem: No such file or directory (os error 2)",
        ),
        (
            "  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n",
            "web.yml:5: client_allowed_sans: needs the client_auth_type RequireAnyClientCert or \
            RequireAndVerifyClientCert, else a client may leave its certificate out",
        ),
    ];
    for (yaml, expected) in table {
        assert_eq!(refused(&format!("{TLS}{yaml}")), expected, "{yaml}");
    }
}

#[test]
fn keys_must_be_there_and_belong_to_their_certificate() {
    let folder = Folder::new(TLS);
    let load = || WebConfig::load(&folder.path("web.yml")).expect_err("the key is wrong").to_string();
    folder.write("server.key", &folder.authority.issue(&["other"]).key);
    assert!(load().contains("server.key: not the certificate's key, or of no kind known: "), "{}", load());
    folder.write("server.key", "hunter2");
    assert!(
        load().ends_with("server.key: there is no private key in PEM that is not encrypted"),
        "{}",
        load()
    );
    let missing = WebConfig::load(&folder.path("none.yml")).expect_err("there is no file").to_string();
    assert!(missing.ends_with("none.yml: No such file or directory (os error 2)"), "{missing}");
}

#[test]
fn certificates_may_stand_in_the_file_itself() {
    let folder = Folder::new("");
    let identity = folder.authority.issue(&["127.0.0.1"]);
    let indented = |pem: &str| pem.replace('\n', "\n    ");
    let (cert, key, ca) =
        (indented(&identity.cert), indented(&identity.key), indented(&folder.authority.pem));
    let yaml = format!(
        "tls_server_config:\n  cert: |\n    {cert}\n  key: |\n    {key}\n  client_ca: |\n    {ca}\n  \
         client_auth_type: RequireAndVerifyClientCert\n"
    );
    assert!(accepted(&yaml).tls.is_some());
}

#[test]
fn no_error_quotes_a_secret() {
    for yaml in [
        "basic_auth_users: hunter2\n",
        "basic_auth_users: [hunter2]\n",
        "basic_auth_users:\n  alice: [hunter2]\n",
        "basic_auth_users:\n  alice: hunter2\n",
        "basic_auth_users:\n  alice: *hunter\n",
        "tls_server_config:\n  key: {a: hunter2}\n",
        "tls_server_config:\n  key: hunter2\n  cert_file: server.pem\n",
        "tls_server_config:\n  kee: hunter2\n",
        "tls_server_config:\n  key: \"hunter2\n",
        "hunter2",
    ] {
        let message = refused(yaml);
        assert!(!message.contains("hunter2") && !message.contains("set Dup"), "{yaml}: {message}");
    }
}

#[test]
fn a_file_that_changes_is_read_anew_and_a_bad_one_changes_nothing() {
    let folder = Folder::new("");
    let web = WebConfig::load(&folder.path("web.yml")).expect("it is empty");
    let first = web.current();
    assert!(Arc::ptr_eq(&first, &web.current()), "nothing changed, nothing is read");
    folder.write("web.yml", &format!("basic_auth_users:\n  alice: {HASH}\n"));
    let second = web.current();
    assert_eq!(second.users.0.len(), 1);
    for bad in ["basic_auth_users:\n  alice: x\n", "nonsense", TLS] {
        folder.write("web.yml", bad);
        assert!(Arc::ptr_eq(&second, &web.current()), "{bad}");
    }
    folder.write("web.yml", "http_server_config:\n  http2: false\n");
    assert_eq!(web.current().users.0.len(), 0);
}

#[test]
fn a_certificate_that_changes_is_read_anew_once_its_key_is_there() {
    let folder = Folder::new(TLS);
    let web = WebConfig::load(&folder.path("web.yml")).expect("it is complete");
    let (first, identity) = (web.current(), folder.authority.issue(&["127.0.0.1"]));
    folder.write("server.pem", &identity.cert);
    assert!(Arc::ptr_eq(&first, &web.current()), "the key is yet to come");
    folder.write("server.key", &identity.key);
    assert!(!Arc::ptr_eq(&first, &web.current()), "both are there");
}

#[test]
fn the_rate_limit_goes_on_counting_when_something_else_changes() {
    let limit = "rate_limit:\n  interval: 1h\n  burst: 1\n";
    let folder = Folder::new(limit);
    let web = WebConfig::load(&folder.path("web.yml")).expect("it is complete");
    let bucket = web.current().rate.clone().expect("there is a limit");
    folder.write("web.yml", &format!("{limit}http_server_config:\n  http2: true\n"));
    assert!(Arc::ptr_eq(&bucket, web.current().rate.as_ref().expect("there is a limit")));
    folder.write("web.yml", "rate_limit:\n  interval: 1h\n  burst: 2\n");
    assert!(!Arc::ptr_eq(&bucket, web.current().rate.as_ref().expect("there is a limit")));
}

proptest! {
    #[test]
    fn any_file_is_taken_or_refused(yaml in "((tls_server|http_server)_config|rate_limit|basic_auth_users|\
        cert|burst|headers|: |\n|  |- |\\{|\\[|a|1s|\"|'|~|\\||#|&a|\\*a){0,25}") {
        // Only that it ends; most of it is nonsense.
        let _outcome = file::read_and_check(Path::new("web.yml"), &yaml).is_ok();
    }
}
