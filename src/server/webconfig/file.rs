//! The file as it is written, and what it comes to once it has been checked.

use super::names::{self, Known};
use super::tls::{ClientAuth, Material, Pem, Tls};
use super::{WebConfigError, duration};
use crate::config::yaml::{self, At, Fault, FaultKind, Fields, Placed, Text, Texts};
use http::{HeaderName, HeaderValue};
use rustls::crypto::SupportedKxGroup;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tracing::warn;

struct RawFile {
    tls: Option<Placed<RawTls>>,
    http: RawHttp,
    users: BTreeMap<String, Option<Text>>,
    rate_limit: RawRate,
}

struct RawTls {
    cert: Option<Text>,
    key: Option<Text>,
    client_ca: Option<Text>,
    cert_file: Option<Text>,
    key_file: Option<Text>,
    client_auth_type: Option<Text>,
    client_ca_file: Option<Text>,
    client_allowed_sans: Option<Texts>,
    min_version: Option<Text>,
    max_version: Option<Text>,
    cipher_suites: Option<Texts>,
    prefer_server_cipher_suites: Option<bool>,
    curve_preferences: Option<Texts>,
}

#[derive(Default)]
struct RawHttp {
    http2: Option<bool>,
    headers: BTreeMap<String, Option<Text>>,
}

#[derive(Default)]
struct RawRate {
    interval: Option<Text>,
    burst: Option<u32>,
}

/// A checked file. The certificates are yet to be read.
pub(super) struct Valid {
    pub(super) tls: Option<Tls>,
    pub(super) http2: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: BTreeMap<String, String>,
    pub(super) rate_limit: Option<RateLimit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RateLimit {
    pub(super) interval: Duration,
    pub(super) burst: u32,
}

/// The file under examination, for errors that name it.
struct Source<'a>(&'a Path);

impl RawFile {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            tls: fields.map("tls_server_config", RawTls::read),
            http: value(fields.map("http_server_config", RawHttp::read)),
            users: named(fields.optional_pairs("basic_auth_users")),
            rate_limit: value(fields.map("rate_limit", RawRate::read)),
        }
    }
}

impl RawTls {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            cert: fields.text("cert"),
            key: fields.text("key"),
            client_ca: fields.text("client_ca"),
            cert_file: fields.text("cert_file"),
            key_file: fields.text("key_file"),
            client_auth_type: fields.text("client_auth_type"),
            client_ca_file: fields.text("client_ca_file"),
            client_allowed_sans: fields.texts("client_allowed_sans"),
            min_version: fields.text("min_version"),
            max_version: fields.text("max_version"),
            cipher_suites: fields.texts("cipher_suites"),
            prefer_server_cipher_suites: fields.parsed("prefer_server_cipher_suites", SWITCH, switch),
            curve_preferences: fields.texts("curve_preferences"),
        }
    }
}

impl RawHttp {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            http2: fields.parsed("http2", SWITCH, switch),
            headers: named(fields.optional_pairs("headers")),
        }
    }
}

impl RawRate {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self { interval: fields.text("interval"), burst: fields.parsed("burst", "a whole number", whole) }
    }
}

impl Valid {
    /// The file itself first, then all that it names.
    pub(super) fn files(&self, path: &Path) -> Vec<PathBuf> {
        let named = self.tls.iter().flat_map(Tls::files);
        std::iter::once(path.to_owned()).chain(named.cloned()).collect()
    }
}

/// Reads and checks the file, but not those that it names.
pub(super) fn read_and_check(path: &Path, yaml: &str) -> Result<Valid, WebConfigError> {
    let source = Source(path);
    let raw = yaml::read(yaml, RawFile::read).map_err(|fault| source.fault(fault))?;
    Ok(Valid {
        tls: raw.tls.map_or(Ok(None), |tls| source.tls(tls))?,
        http2: raw.http.http2.unwrap_or(true),
        headers: source.headers(raw.http.headers)?,
        users: source.users(raw.users)?,
        rate_limit: source.rate_limit(raw.rate_limit)?,
    })
}

