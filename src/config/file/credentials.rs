//! `credentials`: exactly one of its forms, and never a secret itself.

use super::raw::RawCredentials;
use super::reader::{Reader, SecretPlace};
use crate::config::error::Problem;
use crate::config::nearest::Meant;
use crate::config::values;
use crate::config::yaml::{At, Placed, Text};
use crate::config::{CredentialKind, CredentialSource};

impl Reader<'_> {
    /// The source of an account's credentials; the chain where nothing is said.
    pub(super) fn credentials(&mut self, raw: Option<&Placed<RawCredentials>>) -> Option<CredentialSource> {
        let Some(Placed { value: raw, at }) = raw else {
            return Some(CredentialSource::Chain);
        };
        self.refuse_inline(raw);
        match self.form(raw, *at)? {
            Form::Keys => self.keys(raw, *at),
            Form::Password => self.password(raw, *at),
            Form::Source => self.source(raw),
        }
    }

    fn refuse_inline(&mut self, raw: &RawCredentials) {
        let inline = [
            ("credentials.access_key", "access_key", &raw.access_key),
            ("credentials.secret_key", "secret_key", &raw.secret_key),
            ("credentials.security_token", "security_token", &raw.security_token),
            ("credentials.password", "password", &raw.password),
        ];
        for (key, name, written) in inline {
            if let Some(written) = written {
                self.refuse(*written, key, Problem::Inline { key: name });
            }
        }
    }

    /// Which form is written; keys of another form beside it are refused.
    fn form(&mut self, raw: &RawCredentials, at: At) -> Option<Form> {
        let written: Vec<_> = Form::ALL.into_iter().filter_map(|form| Some((form, form.at(raw)?))).collect();
        match written.as_slice() {
            [(form, _)] => Some(*form),
            // An inline secret has been refused already; more about it would only confuse.
            [] if raw.access_key.is_some() || raw.secret_key.is_some() || raw.password.is_some() => None,
            [] => {
                let expected =
                    "access_key_env and secret_key_env, or user, account and password_env, or source";
                self.refuse(at, "credentials", Problem::Missing(expected.into()));
                None
            }
            [(first, _), (second, place), ..] => {
                self.refuse(*place, second.key(), Problem::Conflict(first.key()));
                None
            }
        }
    }

    fn keys(&mut self, raw: &RawCredentials, at: At) -> Option<CredentialSource> {
        let access_key = self.secret(&access_key(raw));
        let secret_key = self.secret(&secret_key(raw));
        let security_token = self.secret(&security_token(raw));
        self.need(at, "access_key_env", access_key_missing(raw), "access_key_env or access_key_file");
        self.need(at, "secret_key_env", secret_key_missing(raw), "secret_key_env or secret_key_file");
        Some(CredentialSource::Keys { access_key: access_key?, secret_key: secret_key?, security_token })
    }

    fn password(&mut self, raw: &RawCredentials, at: At) -> Option<CredentialSource> {
        let hidden = |text: &str| {
            values::name_rule(text)
                .map_or_else(|| Ok(text.to_owned()), |rule| Err(Problem::InvalidSecret(rule)))
        };
        let user = self.value("credentials.user", raw.user.as_ref(), hidden);
        let domain = self.value("credentials.account", raw.domain.as_ref(), hidden);
        let place = password(raw);
        let password = self.secret(&place);
        self.need(at, "user", raw.user.is_none(), "the IAM user's name");
        self.need(at, "account", raw.domain.is_none(), "the name of the account that the user belongs to");
        let missing = place.at().is_none() && raw.password.is_none();
        self.need(at, "password_env", missing, "password_env or password_file");
        Some(CredentialSource::Password { user: user?, domain: domain?, password: password? })
    }

    fn need(&mut self, at: At, key: &str, missing: bool, expected: &'static str) {
        if missing {
            self.refuse(at, &format!("credentials.{key}"), Problem::Missing(expected.into()));
        }
    }

    fn source(&mut self, raw: &RawCredentials) -> Option<CredentialSource> {
        let kind = match &raw.source {
            None => CredentialKind::Profile,
            source => self.value("credentials.source", source.as_ref(), |text| {
                let meant = || Meant::near(text, CredentialKind::ALL.map(CredentialKind::label));
                CredentialKind::from_label(text).ok_or_else(|| Problem::UnknownWord(meant(), kinds().into()))
            })?,
        };
        let Some(file) = &raw.profile_file else { return Some(kind.into()) };
        if kind != CredentialKind::Profile {
            let problem = Problem::Conflict("a source other than profile");
            self.refuse(file.at, "credentials.profile_file", problem);
            return None;
        }
        let path = self.readable_path("credentials.profile_file", Some(file))?;
        Some(CredentialSource::Profile(Some(path)))
    }
}

/// A way to write credentials.
#[derive(Clone, Copy, Debug)]
enum Form {
    Keys,
    Password,
    Source,
}

impl Form {
    const ALL: [Self; 3] = [Self::Keys, Self::Password, Self::Source];

    fn key(self) -> &'static str {
        match self {
            Self::Keys => "credentials.access_key_*",
            Self::Password => "credentials.user",
            Self::Source => "credentials.source",
        }
    }

    /// Where the first key of this form stands.
    fn at(self, raw: &RawCredentials) -> Option<At> {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.at);
        match self {
            Self::Keys => {
                let places = [access_key(raw), secret_key(raw), security_token(raw)];
                places.iter().find_map(SecretPlace::at)
            }
            Self::Password => text(&raw.user).or(text(&raw.domain)).or_else(|| password(raw).at()),
            Self::Source => text(&raw.source).or(text(&raw.profile_file)),
        }
    }
}

fn kinds() -> String {
    CredentialKind::ALL.map(CredentialKind::label).join(" or ")
}

fn access_key_missing(raw: &RawCredentials) -> bool {
    access_key(raw).at().is_none() && raw.access_key.is_none()
}

fn secret_key_missing(raw: &RawCredentials) -> bool {
    secret_key(raw).at().is_none() && raw.secret_key.is_none()
}

fn access_key(raw: &RawCredentials) -> SecretPlace<'_> {
    SecretPlace {
        env_key: "credentials.access_key_env",
        env: raw.access_key_env.as_ref(),
        file_key: "credentials.access_key_file",
        file: raw.access_key_file.as_ref(),
    }
}

fn secret_key(raw: &RawCredentials) -> SecretPlace<'_> {
    SecretPlace {
        env_key: "credentials.secret_key_env",
        env: raw.secret_key_env.as_ref(),
        file_key: "credentials.secret_key_file",
        file: raw.secret_key_file.as_ref(),
    }
}

fn security_token(raw: &RawCredentials) -> SecretPlace<'_> {
    SecretPlace {
        env_key: "credentials.security_token_env",
        env: raw.security_token_env.as_ref(),
        file_key: "credentials.security_token_file",
        file: raw.security_token_file.as_ref(),
    }
}

fn password(raw: &RawCredentials) -> SecretPlace<'_> {
    SecretPlace {
        env_key: "credentials.password_env",
        env: raw.password_env.as_ref(),
        file_key: "credentials.password_file",
        file: raw.password_file.as_ref(),
    }
}
