//! Temporary keys as services answer them, in each of the vendor's spellings.

use serde_json::Value;

use super::credentials::{Obtained, instant};
use super::error::AuthError;
use super::exchange::{Service, text};
use super::http::Answer;
use super::sign::Keys;
use crate::model::Timestamp;

const ACCESS_KEY: [&str; 3] = ["access", "accessKeyId", "access_key_id"];
const SECRET_KEY: [&str; 3] = ["secret", "secretAccessKey", "secret_access_key"];
const SECURITY_TOKEN: [&str; 3] = ["securitytoken", "securityToken", "security_token"];
const END: [&str; 4] = ["expires_at", "expiration", "expiresAt", "expires"];

/// Reads the keys in an answer, at its top or below `credential` or `credentials`.
pub(super) fn read(service: Service, answer: &Answer, now: Timestamp) -> Result<Obtained, AuthError> {
    let json = service.json(answer)?;
    let object = json.get("credential").or_else(|| json.get("credentials")).unwrap_or(&json);
    let keys = Keys {
        access_key: any(object, &ACCESS_KEY).ok_or_else(|| service.lacks("an access key"))?.to_owned(),
        secret_key: any(object, &SECRET_KEY).ok_or_else(|| service.lacks("a secret key"))?.into(),
        security_token: any(object, &SECURITY_TOKEN).map(Into::into),
    };
    Ok(Obtained::temporary(keys, any(object, &END).and_then(instant), now))
}

fn any<'a>(object: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| text(object, &[name]))
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderMap, StatusCode};

    use super::*;
    use crate::auth::credentials::Identity;
    use crate::auth::secret::reveal;

    const SERVICE: Service = Service { name: "the service", advice: "" };

    fn keys(body: &str) -> Result<(String, Option<Timestamp>), String> {
        let answer =
            Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.to_owned().into() };
        let obtained =
            read(SERVICE, &answer, Timestamp::from_millis(0)).map_err(|error| error.to_string())?;
        let Identity::Keys(keys) = &obtained.identity else { panic!("{obtained:?}") };
        let token = keys.security_token.as_ref().map_or("-", reveal);
        Ok((format!("{} {} {token}", keys.access_key, reveal(&keys.secret_key)), obtained.expires))
    }

    #[test]
    fn every_spelling_of_temporary_keys_is_read() {
        let end = Some(Timestamp::from_millis(1_578_455_407_000));
        for body in [
            r#"{"credential":{"access":"A","secret":"S","securitytoken":"T","expires_at":"2020-01-08T03:50:07.000000Z"}}"#,
            r#"{"credentials":{"access_key_id":"A","secret_access_key":"S","security_token":"T","expiration":"2020-01-08T03:50:07Z"}}"#,
            r#"{"accessKeyId":"A","secretAccessKey":"S","securityToken":"T","expiration":"2020-01-08T03:50:07Z"}"#,
        ] {
            assert_eq!(keys(body), Ok(("A S T".to_owned(), end)), "{body}");
        }
        assert_eq!(
            keys(r#"{"access":"A","secret":"S","securitytoken":null}"#),
            Ok(("A S -".to_owned(), None))
        );
    }

    #[test]
    fn what_is_no_key_is_said_without_being_repeated() {
        assert_eq!(keys("marked").unwrap_err(), "the answer of the service lacks a JSON body");
        assert_eq!(keys("[]").unwrap_err(), "the answer of the service lacks an access key");
        assert_eq!(
            keys(r#"{"access":"marked"}"#).unwrap_err(),
            "the answer of the service lacks a secret key"
        );
    }
}
