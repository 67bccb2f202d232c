//! Certificates for a test, and the directory that a web configuration names them in.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// One that others may trust.
pub(in crate::server) struct Authority {
    pub(in crate::server) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(in crate::server) struct Identity {
    pub(in crate::server) cert: String,
    pub(in crate::server) key: String,
}

/// A directory with `server.pem`, `server.key`, `ca.pem` and `web.yml`.
pub(in crate::server) struct Folder {
    pub(in crate::server) authority: Authority,
    directory: TempDir,
}

impl Authority {
    pub(in crate::server) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("keys can be made");
        let pem = params.self_signed(&key).expect("the parameters are valid").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for names and addresses.
    pub(in crate::server) fn issue(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.issue_for(CertificateParams::new(names).expect("the names are valid"))
    }

    /// A certificate for one name of any kind.
    pub(in crate::server) fn issue_san(&self, san: SanType) -> Identity {
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(san);
        self.issue_for(params)
    }

    fn issue_for(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("keys can be made");
        let cert = params.signed_by(&key, &self.issuer).expect("the parameters are valid").pem();
        Identity { cert, key: key.serialize_pem() }
    }
}

/// As `openssl req -x509` makes them: an authority that is nobody's but its own.
pub(in crate::server) fn self_signed() -> Identity {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "scraper");
    let key = KeyPair::generate().expect("keys can be made");
    let cert = params.self_signed(&key).expect("the parameters are valid").pem();
    Identity { cert, key: key.serialize_pem() }
}

impl Folder {
    /// With a server's certificate for 127.0.0.1 and this as `web.yml`.
    pub(in crate::server) fn new(yaml: &str) -> Self {
        let folder =
            Self { authority: Authority::new("test"), directory: TempDir::new().expect("room for it") };
        folder.write_identity("server", &folder.authority.issue(&["127.0.0.1"]));
        folder.write("ca.pem", &folder.authority.pem);
        folder.write("web.yml", yaml);
        folder
    }

    pub(in crate::server) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces a file as Kubernetes does: at once, by another.
    pub(in crate::server) fn write(&self, name: &str, content: &str) {
        let fresh = self.path("fresh");
        fs::write(&fresh, content).expect("the directory is writable");
        fs::rename(fresh, self.path(name)).expect("the directory is writable");
    }

    pub(in crate::server) fn write_identity(&self, name: &str, identity: &Identity) {
        self.write(&format!("{name}.pem"), &identity.cert);
        self.write(&format!("{name}.key"), &identity.key);
    }
}
