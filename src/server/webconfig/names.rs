//! Go's names for versions, cipher suites and curves, and what rustls has of them.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

/// What a name of Go's is here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known<T> {
    /// The same.
    Here(T),
    /// Go has it, rustls does not.
    Lacking,
}

/// A TLS version by Go's name; none for a name that Go has not.
pub(super) fn tls_version(name: &str) -> Option<Known<&'static SupportedProtocolVersion>> {
    match name {
        "TLS13" => Some(Known::Here(&version::TLS13)),
        "TLS12" => Some(Known::Here(&version::TLS12)),
        "TLS11" | "TLS10" => Some(Known::Lacking),
        _ => None,
    }
}

/// A cipher suite by Go's name; none for a name that Go has not, or counts as insecure.
pub(super) fn suite(name: &str) -> Option<Known<SupportedCipherSuite>> {
    use cipher_suite as ours;
    let suite = match name {
        "TLS_AES_128_GCM_SHA256" => ours::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_256_GCM_SHA384" => ours::TLS13_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256" => ours::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => ours::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => ours::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            ours::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => ours::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => ours::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => ours::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"
        | "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"
        | "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"
        | "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"
        | "TLS_RSA_WITH_AES_128_CBC_SHA"
        | "TLS_RSA_WITH_AES_256_CBC_SHA"
        | "TLS_RSA_WITH_AES_128_GCM_SHA256"
        | "TLS_RSA_WITH_AES_256_GCM_SHA384" => return Some(Known::Lacking),
        _ => return None,
    };
    Some(Known::Here(suite))
}

/// A curve by Go's name; none for a name that the toolkit has not.
pub(super) fn curve(name: &str) -> Option<Known<&'static dyn SupportedKxGroup>> {
    match name {
        "X25519" => Some(Known::Here(kx_group::X25519)),
        "CurveP256" => Some(Known::Here(kx_group::SECP256R1)),
        "CurveP384" => Some(Known::Here(kx_group::SECP384R1)),
        "CurveP521" => Some(Known::Lacking),
        _ => None,
    }
}