pub(super) fn read_file(path: &Path) -> Result<Valid, WebConfigError> {
    let bytes = fs::read(path).map_err(|problem| WebConfigError::Read { path: path.to_owned(), problem })?;
    let yaml =
        std::str::from_utf8(&bytes).map_err(|_| Source(path).invalid(None, "the file is not UTF-8"))?;
    read_and_check(path, yaml)
}

impl Source<'_> {
    fn invalid(&self, at: Option<At>, problem: impl Into<String>) -> WebConfigError {
        WebConfigError::Invalid { place: self.place(at), problem: problem.into() }
    }

    fn place(&self, at: Option<At>) -> String {
        let path = self.0.display();
        at.map_or_else(|| path.to_string(), |at| format!("{path}:{}", at.line))
    }

    fn fault(&self, Fault { at, kind }: Fault) -> WebConfigError {
        let problem = match kind {
            FaultKind::Syntax(told) => told,
            FaultKind::Shape { key: Some(key), expected } => format!("{key}: expected {expected}"),
            FaultKind::Shape { key: None, expected } => format!("expected {expected}"),
            FaultKind::UnknownKey { key, known } => {
                let key = key.map(|key| format!(" `{key}`")).unwrap_or_default();
                format!("unknown field{key}, expected one of {}", known.join(", "))
            }
            FaultKind::DuplicateKey(Some(key)) => format!("duplicate mapping key: {key}"),
            FaultKind::DuplicateKey(None) => "duplicate mapping key".to_owned(),
        };
        self.invalid(Some(at), problem)
    }

    fn headers(
        &self,
        raw: BTreeMap<String, Option<Text>>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, WebConfigError> {
        let mut headers = Vec::new();
        for (name, value) in raw {
            let at = value.as_ref().map(|value| value.at);
            let allowed = allowed_values(&name).ok_or_else(|| {
                self.invalid(at, format!("headers: {name:?} cannot be configured; only {CONFIGURABLE} can"))
            })?;
            let value = value.map(|value| value.value).unwrap_or_default();
            if value.is_empty() {
                continue;
            }
            if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
                return Err(self.invalid(at, format!("{name}: expected one of {allowed:?}")));
            }
            let value = HeaderValue::from_str(&value);
            let value = value.map_err(|_| self.invalid(at, format!("{name}: not a header's value")))?;
            headers.push((HeaderName::from_str(&name).expect("the names are constants"), value));
        }
        Ok(headers)
    }

    fn users(&self, raw: BTreeMap<String, Option<Text>>) -> Result<BTreeMap<String, String>, WebConfigError> {
        let check = |(name, hash): (String, Option<Text>)| {
            let at = hash.as_ref().map(|hash| hash.at);
            let hash = hash.map(|hash| hash.value).unwrap_or_default();
            match bcrypt::HashParts::from_str(&hash) {
                Ok(_) => Ok((name, hash)),
                // The hash is a secret, too.
                Err(_) => {
                    Err(self
                        .invalid(at, format!("basic_auth_users: the password of {name:?} is no bcrypt hash")))
                }
            }
        };
        raw.into_iter().map(check).collect()
    }

    fn rate_limit(&self, raw: RawRate) -> Result<Option<RateLimit>, WebConfigError> {
        let Some(interval) = raw.interval else { return Ok(None) };
        let at = Some(interval.at);
        let interval = duration::parse(&interval.value).ok_or_else(|| {
            self.invalid(
                at,
                "rate_limit.interval: expected a duration such as 1s, 100ms or 1m30s, or 0 for none",
            )
        })?;
        if interval.is_zero() {
            return Ok(None);
        }
        let burst = raw.burst.unwrap_or_default();
        if burst == 0 {
            warn!(place = %self.place(at), "rate_limit.burst is 0: every request is refused");
        }
        Ok(Some(RateLimit { interval, burst }))
    }

    fn tls(&self, section: Placed<RawTls>) -> Result<Option<Tls>, WebConfigError> {
        let (at, raw) = (section.at, section.value);
        let cert = self.material(raw.cert_file, raw.cert);
        let key = self.material(raw.key_file, raw.key);
        let client_ca = self.material(raw.client_ca_file, raw.client_ca);
        let policy = raw.client_auth_type.filter(|text| !text.value.is_empty());
        if cert.is_none() && key.is_none() && client_ca.is_none() && policy.is_none() {
            return Ok(None);
        }
        let missing = |what: &str| self.invalid(Some(at), format!("tls_server_config: {what} is needed"));
        let client_auth = self.client_auth(at, policy, client_ca.as_ref())?;
        let versions = self.versions(at, raw.min_version, raw.max_version)?;
        let suites = self.chosen("cipher_suites", raw.cipher_suites, names::suite)?;
        let is_old = |suite: &SupportedCipherSuite| suite.tls13().is_none();
        if suites.as_ref().is_some_and(|suites| !suites.iter().any(is_old))
            && versions == [&rustls::version::TLS12]
        {
            let problem =
                "cipher_suites: none of these is available here for TLS 1.2, and max_version allows no other";
            return Err(self.invalid(Some(at), problem));
        }
        Ok(Some(Tls {
            cert: cert.ok_or_else(|| missing("one of cert_file and cert"))?,
            key: key.ok_or_else(|| missing("one of key_file and key"))?,
            client_auth,
            client_ca,
            client_allowed_sans: self.sans(raw.client_allowed_sans, client_auth)?,
            versions,
            suites,
            curves: self.curves(raw.curve_preferences)?,
            prefer_server_cipher_suites: raw.prefer_server_cipher_suites.unwrap_or(true),
            place: self.place(Some(at)),
        }))
    }

    /// The file wins over the text, as with the toolkit; relative paths begin where the configuration is.
    fn material(&self, file: Option<Text>, inline: Option<Text>) -> Option<Material> {
        let directory = self.0.parent().unwrap_or(Path::new(""));
        let file = file.filter(|file| !file.value.is_empty()).map(|file| Material {
            place: self.place(Some(file.at)),
            pem: Pem::File(directory.join(file.value)),
        });
        let inline = inline
            .filter(|inline| !inline.value.is_empty())
            .map(|inline| Material { place: self.place(Some(inline.at)), pem: Pem::Inline(inline.value) });
        file.or(inline)
    }

    fn sans(
        &self,
        raw: Option<Texts>,
        client_auth: ClientAuth,
    ) -> Result<Option<Vec<String>>, WebConfigError> {
        let Some(Placed { value: sans, at }) = raw else { return Ok(None) };
        if client_auth.is_required() {
            return Ok(Some(sans.into_iter().map(|san| san.value).collect()));
        }
        let problem = "client_allowed_sans: needs the client_auth_type RequireAnyClientCert or \
            RequireAndVerifyClientCert, else a client may leave its certificate out";
        Err(self.invalid(Some(at), problem))
    }

    fn client_auth(
        &self,
        section: At,
        policy: Option<Text>,
        client_ca: Option<&Material>,
    ) -> Result<ClientAuth, WebConfigError> {
        let at = policy.as_ref().map_or(section, |policy| policy.at);
        let name = policy.as_ref().map_or("NoClientCert", |policy| policy.value.as_str());
        let auth = ClientAuth::named(name).ok_or_else(|| {
            let names = ClientAuth::ALL.map(ClientAuth::name).join(", ");
            self.invalid(Some(at), format!("client_auth_type: expected one of {names}"))
        })?;
        match client_ca {
            Some(ca) if auth == ClientAuth::None => {
                let problem = "client_ca: of no use without a client_auth_type that asks for certificates";
                Err(WebConfigError::Invalid { place: ca.place.clone(), problem: problem.to_owned() })
            }
            None if auth.verifies() => {
                warn!(
                    place = %self.place(Some(at)),
                    "Without client_ca_file a certificate of any authority that this system trusts lets a client in"
                );
                Ok(auth)
            }
            Some(_) | None => Ok(auth),
        }
    }

    /// None where there is no bound. The oldest that can be is the bound where an older one is allowed.
    fn version(
        &self,
        raw: Option<Text>,
        is_minimum: bool,
    ) -> Result<Option<&'static SupportedProtocolVersion>, WebConfigError> {
        let Some(Placed { value: name, at }) = raw else { return Ok(None) };
        let key = if is_minimum { "min_version" } else { "max_version" };
        match names::tls_version(&name) {
            Some(Known::Here(version)) => Ok(Some(version)),
            Some(Known::Lacking) if is_minimum => {
                warn!(min_version = name, "TLS before 1.2 is not available; the minimum is TLS12");
                Ok(None)
            }
            Some(Known::Lacking) => {
                warn!(max_version = name, "TLS before 1.2 is not available; the maximum is TLS12");
                Ok(Some(&rustls::version::TLS12))
            }
            None => Err(self.invalid(Some(at), format!("{key}: expected TLS12 or TLS13"))),
        }
    }

    fn versions(
        &self,
        section: At,
        min: Option<Text>,
        max: Option<Text>,
    ) -> Result<Vec<&'static SupportedProtocolVersion>, WebConfigError> {
        let (min, max) = (self.version(min, true)?, self.version(max, false)?);
        let number = |version: &SupportedProtocolVersion| u16::from(version.version);
        let within = |version: &&SupportedProtocolVersion| {
            min.is_none_or(|min| number(version) >= number(min))
                && max.is_none_or(|max| number(version) <= number(max))
        };
        let versions: Vec<_> = rustls::ALL_VERSIONS.iter().copied().filter(within).collect();
        if versions.is_empty() {
            return Err(self.invalid(Some(section), "tls_server_config: min_version is above max_version"));
        }
        Ok(versions)
    }

    /// In the order of preference; empty for all.
    fn curves(&self, raw: Option<Texts>) -> Result<Vec<&'static dyn SupportedKxGroup>, WebConfigError> {
        let chosen = self.chosen("curve_preferences", raw, names::curve)?;
        if chosen.as_ref().is_some_and(Vec::is_empty) {
            warn!("None of the curve_preferences is available here; all that are may be used");
        }
        Ok(chosen.unwrap_or_default())
    }

    /// What a list of Go's names leaves of ours; none where nothing was listed.
    fn chosen<T>(
        &self,
        key: &str,
        raw: Option<Texts>,
        find: impl Fn(&str) -> Option<Known<T>>,
    ) -> Result<Option<Vec<T>>, WebConfigError> {
        let raw = raw.map(|raw| raw.value).unwrap_or_default();
        if raw.is_empty() {
            return Ok(None);
        }
        let mut chosen = Vec::new();
        for Placed { value: name, at } in raw {
            match find(&name) {
                Some(Known::Here(one)) => chosen.push(one),
                Some(Known::Lacking) => warn!(key, name, "Not available here; passed over"),
                None => return Err(self.invalid(Some(at), format!("{key}: {name:?} is unknown"))),
            }
        }
        Ok(Some(chosen))
    }
}

