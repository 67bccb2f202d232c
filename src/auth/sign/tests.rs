use serde_json::Value;

use super::*;

/// Made with the vendor's official signer.
const VECTORS: [&str; 2] = [
    include_str!("../../../tests/fixtures/signing-vectors.json"),
    include_str!("../../../tests/fixtures/signing-vectors-more.json"),
];

/// A vector's input, with lists and other values of the query as text.
struct Input {
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: String,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn input(vector: &Value) -> Input {
    let mut query = Vec::new();
    for pair in vector["query"].as_array().unwrap() {
        match pair[1].as_array() {
            Some(values) => query.extend(values.iter().map(|value| (text(&pair[0]), text(value)))),
            None => query.push((text(&pair[0]), text(&pair[1]))),
        }
    }
    let headers = vector["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    Input { query, headers, body: vector["body"].as_str().unwrap_or_default().to_owned() }
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn check(vector: &Value) {
    let name = &vector["name"];
    let expect = |field: &str| vector["expect"][field].as_str().unwrap().to_owned();
    let given = &vector["input"];
    let Input { query, headers, body } = input(given);
    let (query, headers) = (borrowed(&query), borrowed(&headers));
    let unsigned = Unsigned {
        method: given["method"].as_str().unwrap(),
        host: given["host"].as_str().unwrap(),
        path: given["path"].as_str().unwrap(),
        query: &query,
        headers: &headers,
        body: body.as_bytes(),
    };
    let keys = Keys {
        access_key: text(&vector["ak"]),
        secret_key: text(&vector["sk"]).into(),
        security_token: None,
    };
    let canonical = canonical_request(&unsigned);
    assert_eq!(canonical, expect("canonical_request"), "{name}");
    let date = find(&headers, DATE).unwrap();
    assert_eq!(string_to_sign(&canonical, date), expect("string_to_sign"), "{name}");
    let signed = sign(&keys, &unsigned, Timestamp::from_millis(0));
    assert_eq!(signed.target, expect("wire_target"), "{name}");
    let mut sent: Vec<_> =
        signed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    sent.sort_unstable();
    let mut wanted: Vec<_> = vector["expect"]["wire_headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    wanted.sort_unstable();
    assert_eq!(sent, wanted, "{name}");
    assert_eq!(last(&signed.headers, "authorization"), expect("authorization"), "{name}");
}

#[test]
fn every_vector_of_the_official_signer_is_met_to_the_byte() {
    for file in VECTORS {
        let vectors: Value = serde_json::from_str(file).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert!(vectors.len() > 20);
        vectors.iter().for_each(check);
    }
}

#[test]
fn a_date_that_is_not_given_is_the_time_of_signing() {
    assert_eq!(date(Timestamp::from_millis(1_713_169_815_999)), "20240415T083015Z");
}

#[test]
fn a_security_token_is_sent_and_signed_and_an_empty_one_is_neither() {
    let unsigned = Unsigned { method: "GET", host: "h", path: "/", query: &[], headers: &[], body: b"" };
    let signed = |token: &str| {
        let token = Some(token.to_owned().into());
        let keys =
            Keys { access_key: "AK".into(), secret_key: "SK".to_owned().into(), security_token: token };
        last(&sign(&keys, &unsigned, Timestamp::from_millis(0)).headers, "authorization").to_owned()
    };
    assert!(
        signed("token").contains("SignedHeaders=host;x-sdk-date;x-security-token,"),
        "{}",
        signed("token")
    );
    assert!(signed("").contains("SignedHeaders=host;x-sdk-date,"), "{}", signed(""));
}

#[test]
fn debug_shows_neither_keys_nor_signatures() {
    let keys = Keys {
        access_key: "AKIDMARKED".into(),
        secret_key: "marked-secret".to_owned().into(),
        security_token: Some("marked-token".to_owned().into()),
    };
    let unsigned = Unsigned { method: "GET", host: "h", path: "/", query: &[], headers: &[], body: b"" };
    let shown = format!("{keys:?} {:?}", sign(&keys, &unsigned, Timestamp::from_millis(0)));
    assert!(!shown.to_lowercase().contains("marked") && !shown.contains("Signature"), "{shown}");
    assert!(shown.contains("AKID…"), "{shown}");
}
