//! The vendor's profile file: sections `[basic]` and `[global]`, each with keys or a federation.

use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption, Properties};
use secrecy::SecretString;

use super::credentials::Known;
use super::environment::Environment;
use super::error::AuthError;
use super::federation::Federation;
use super::sign::Keys;
use super::source::{Plan, Way};
use crate::config::{Endpoint, Scope};

/// Says where the file is, in place of the default.
const VARIABLE: &str = "HUAWEICLOUD_SDK_CREDENTIALS_FILE";

/// The default place below the home directory.
const DEFAULT: &str = ".huaweicloud/credentials";

/// The longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Where the profile is: as configured, as the variable says, or in the home directory.
pub(super) fn place(configured: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    configured
        .map(Path::to_owned)
        .or_else(|| environment.variable(VARIABLE).map(PathBuf::from))
        .or_else(|| environment.home().map(|home| home.join(DEFAULT)))
}

/// Reads the section of the scope.
pub(super) fn plan(path: &Path, scope: Scope) -> Result<Plan, AuthError> {
    let wrong = |problem: String| AuthError::File { path: path.to_owned(), problem };
    let text = read(path)?;
    // The reader would take a line without a separator for the begin of the next key, sections between them included.
    if let Some(line) = broken_line(&text) {
        return Err(wrong(format!("line {line} is not of the form key = value")));
    }
    // Values are taken as they stand, as the vendor's reader takes them.
    let option = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    // The reader's own message is left out: it may quote the line.
    let ini = Ini::load_from_str_opt(&text, option)
        .map_err(|error| wrong(format!("line {} is not of the form key = value", error.line)))?;
    let name = match scope {
        Scope::Project => "basic",
        Scope::Domain => "global",
    };
    let section = ini.section(Some(name)).ok_or_else(|| wrong(format!("it has no section [{name}]")))?;
    let known = known(section).map_err(wrong)?;
    let way = way(section).ok_or_else(|| {
        wrong(format!("[{name}] needs ak and sk, or idp_id and id_token_file; the others may be left out"))
    })?;
    Ok(Plan { way, known, origin: format!("{} [{name}]", path.display()) })
}