const SWITCH: &str = "true or false";

/// A boolean as the toolkit's YAML has it.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "on" => Some(true),
        "false" | "no" | "n" | "off" => Some(false),
        _ => None,
    }
}

/// A whole number as the toolkit's YAML has it.
fn whole(text: &str) -> Option<u32> {
    let digits = text.replace('_', "");
    let radixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let based = radixes.iter().find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, *radix)));
    let (digits, radix) = based.unwrap_or((&digits, 10));
    u32::from_str_radix(digits, radix).ok()
}

fn value<T: Default>(map: Option<Placed<T>>) -> T {
    map.map(|map| map.value).unwrap_or_default()
}

fn named(pairs: Option<Vec<(Text, Option<Text>)>>) -> BTreeMap<String, Option<Text>> {
    pairs.unwrap_or_default().into_iter().map(|(name, value)| (name.value, value)).collect()
}

const CONFIGURABLE: &str = "Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection \
    and Content-Security-Policy";

/// The values that a header may have, any if empty; none for a header that cannot be configured.
fn allowed_values(header: &str) -> Option<&'static [&'static str]> {
    match header {
        "X-Content-Type-Options" => Some(&["nosniff"]),
        "X-Frame-Options" => Some(&["deny", "sameorigin"]),
        "Strict-Transport-Security" | "X-XSS-Protection" | "Content-Security-Policy" => Some(&[]),
        _ => None,
    }
}
