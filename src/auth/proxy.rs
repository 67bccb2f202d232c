//! Which proxy an account's requests go through, and who says so.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use secrecy::SecretString;

use super::environment::Environment;
use super::http::SetupError;
use super::secret::reveal;
use crate::config::{Account, Endpoint, SecretFrom, is_proxy_url};

/// Variables that name a proxy of https requests, the first that is set counts; as curl and the vendor's SDKs have it.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Variables that name hosts which no proxy is used for.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// An account's proxy, if it has one.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxy(Option<Source>);

#[derive(Clone, Debug)]
struct Source {
    from: SecretFrom,
    /// Who says so, in words.
    origin: String,
    except: Option<Exceptions>,
}

/// Hosts that are reached without the proxy.
#[derive(Clone)]
struct Exceptions {
    variable: &'static str,
    matcher: Arc<Matcher>,
}

impl fmt::Debug for Exceptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable)
    }
}

impl Proxy {
    /// The account's own proxy, else the environment's.
    ///
    /// # Errors
    ///
    /// A proxy that was asked for and cannot be used: nothing goes around it in silence.
    pub(super) fn of(account: &Account, environment: &Environment) -> Result<Self, SetupError> {
        let proxy = Self(match &account.proxy {
            Some(from) => Some(Source { from: from.clone(), origin: origin(from), except: None }),
            None => variable(environment),
        });
        proxy.url()?;
        Ok(proxy)
    }

    /// The proxy's URL, read anew where it stands in a file.
    ///
    /// # Errors
    ///
    /// A place that cannot be read, or holds no proxy's URL.
    pub(super) fn url(&self) -> Result<Option<SecretString>, SetupError> {
        let Some(Source { from, origin, .. }) = &self.0 else { return Ok(None) };
        let text = from.read().map_err(SetupError::NoProxy)?;
        let text = reveal(&text);
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        if is_proxy_url(&url) && reqwest::Proxy::all(&url).is_ok() {
            Ok(Some(url.into()))
        } else {
            Err(SetupError::Proxy(origin.clone()))
        }
    }

    /// Whether requests to a URL go through it.
    pub(super) fn is_for(&self, uri: &Uri) -> bool {
        let Some(source) = &self.0 else { return false };
        source.except.as_ref().is_none_or(|except| except.matcher.intercept(uri).is_some())
    }

    /// What becomes of requests to an endpoint, and why, in words without a secret.
    pub(super) fn describe(&self, endpoint: &Endpoint) -> String {
        let Some(source) = &self.0 else {
            return format!("none: neither the account nor {} names one", VARIABLES.join(", "));
        };
        let origin = &source.origin;
        let host = endpoint.authority();
        if endpoint.is_loopback() {
            return format!("not used for {host}, which is this machine; {origin} names one for others");
        }
        let except = source.except.as_ref().filter(|_| !self.is_for(&uri(endpoint)));
        if let Some(Exceptions { variable, .. }) = except {
            return format!("not used for {host}, which {variable} names; {origin} names one for others");
        }
        let shown = self.url().ok().flatten().and_then(|url| reqwest::Url::parse(reveal(&url)).ok());
        let shown = shown.map_or_else(|| "one that cannot be read now".to_owned(), |url| without_user(&url));
        format!("{shown} from {origin}")
    }
}

/// The first variable that names a proxy.
fn variable(environment: &Environment) -> Option<Source> {
    let set =
        |names: &[&'static str]| names.iter().find_map(|name| Some((*name, environment.variable(name)?)));
    let (name, url) = set(&VARIABLES)?;
    let except = set(&EXCEPTIONS).map(|(variable, hosts)| {
        // Any proxy serves to ask which hosts are excepted.
        let matcher = Matcher::builder().all("http://proxy.invalid").no(hosts).build();
        Exceptions { variable, matcher: Arc::new(matcher) }
    });
    Some(Source { from: SecretFrom::Value(url.into()), origin: name.to_owned(), except })
}

fn origin(from: &SecretFrom) -> String {
    match from {
        SecretFrom::Env(name) => name.clone(),
        SecretFrom::File(path) => path.display().to_string(),
        SecretFrom::Value(_) => "the account's proxy".to_owned(),
    }
}

fn uri(endpoint: &Endpoint) -> Uri {
    endpoint.origin().parse().unwrap_or_default()
}

fn without_user(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default());
    if url.username().is_empty() { shown } else { format!("{shown}, as a user with a password,") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{CredentialSource, Region};
    use crate::model::AccountName;

    fn account() -> Account {
        let region = Region::new("cn-north-4").unwrap();
        Account::new(AccountName::new("test"), region, CredentialSource::Chain)
    }

    fn of(variables: &[(&str, &str)]) -> Result<Proxy, String> {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = Environment::new(move |name| variables.get(name).cloned());
        Proxy::of(&account(), &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_refused_by_its_name_and_not_repeated() {
        for name in VARIABLES {
            for wrong in [
                "::not a url::",
                "ftp://marked.example.com",
                "http://user:marked#word@proxy:3128",
                "http://user:12#marked@proxy:3128",
                "http://user:marked/word@proxy",
                "http://",
                "http://proxy:99999",
            ] {
                let error = of(&[(name, wrong)]).unwrap_err();
                assert!(error.starts_with(name) && !error.contains("marked"), "{wrong}: {error}");
            }
        }
    }

    #[test]
    fn every_kind_of_proxy_is_taken_and_shown_without_its_password() {
        for (url, shown) in [
            ("http://proxy:3128", "http://proxy:3128 from ALL_PROXY"),
            ("proxy:3128", "http://proxy:3128 from ALL_PROXY"),
            ("socks5h://proxy:1080", "socks5h://proxy:1080 from ALL_PROXY"),
            ("socks5://proxy", "socks5://proxy from ALL_PROXY"),
            ("https://u:marked%23@proxy", "https://proxy, as a user with a password, from ALL_PROXY"),
        ] {
            let proxy = of(&[("ALL_PROXY", url)]).unwrap();
            assert_eq!(proxy.describe(&account().endpoint), shown);
            assert!(!format!("{proxy:?}").contains("marked"));
        }
    }

    #[test]
    fn the_hosts_of_no_proxy_are_told_with_the_variable_that_names_them() {
        let endpoint = |text| Endpoint::parse(text).unwrap();
        let proxy = of(&[("HTTPS_PROXY", "http://proxy"), ("no_proxy", ".example.com,10.0.0.0/8")]).unwrap();
        for (text, used) in [
            ("https://sms.example.com", false),
            ("https://10.1.2.3", false),
            ("https://sms.example.org", true),
        ] {
            assert_eq!(proxy.is_for(&uri(&endpoint(text))), used, "{text}");
            assert_eq!(proxy.describe(&endpoint(text)).contains("no_proxy names"), !used, "{text}");
        }
        assert!(proxy.describe(&endpoint("https://127.0.0.1")).contains("this machine"));
        assert!(of(&[]).unwrap().describe(&account().endpoint).starts_with("none: "));
    }
}