fn read(path: &Path) -> Result<String, AuthError> {
    let wrong = |problem: String| AuthError::File { path: path.to_owned(), problem };
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > MAX_BYTES {
        return Err(wrong("it is longer than 1 MiB".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The number of the first line that is neither empty, a comment, a section nor a key with its value.
fn broken_line(text: &str) -> Option<usize> {
    let is_sound = |line: &str| match line.trim() {
        line if line.is_empty() || line.starts_with([';', '#']) => true,
        line if line.starts_with('[') => line.contains(']'),
        line => line.contains(['=', ':']),
    };
    text.lines().position(|line| !is_sound(line)).map(|index| index + 1)
}

/// A key's value, whatever its case; empty is absent.
fn value<'a>(section: &'a Properties, name: &str) -> Option<&'a str> {
    let found = section.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
}

fn known(section: &Properties) -> Result<Known, String> {
    let iam_endpoint = value(section, "iam_endpoint")
        .map(|text| Endpoint::parse(text).map_err(|error| format!("iam_endpoint: {error}")));
    Ok(Known {
        project_id: value(section, "project_id").map(str::to_owned),
        domain_id: value(section, "domain_id").map(str::to_owned),
        iam_endpoint: iam_endpoint.transpose()?,
    })
}

fn way(section: &Properties) -> Option<Way> {
    if let (Some(idp_id), Some(file)) = (value(section, "idp_id"), value(section, "id_token_file")) {
        return Some(Way::Federation(Federation { idp_id: idp_id.to_owned(), token_file: file.into() }));
    }
    Some(Way::Standing(Keys {
        access_key: value(section, "ak")?.to_owned(),
        secret_key: value(section, "sk")?.into(),
        security_token: value(section, "security_token").map(SecretString::from),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret::reveal;

    fn planned(text: &str, scope: Scope) -> Result<Plan, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().display().to_string();
        plan(file.path(), scope).map_err(|error| error.to_string().replace(&path, "FILE"))
    }

    #[test]
    fn each_scope_has_its_section() {
        let text = "[basic]\nak = AKB\nSK: sk=b\\n%\"\n; comment\nproject_id = p\n\n[global]\nak=AKG\nsk=skg\nsecurity_token = t==\ndomain_id=d\niam_endpoint = https://iam.example.com\n";
        let basic = planned(text, Scope::Project).unwrap();
        let Way::Standing(keys) = &basic.way else { panic!("{basic:?}") };
        assert_eq!((keys.access_key.as_str(), reveal(&keys.secret_key)), ("AKB", "sk=b\\n%\""));
        assert!(keys.security_token.is_none());
        assert_eq!(basic.known.project_id.as_deref(), Some("p"));
        let global = planned(text, Scope::Domain).unwrap();
        let Way::Standing(keys) = &global.way else { panic!("{global:?}") };
        assert_eq!(keys.security_token.as_ref().map(reveal), Some("t=="));
        assert_eq!(global.known.domain_id.as_deref(), Some("d"));
        assert_eq!(global.known.iam_endpoint.unwrap().origin(), "https://iam.example.com");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_a_broken_line_is_named_in_whatever_section() {
        let plan = planned("\u{feff}[basic]\r\nak = A\r\nsk = S\r\n", Scope::Project).unwrap();
        assert!(matches!(&plan.way, Way::Standing(keys) if keys.access_key == "A"), "{plan:?}");
        for (text, line) in [
            ("[other]\nmarked-secret\n[basic]\nak = A\nsk = S\n", 2),
            ("[basic]\nak = A\nsk = S\n[other\nx = y\n", 4),
            ("[basic]\nak = A\nsk = S\n[other]\nx = y\nmarked-secret", 6),
        ] {
            let error = planned(text, Scope::Project).unwrap_err();
            assert_eq!(error, format!("cannot use FILE: line {line} is not of the form key = value"));
        }
    }

    #[test]
    fn a_federation_wins_over_keys() {
        let text = "[basic]\nak = A\nsk = S\nidp_id = idp\nid_token_file = /var/run/token\n";
        let plan = planned(text, Scope::Project).unwrap();
        let Way::Federation(federation) = &plan.way else { panic!("{plan:?}") };
        assert_eq!(federation.token_file, PathBuf::from("/var/run/token"));
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_there_is_not() {
        let error = |text| planned(text, Scope::Project).unwrap_err();
        assert_eq!(error("[global]\nak=A\n"), "cannot use FILE: it has no section [basic]");
        let wanted = "cannot use FILE: [basic] needs ak and sk, or idp_id and id_token_file; the others may be left out";
        assert_eq!(error("[basic]\nak = A\nsk =\n"), wanted);
        assert_eq!(
            error("[basic]\nak = A\nmarked-secret"),
            wanted.replace(
                "[basic] needs ak and sk, or idp_id and id_token_file; the others may be left out",
                "line 3 is not of the form key = value"
            )
        );
        assert_eq!(
            error("[basic]\nak=A\nsk=S\niam_endpoint=http://iam.example.com\n"),
            "cannot use FILE: iam_endpoint: plain http is accepted for loopback addresses only, because requests would carry credentials: use https"
        );
    }

    #[test]
    fn the_variable_is_looked_at_before_the_home_directory() {
        let environment =
            Environment::new(|name| (name == VARIABLE).then(|| "/etc/profile".into())).with_home("/home/u");
        assert_eq!(place(None, &environment), Some("/etc/profile".into()));
        assert_eq!(place(Some(Path::new("/given")), &environment), Some("/given".into()));
        let environment = Environment::new(|_| None).with_home("/home/u");
        assert_eq!(place(None, &environment), Some("/home/u/.huaweicloud/credentials".into()));
    }
}
