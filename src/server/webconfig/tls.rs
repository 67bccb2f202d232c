//! From a checked file to what rustls needs.

use super::WebConfigError;
use super::clients::ClientPolicy;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_native_certs::load_native_certs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::borrow::Cow;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// The TLS side of a checked file.
pub(super) struct Tls {
    pub(super) cert: Material,
    pub(super) key: Material,
    pub(super) client_auth: ClientAuth,
    pub(super) client_ca: Option<Material>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// None for all.
    pub(super) suites: Option<Vec<SupportedCipherSuite>>,
    /// In the order of preference; empty for all.
    pub(super) curves: Vec<&'static dyn SupportedKxGroup>,
    pub(super) prefer_server_cipher_suites: bool,
    /// File and line of the section, for errors.
    pub(super) place: String,
}

/// PEM in a file or in the configuration itself.
pub(super) struct Material {
    /// File and line of the configuration that has or names it.
    pub(super) place: String,
    pub(super) pem: Pem,
}

pub(super) enum Pem {
    File(PathBuf),
    Inline(String),
}

/// Go's policies for client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientAuth {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

impl ClientAuth {
    pub(super) const ALL: [Self; 5] =
        [Self::None, Self::Request, Self::RequireAny, Self::VerifyIfGiven, Self::RequireAndVerify];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "NoClientCert",
            Self::Request => "RequestClientCert",
            Self::RequireAny => "RequireAnyClientCert",
            Self::VerifyIfGiven => "VerifyClientCertIfGiven",
            Self::RequireAndVerify => "RequireAndVerifyClientCert",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        // An older name that the toolkit still takes.
        let name = if name == "RequireClientCert" { "RequireAnyClientCert" } else { name };
        Self::ALL.into_iter().find(|auth| auth.name() == name)
    }

    pub(super) fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    pub(super) fn is_required(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

impl Material {
    fn bytes(&self) -> Result<Cow<'_, [u8]>, WebConfigError> {
        match &self.pem {
            Pem::Inline(text) => Ok(Cow::Borrowed(text.as_bytes())),
            Pem::File(path) => match fs::read(path) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) => Err(self.invalid(&format!("cannot read {}: {error}", path.display()))),
            },
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, WebConfigError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes()?).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(self.useless("there is no certificate in PEM")),
            Err(error) => Err(self.useless(&format!("not certificates in PEM: {error}"))),
        }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, WebConfigError> {
        // What the parser has to say might quote the key.
        PrivateKeyDer::from_pem_slice(&self.bytes()?)
            .map_err(|_| self.useless("there is no private key in PEM that is not encrypted"))
    }

    /// What is wrong with its content, with the file that it is in.
    fn useless(&self, problem: &str) -> WebConfigError {
        match &self.pem {
            Pem::File(path) => self.invalid(&format!("{}: {problem}", path.display())),
            Pem::Inline(_) => self.invalid(&problem),
        }
    }

    fn invalid(&self, problem: &dyn Display) -> WebConfigError {
        invalid(&self.place, problem)
    }

    fn file(&self) -> Option<&PathBuf> {
        match &self.pem {
            Pem::File(path) => Some(path),
            Pem::Inline(_) => None,
        }
    }
}

impl Tls {
    /// The files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(Material::file)
    }

    /// Reads certificates and keys.
    pub(super) fn server_config(&self, http2: bool) -> Result<ServerConfig, WebConfigError> {
        let provider = Arc::new(self.provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .map_err(|error| invalid(&self.place, &error))?;
        let builder = match self.client_verifier(&provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let (chain, key) = (self.cert.certificates()?, self.key.key()?);
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            self.key.useless(&format!("not the certificate's key, or of no kind known: {error}"))
        })?;
        config.ignore_client_order = self.prefer_server_cipher_suites;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(config)
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if let Some(suites) = &self.suites {
            // As with Go, the list rules TLS 1.2 alone; the suites of 1.3 are always there.
            provider.cipher_suites.retain(|suite| suite.tls13().is_some());
            provider.cipher_suites.extend(suites.iter().filter(|suite| suite.tls13().is_none()));
        }
        if !self.curves.is_empty() {
            provider.kx_groups.clone_from(&self.curves);
        }
        provider
    }

    /// As Go does where no authority of the clients is named.
    fn add_authorities_of_the_system(&self, roots: &mut RootCertStore) -> Result<(), WebConfigError> {
        let (added, _) = roots.add_parsable_certificates(load_native_certs().certs);
        if added > 0 {
            return Ok(());
        }
        let problem =
            "no client_ca_file is given, and there are no certificates of authorities on this system";
        Err(invalid(&self.place, &problem))
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, WebConfigError> {
        if self.client_auth == ClientAuth::None {
            return Ok(None);
        }
        let client_ca = self.client_ca.as_ref().filter(|_| self.client_auth.verifies());
        let authorities = client_ca.map_or_else(|| Ok(Vec::new()), Material::certificates)?;
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(authorities.iter().cloned());
        match client_ca {
            Some(client_ca) if added == 0 => {
                return Err(client_ca.useless("there is no authority that can be used"));
            }
            None if self.client_auth.verifies() => self.add_authorities_of_the_system(&mut roots)?,
            Some(_) | None => {}
        }
        let policy = ClientPolicy::new(self.client_auth, authorities, roots, provider)
            .map_err(|error| invalid(&self.place, &error))?;
        Ok(Some(Arc::new(policy.with_allowed_sans(self.client_allowed_sans.clone()))))
    }
}

fn invalid(place: &str, problem: &dyn Display) -> WebConfigError {
    WebConfigError::Invalid { place: place.to_owned(), problem: format!("tls_server_config: {problem}") }
}
