//! TLS, client certificates, passwords and rate limits, through real sockets.

use super::certs::{Authority, Folder, Identity, self_signed};
use super::client::{Answer, ask_over, get};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::SanType;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";

const EACH_VERSION: [&[&SupportedProtocolVersion]; 2] = [&[&version::TLS12], &[&version::TLS13]];

/// A client that trusts the folder's authority.
pub(super) struct Client<'a> {
    pub(super) folder: &'a Folder,
    pub(super) identity: Option<&'a Identity>,
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    pub(super) protocols: Vec<Vec<u8>>,
}

impl<'a> Client<'a> {
    pub(super) fn new(folder: &'a Folder) -> Self {
        Self { folder, identity: None, versions: rustls::ALL_VERSIONS, protocols: Vec::new() }
    }

    fn with(folder: &'a Folder, identity: &'a Identity) -> Self {
        Self { identity: Some(identity), ..Self::new(folder) }
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.folder.authority.pem.as_bytes()).expect("PEM");
        roots.add(authority).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(self.versions)
            .expect("there are suites for them")
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(vec![cert], key).expect("they belong together")
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        config
    }

    pub(super) async fn connect(&self, running: &Running) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(running.address).await?;
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        TlsConnector::from(Arc::new(self.config())).connect(name, socket).await
    }

    /// The answer's status; none if the server hung up, which with TLS 1.3 the client learns after its handshake.
    async fn status(&self, running: &Running) -> Option<u16> {
        let mut stream = self.connect(running).await.ok()?;
        let request = super::client::request("GET", "/-/healthy", &[]);
        let answer = super::client::exchange(&mut stream, request.as_bytes()).await;
        let status = answer.get(9..12)?;
        std::str::from_utf8(status).ok()?.parse().ok()
    }

    async fn ask(&self, running: &Running, headers: &[&str]) -> Answer {
        let stream = self.connect(running).await.expect("the handshake succeeds");
        ask_over(stream, "/-/healthy", headers).await
    }
}

fn start(folder: &Folder) -> Running {
    let web = WebConfig::load(&folder.path("web.yml")).expect("the configuration is valid");
    Running::start(Settings { web: Some(Arc::new(web)), ..Settings::default() })
}

fn users(names: &[&str]) -> String {
    let user = |name: &&str| format!("  {name}: {}\n", bcrypt::hash("sesame", 4).expect("a valid cost"));
    format!("basic_auth_users:\n{}", names.iter().map(user).collect::<String>())
}

fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(credentials))
}

#[tokio::test]
async fn with_tls_there_is_https_and_no_http() {
    let folder = Folder::new(TLS);
    let running = start(&folder);
    let answer = Client::new(&folder).ask(&running, &[]).await;
    assert_eq!((answer.status, answer.text()), (200, "Healthy.\n"));
    let plain = super::client::raw(running.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!plain.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&plain));
    running.end().await;
}

#[tokio::test]
async fn the_versions_allowed_are_the_versions_spoken() {
    let table: [(&str, [Option<ProtocolVersion>; 2]); 6] = [
        ("", [Some(ProtocolVersion::TLSv1_2), Some(ProtocolVersion::TLSv1_3)]),
        ("  min_version: TLS13\n", [None, Some(ProtocolVersion::TLSv1_3)]),
        ("  max_version: TLS12\n", [Some(ProtocolVersion::TLSv1_2), None]),
        ("  max_version: TLS11\n", [Some(ProtocolVersion::TLSv1_2), None]),
        // Of the suites of TLS 1.2 none that is listed is there; those of 1.3 cannot be chosen.
        ("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n", [None, Some(ProtocolVersion::TLSv1_3)]),
        (
            "  curve_preferences: [CurveP521]\n",
            [Some(ProtocolVersion::TLSv1_2), Some(ProtocolVersion::TLSv1_3)],
        ),
    ];
    for (yaml, expected) in table {
        let folder = Folder::new(&format!("{TLS}{yaml}"));
        let running = start(&folder);
        for (versions, expected) in EACH_VERSION.into_iter().zip(expected) {
            let client = Client { versions, ..Client::new(&folder) };
            let spoken = client.connect(&running).await.ok();
            let spoken = spoken.and_then(|stream| stream.get_ref().1.protocol_version());
            assert_eq!(spoken, expected, "{yaml}");
        }
        running.end().await;
    }
}

#[tokio::test]
async fn client_certificates_are_demanded_as_the_policy_says() {
    let stranger = Authority::new("stranger").issue(&["scraper"]);
    // None, one of our authority's, one of another's, its own.
    let table = [
        ("NoClientCert", [true, true, true, true]),
        ("RequestClientCert", [true, true, true, true]),
        ("RequireAnyClientCert", [false, true, true, true]),
        ("VerifyClientCertIfGiven", [true, true, false, false]),
        ("RequireAndVerifyClientCert", [false, true, false, false]),
    ];
    for (policy, expected) in table {
        let ca = if policy == "NoClientCert" { "" } else { "  client_ca_file: ca.pem\n" };
        let folder = Folder::new(&format!("{TLS}  client_auth_type: {policy}\n{ca}"));
        let running = start(&folder);
        let (ours, own) = (folder.authority.issue(&["scraper"]), self_signed());
        let clients = [None, Some(&ours), Some(&stranger), Some(&own)];
        for versions in EACH_VERSION {
            for (identity, expected) in clients.into_iter().zip(expected) {
                let client = Client { identity, versions, ..Client::new(&folder) };
                let served = client.status(&running).await == Some(200);
                assert_eq!(served, expected, "{policy} {:?}", versions[0].version);
            }
        }
        running.end().await;
    }
}

