//! What stands before the service where the network is to blame: it passes connections on, until it does not.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Road {
    Open,
    /// Nobody listens, and connections that stood are gone.
    Refused,
    /// Every connection is reset.
    Reset,
    /// Connections are made and nothing ever comes.
    Silent,
    /// The certificate is somebody else's.
    Stranger,
}

/// A port of this machine by which the service is reached; dropped, it is gone.
pub(super) struct Front {
    address: SocketAddr,
    road: watch::Sender<Road>,
    /// Bound to the port as long as nobody else shall have it, and never listening.
    _port: TcpSocket,
    _connections: JoinSet<()>,
}

/// The service behind it, and how TLS ends here, if it does.
#[derive(Clone)]
struct Way {
    service: SocketAddr,
    tls: Option<Identities>,
}

/// With the certificate that clients trust, and with a stranger's.
#[derive(Clone)]
pub(super) struct Identities {
    own: TlsAcceptor,
    stranger: TlsAcceptor,
    /// In PEM, what clients must trust.
    pub(super) authority: String,
}

impl Front {
    pub(super) fn before(service: SocketAddr, tls: Option<Identities>, road: Road) -> Self {
        let port = socket(([127, 0, 0, 1], 0).into());
        let address = port.local_addr().expect("a bound port");
        let (sender, receiver) = watch::channel(road);
        let mut connections = JoinSet::new();
        connections.spawn(keep(address, receiver, Way { service, tls }));
        Self { address, road: sender, _port: port, _connections: connections }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn turn(&self, road: Road) {
        self.road.send_replace(road);
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a flag of a socket");
    socket.bind(address).expect("a port");
    socket
}

/// Listens as long as the road has anybody listen.
async fn keep(address: SocketAddr, mut road: watch::Receiver<Road>, way: Way) {
    let mut connections = JoinSet::new();
    loop {
        let now = *road.borrow_and_update();
        let seen = road.clone();
        let listener = (now != Road::Refused).then(|| socket(address).listen(64).expect("the port is ours"));
        tokio::select! {
            changed = road.changed() => if changed.is_err() { return },
            () = accept(listener, &seen, &way, &mut connections) => {}
        }
    }
}

async fn accept(
    listener: Option<TcpListener>,
    road: &watch::Receiver<Road>,
    way: &Way,
    connections: &mut JoinSet<()>,
) {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let (mut road, way) = (road.clone(), way.clone());
        // A connection that ends before its time ends with a reset.
        drop(client.set_zero_linger());
        // The kernel's patience with small segments is real time.
        drop(client.set_nodelay(true));
        connections.spawn(async move {
            let now = *road.borrow_and_update();
            tokio::select! {
                _ = road.changed() => {}
                () = carry(client, now, way) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, road: Road, way: Way) {
    match (road, way.tls) {
        (Road::Refused | Road::Reset, _) => {}
        (Road::Silent, _) => std::future::pending().await,
        (Road::Open, None) => pass(client, way.service).await,
        (Road::Open, Some(tls)) => {
            if let Ok(client) = tls.own.accept(client).await {
                pass(client, way.service).await;
            }
        }
        (Road::Stranger, tls) => {
            drop(tls.expect("a certificate is shown by TLS").stranger.accept(client).await)
        }
    }
}

async fn pass(mut client: impl AsyncRead + AsyncWrite + Unpin, service: SocketAddr) {
    if let Ok(mut service) = TcpStream::connect(service).await {
        drop(service.set_nodelay(true));
        drop(copy_bidirectional(&mut client, &mut service).await);
    }
}

impl Identities {
    pub(super) fn new() -> Self {
        let (own, authority) = acceptor();
        let (stranger, _) = acceptor();
        Self { own, stranger, authority }
    }
}

/// A certificate for this machine, and that of the authority that signed it.
fn acceptor() -> (TlsAcceptor, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("keys can be made");
    let authority = params.self_signed(&key).expect("the parameters are valid").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("keys can be made");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
    let certificate = params.signed_by(&key, &issuer).expect("the parameters are valid");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the ciphers")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("key and certificate fit");
    (TlsAcceptor::from(Arc::new(config)), authority)
}
