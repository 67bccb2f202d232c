//! From a checked file to what rustls needs.

use super::clients::ClientPolicy;
use super::{WebConfigError, read};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::borrow::Cow;
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
    /// Empty for all.
    pub(super) suites: Vec<SupportedCipherSuite>,
    /// In the order of preference; empty for all.
    pub(super) curves: Vec<&'static dyn SupportedKxGroup>,
    pub(super) prefer_server_cipher_suites: bool,
    /// The configuration's file, for errors.
    pub(super) place: String,
}

/// PEM in a file or in the configuration itself.
pub(super) enum Material {
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
        match self {
            Self::File(path) => Ok(Cow::Owned(read(path)?)),
            Self::Inline(text) => Ok(Cow::Borrowed(text.as_bytes())),
        }
    }

    /// Where it is, for errors.
    fn place(&self, configuration: &str) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Inline(_) => configuration.to_owned(),
        }
    }

    fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Inline(_) => None,
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
            .map_err(|error| self.invalid(None, &error))?;
        let builder = match self.client_verifier(&provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let chain = self.certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.bytes()?)
            .map_err(|_| self.invalid(Some(&self.key), &"there is no private key in PEM"))?;
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| self.invalid(Some(&self.key), &error))?;
        config.ignore_client_order = self.prefer_server_cipher_suites;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Ok(config)
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = ring::default_provider();
        if !self.suites.is_empty() {
            // As with Go, the list rules TLS 1.2 alone; the suites of 1.3 are always there.
            provider.cipher_suites.retain(|suite| suite.tls13().is_some());
            provider.cipher_suites.extend(self.suites.iter().filter(|suite| suite.tls13().is_none()));
        }
        if !self.curves.is_empty() {
            provider.kx_groups.clone_from(&self.curves);
        }
        provider
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, WebConfigError> {
        if self.client_auth == ClientAuth::None {
            return Ok(None);
        }
        let authorities = match &self.client_ca {
            Some(client_ca) if self.client_auth.verifies() => self.certificates(client_ca)?,
            Some(_) | None => Vec::new(),
        };
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(authorities.iter().cloned());
        if added == 0 && self.client_auth.verifies() {
            return Err(self.invalid(self.client_ca.as_ref(), &"there is no authority that can be used"));
        }
        let policy = ClientPolicy::new(self.client_auth, authorities, roots, provider)
            .map_err(|error| self.invalid(self.client_ca.as_ref(), &error))?;
        Ok(Some(Arc::new(policy.with_allowed_sans(self.client_allowed_sans.clone()))))
    }

    fn certificates(&self, pem: &Material) -> Result<Vec<CertificateDer<'static>>, WebConfigError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.bytes()?).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(self.invalid(Some(pem), &"there is no certificate in PEM")),
            Err(error) => Err(self.invalid(Some(pem), &format!("not certificates in PEM: {error}"))),
        }
    }

    fn invalid(&self, material: Option<&Material>, problem: &dyn std::fmt::Display) -> WebConfigError {
        let place = material.map_or_else(|| self.place.clone(), |material| material.place(&self.place));
        WebConfigError::Invalid { place, problem: format!("tls_server_config: {problem}") }
    }
}