#[tokio::test]
async fn only_certificates_with_an_allowed_name_are_let_in() {
    let policy = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  \
        client_allowed_sans: [scraper, ops@example.com, 'spiffe://example/scraper', 10.0.0.1, '::1']\n";
    let folder = Folder::new(&format!("{TLS}{policy}"));
    let running = start(&folder);
    let authority = &folder.authority;
    let email = |text: &str| authority.issue_san(SanType::Rfc822Name(text.try_into().expect("ASCII")));
    let uri = |text: &str| authority.issue_san(SanType::URI(text.try_into().expect("ASCII")));
    let table = [
        ("a name", authority.issue(&["scraper"]), true),
        ("one of many names", authority.issue(&["other", "scraper"]), true),
        ("an address", authority.issue(&["10.0.0.1"]), true),
        ("an address of IPv6", authority.issue(&["::1"]), true),
        ("e-mail", email("ops@example.com"), true),
        ("a URI", uri("spiffe://example/scraper"), true),
        ("another name", authority.issue(&["scraper.example.com"]), false),
        ("another address", authority.issue(&["10.0.0.2"]), false),
        ("another URI", uri("spiffe://example/scraper/2"), false),
        ("no name", authority.issue(&[]), false),
    ];
    for (what, identity, expected) in table {
        let served = Client::with(&folder, &identity).status(&running).await == Some(200);
        assert_eq!(served, expected, "{what}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_can_be_trusted_by_name() {
    let policy = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n";
    let folder = Folder::new(TLS);
    let (trusted, other) = (self_signed(), self_signed());
    folder.write("clients.pem", &trusted.cert);
    folder.write("web.yml", &format!("{TLS}{policy}"));
    let running = start(&folder);
    assert_eq!(Client::with(&folder, &trusted).status(&running).await, Some(200));
    assert_eq!(Client::with(&folder, &other).status(&running).await, None);
    running.end().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_client() {
    let folder = Folder::new(TLS);
    let running = start(&folder);
    let shown = async || {
        let stream = Client::new(&folder).connect(&running).await.expect("the handshake succeeds");
        stream.get_ref().1.peer_certificates().expect("the server has one")[0].clone().into_owned()
    };
    let first = shown().await;
    assert_eq!(shown().await, first);
    folder.write_identity("server", &folder.authority.issue(&["127.0.0.1"]));
    assert_ne!(shown().await, first);
    running.end().await;
}

#[tokio::test]
async fn passwords_are_asked_for_on_every_route() {
    let folder = Folder::new(&users(&["alice"]));
    let running = start(&folder);
    for target in ["/metrics", "/", "/-/healthy", "/-/ready", "/-/reload", "/other"] {
        let answer = get(running.address, target).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Basic")), "{target}");
    }
    let table = [("alice:sesame", 200), ("alice:wrong", 401), ("bob:sesame", 401), ("alice:sesame", 200)];
    for (credentials, status) in table {
        let answer = super::client::ask(running.address, "GET", "/metrics", &[&basic(credentials)]).await;
        assert_eq!(answer.status, status, "{credentials}");
    }
    assert_eq!(running.answers.lock().unwrap()[0], ("/metrics", 401));
    running.end().await;
}

#[tokio::test]
async fn a_user_who_is_taken_off_the_file_is_out_on_a_connection_that_is_open() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = Folder::new(&users(&["alice", "bob"]));
    let running = start(&folder);
    let mut socket = TcpStream::connect(running.address).await.expect("the server listens");
    let request = format!("GET /-/healthy HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n", basic("alice:sesame"));
    for (file, status) in [(None, "HTTP/1.1 200"), (Some(users(&["bob"])), "HTTP/1.1 401")] {
        if let Some(file) = file {
            folder.write("web.yml", &file);
        }
        socket.write_all(request.as_bytes()).await.expect("it is taken");
        let mut answer = vec![0; 4096];
        let read = timeout(SOON, socket.read(&mut answer)).await.expect("soon").expect("an answer");
        assert!(
            answer[..read].starts_with(status.as_bytes()),
            "{}",
            String::from_utf8_lossy(&answer[..read])
        );
    }
    running.end().await;
}

#[tokio::test]
async fn headers_of_the_configuration_are_on_every_response() {
    let headers = "http_server_config:\n  headers:\n    Content-Security-Policy: none\n    \
        Strict-Transport-Security: max-age=1\n";
    let folder = Folder::new(&format!("{headers}{}", users(&["alice"])));
    let running = start(&folder);
    for (headers, status) in [(vec![], 401), (vec![basic("alice:sesame")], 200)] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = super::client::ask(running.address, "GET", "/", &headers).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-security-policy"), Some("none"));
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=1"));
    }
    running.end().await;
}

#[tokio::test]
async fn requests_beyond_the_rate_limit_get_429() {
    let folder = Folder::new("rate_limit:\n  interval: 1h\n  burst: 2\n");
    let running = start(&folder);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(running.address, "/-/healthy").await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    running.end().await;
}
