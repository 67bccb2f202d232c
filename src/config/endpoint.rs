//! Regions and endpoints: https, or plain http to this machine only.

use std::fmt;
use std::net::IpAddr;

/// A region's id, such as `cn-north-4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(String);

impl Region {
    /// Takes a region's id: lower-case letters, digits and dashes, 64 at most.
    ///
    /// # Errors
    ///
    /// Any other text: it would end up in a host's name.
    pub fn new(id: &str) -> Result<Self, EndpointError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
            return Err(EndpointError::Region(id.to_owned()));
        }
        Ok(Self(id.to_owned()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain of the vendor's site that the region belongs to.
    fn site(&self) -> &'static str {
        if self.0.starts_with("eu-west-1") { "myhuaweicloud.eu" } else { "myhuaweicloud.com" }
    }

    /// Where the migration service of the region answers.
    #[must_use]
    pub fn sms_endpoint(&self) -> Endpoint {
        // The one region whose host does not follow the pattern, as the vendor's SDKs have it.
        let host = if self.0 == "ru-moscow-1" { "sms-api" } else { "sms" };
        Endpoint { scheme: Scheme::Https, authority: format!("{host}.{}.{}", self.0, self.site()) }
    }

    /// Where the identity service of the region answers.
    #[must_use]
    pub fn iam_endpoint(&self) -> Endpoint {
        Endpoint { scheme: Scheme::Https, authority: format!("iam.{}.{}", self.0, self.site()) }
    }

    /// The name of the vendor's variable that overrides the migration service's endpoint.
    #[must_use]
    pub fn sms_endpoint_variable(&self) -> String {
        format!("HUAWEICLOUD_SDK_REGION_SMS_{}", self.0.to_ascii_uppercase().replace('-', "_"))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// Where a service answers: a scheme and an authority, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: String,
}

/// Why a text is not a region or an endpoint.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// Not a region's id.
    #[error("{0:?} is not a region: expected an id such as cn-north-4 (lower-case letters, digits, dashes)")]
    Region(String),
    /// Neither https nor http.
    #[error("expected an https URL such as https://sms.cn-north-4.myhuaweicloud.com")]
    Scheme,
    /// Plain http to another machine.
    #[error(
        "plain http is accepted for loopback addresses only, because requests would carry credentials: use https"
    )]
    PlainHttp,
    /// A user, a path, a query or an unreadable host.
    #[error("expected scheme, host and optional port only, without user, path or query")]
    NotAnAuthority,
}

impl Endpoint {
    /// Reads `https://host[:port]`, or `http://` with a loopback address or `localhost`.
    ///
    /// A host without a scheme is taken as https, as the vendor's SDKs do.
    ///
    /// # Errors
    ///
    /// See [`EndpointError`]; no error repeats the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some(_) => return Err(EndpointError::Scheme),
            None => (Scheme::Https, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let authority: http::uri::Authority = rest.parse().map_err(|_| EndpointError::NotAnAuthority)?;
        let plain = !rest.contains(['@', '/', '?', '#', ' ']) && !authority.host().is_empty();
        let port = rest.strip_prefix(authority.host()).and_then(|port| port.strip_prefix(':'));
        if !plain || port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(EndpointError::NotAnAuthority);
        }
        if scheme == Scheme::Http && !is_loopback(authority.host()) {
            return Err(EndpointError::PlainHttp);
        }
        let default = if scheme == Scheme::Https { ":443" } else { ":80" };
        let lower = rest.to_ascii_lowercase();
        let authority = lower.strip_suffix(default).unwrap_or(&lower).to_owned();
        Ok(Self { scheme, authority })
    }

    /// Host and port, the port only where it is not the scheme's own: the `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let authority: Option<http::uri::Authority> = self.authority.parse().ok();
        authority.is_some_and(|authority| is_loopback(authority.host()))
    }

    /// Scheme and authority, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.scheme {
            Scheme::Http => format!("http://{}", self.authority),
            Scheme::Https => format!("https://{}", self.authority),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

/// Whether a text is the URL of a proxy: of a scheme that proxies have, with a host, and without path, query or
/// fragment, which a password that is not percent-encoded would seem to begin.
pub(crate) fn is_proxy_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let schemes = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];
    let known = uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme));
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !text.contains('#');
    let port = uri.authority().is_some_and(|at| at.port().is_some() || !at.as_str().ends_with(':'));
    known && bare && port && uri.host().is_some_and(|host| !host.is_empty())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<String, EndpointError> {
        Endpoint::parse(text).map(|endpoint| endpoint.origin())
    }

    #[test]
    fn an_endpoint_keeps_its_port_unless_it_is_the_schemes_own() {
        assert_eq!(origin("https://sms.example.com/"), Ok("https://sms.example.com".into()));
        assert_eq!(origin("sms.example.com:443"), Ok("https://sms.example.com".into()));
        assert_eq!(origin("HTTPS://SMS.example.com:8443"), Ok("https://sms.example.com:8443".into()));
        assert_eq!(origin("http://127.0.0.1:8080"), Ok("http://127.0.0.1:8080".into()));
        assert_eq!(origin("http://[::1]:8080"), Ok("http://[::1]:8080".into()));
        assert_eq!(origin("http://localhost:80"), Ok("http://localhost".into()));
    }

    #[test]
    fn plain_http_leaves_this_machine_under_no_name() {
        for text in [
            "http://sms.example.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.nip.io",
        ] {
            assert_eq!(origin(text), Err(EndpointError::PlainHttp), "{text}");
        }
    }

    #[test]
    fn whatever_is_not_a_bare_authority_is_refused_without_being_repeated() {
        for text in [
            "https://user:pass@host",
            "https://host/path",
            "https://host?q",
            "https://",
            "",
            "https://a b",
            "https://host:99999",
        ] {
            assert_eq!(origin(text), Err(EndpointError::NotAnAuthority), "{text}");
        }
        assert_eq!(origin("ftp://host"), Err(EndpointError::Scheme));
    }

    #[test]
    fn regions_name_their_endpoints_as_the_vendors_sdks_do() {
        let sms = |id| Region::new(id).unwrap().sms_endpoint().origin();
        assert_eq!(sms("cn-north-4"), "https://sms.cn-north-4.myhuaweicloud.com");
        assert_eq!(sms("ru-moscow-1"), "https://sms-api.ru-moscow-1.myhuaweicloud.com");
        assert_eq!(sms("eu-west-101"), "https://sms.eu-west-101.myhuaweicloud.eu");
        let variable = Region::new("ap-southeast-3").unwrap().sms_endpoint_variable();
        assert_eq!(variable, "HUAWEICLOUD_SDK_REGION_SMS_AP_SOUTHEAST_3");
        assert!(Region::new("evil.com/").is_err());
    }
}
