//! The texts and keyrings that both verifiers judge.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use checkpoint::keyring::Keyring;
use checkpoint::signing::KeySecret;
use serde_json::{Value, json};

use crate::publication::{DOCUMENTS, content, signed_by, signing_key};

pub const KIDS: [&str; 5] = [
    "amply-checkpoint-key-2023",
    "amply-checkpoint-key-2024",
    "amply-checkpoint-key-2025",
    "amply-checkpoint-key-2026",
    "amply-checkpoint-key-2027",
];

/// Every n-th byte of a text is mutated, in each of these ways.
const STRIDE: usize = 3;

const GOLDEN: [&str; 2] = [
    include_str!("../../golden/PS256.published.json"),
    include_str!("../../golden/RS256.published.json"),
];

/// Values of a member that have hard canonical forms, or none, as JSON text.
const VALUES: [&str; 62] = [
    "0",
    "-0",
    "-0.0",
    "0.0",
    "0e0",
    "1",
    "1.0",
    "100e-2",
    "1E400",
    "1e-400",
    "5e-324",
    "4.9e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "9007199254740991",
    "-9007199254740991",
    "9007199254740992",
    "9007199254740991.4",
    "9007199254740993",
    "18446744073709551615",
    "1e21",
    "1e15",
    "0.1",
    "0.30000000000000004",
    "1e-7",
    "0.000001",
    "123456789.123456789",
    "333333333.33333329",
    "4.50",
    "2e-3",
    "01",
    "+1",
    "1.",
    ".5",
    "1e",
    "0x10",
    "NaN",
    "Infinity",
    "--1",
    "1_000",
    r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/""#,
    r#""\ud83d\ude00""#,
    r#""\ud83d""#,
    r#""\ude00\ud83d""#,
    r#""\uD83D\u0041""#,
    r#""\u00""#,
    r#""\x41""#,
    "\"\u{7f}\u{80}\u{2028}\u{2029}\u{feff}\"",
    "\"tab\there\"",
    "\"line\nbreak\"",
    "'single'",
    "\"\u{10ffff}\"",
    "null",
    "true",
    "false",
    "True",
    "nul",
    "[]",
    "{}",
    "[1,2,]",
    "{\"a\":1,}",
    "[1 2]",
];

/// Members whose names sort in hard ways, or stand twice.
const OBJECTS: [&str; 10] = [
    "{\"\u{20ac}\":1,\"\\r\":2,\"\u{fb33}\":3,\"1\":4,\"\u{1f600}\":5,\"\u{80}\":6,\"\u{f6}\":7}",
    r#"{"10":1,"9":2,"a":3,"A":4,"":5,"aa":6}"#,
    r#"{"__proto__":{"a":1},"constructor":2,"toString":3}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"a":1,"\u0061":2}"#,
    r#"{"a":{"b":[{"c":1,"c":1}]}}"#,
    r#"{"__proto__":1,"__proto__":2}"#,
    "{\"\u{e000}\":1,\"\u{10000}\":2,\"\u{ffff}\":3}",
    r#"{"$serde_json::private::RawValue":"{}"}"#,
    r#"{"$serde_json::private::Number":"1"}"#,
];

/// Values of the members that have a form of their own.
const FIELDS: [(&str, &[&str]); 6] = [
    (
        "checkpoint_id",
        &["", "a", "-a", "a b", "a/b", "\u{e4}", "a\n", "A.b_c:d-1"],
    ),
    ("ledger_id", &["global", "_a", ".", "0"]),
    (
        "timestamp",
        &[
            "2025-01-15T23:59:60Z",
            "2025-02-29T00:00:00Z",
            "2024-02-29T00:00:00Z",
            "2025-01-15T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "2025-1-15T00:00:00Z",
            "2025-01-15 00:00:00Z",
            "2025-01-15T00:00:00z",
            "2025-01-15T00:00:00.0Z",
            "2025-01-15T00:00:00+00:00",
            "0000-01-01T00:00:00Z",
            "\u{662}025-01-15T00:00:00Z",
            "2025-01-15T00:00:00Z\n",
        ],
    ),
    ("cumulative_hash", &["sha256:", "sha256:0A", "SHA256:00"]),
    ("entry_count", &["1"]),
    (
        "signature",
        &["", "..", "a..b", "a...b", "....", "e30..AA", "\u{e4}..a"],
    ),
];

fn keys_of(documents: &[String]) -> Keyring {
    let mut keyring = Keyring::default();
    for document in documents {
        let secret = KeySecret::parse(document, None).unwrap();
        let (version, endorsement) = (secret.version().clone(), secret.endorsement().cloned());
        let key_id = version.key_id.clone();
        keyring.insert(version).unwrap();
        if let Some(endorsement) = endorsement {
            keyring.endorse(&key_id, endorsement);
        }
    }
    keyring
}

/// The keys that the texts are signed with, and those of the golden files.
pub fn keyring() -> Value {
    let mut ours: Value = serde_json::from_str(&keys_of(&DOCUMENTS).to_jwks()).unwrap();
    let golden = include_str!("../../golden/keyring.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let more = golden["keys"].as_array().unwrap().clone();
    ours["keys"].as_array_mut().unwrap().extend(more);
    ours
}

/// A checkpoint by each of the keys.
pub fn signed() -> Vec<String> {
    let keys = DOCUMENTS.iter().zip(2023..);
    keys.map(|(document, year)| {
        let instant = format!("{year}-06-01");
        signed_by(&signing_key(document), &instant, &content("chk_1"))
    })
    .collect()
}

/// Changes of a keyring that move a verdict, or make it none.
pub fn keyrings() -> Vec<Value> {
    let whole: Value = serde_json::from_str(&keys_of(&DOCUMENTS).to_jwks()).unwrap();
    let mut keyrings = vec![whole.clone()];
    let n = whole["keys"][1]["n"].as_str().unwrap().to_owned();
    let e = &whole["keys"][2]["endorsement"];
    for (member, value) in [
        ("exp", json!(1_780_272_000)),
        ("exp", json!(1_780_272_001)),
        ("nbf", json!(1_780_272_000)),
        ("nbf", json!(1_780_272_001)),
        ("exp", json!(0)),
        ("nbf", json!(-1)),
        ("alg", json!("RS256")),
        ("alg", json!("none")),
        ("use", json!("enc")),
        ("use", json!(null)),
        ("kty", json!("EC")),
        ("kid", json!("other")),
        ("kid", json!("a b")),
        ("kid", json!(KIDS[0])),
        ("n", json!(n)),
        ("n", json!(format!("AA{n}"))),
        ("n", json!("AQAB")),
        ("e", json!("Aw")),
        ("e", json!("AQAA")),
        ("e", json!("AQAB=")),
        ("revoked", json!({"revoked_at": 1_700_000_000})),
        (
            "revoked",
            json!({"revoked_at": 1_780_272_000, "reason": "a"}),
        ),
        (
            "revoked",
            json!({"revoked_at": 1_780_272_001, "reason": null}),
        ),
        ("revoked", json!({"reason": "a"})),
        ("revoked", json!(null)),
        ("endorsement", json!(null)),
        ("endorsement", json!("a.b.c")),
        ("endorsement", e.clone()),
        ("unknown", json!({"a": [1, 2]})),
    ] {
        for index in 0..2 {
            let mut changed = whole.clone();
            changed["keys"][index][member] = value.clone();
            keyrings.push(changed);
        }
    }
    let mut twice = whole.clone();
    let again = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(again);
    keyrings.push(twice);
    for index in 0..5 {
        let mut without = whole.clone();
        without["keys"].as_array_mut().unwrap().remove(index);
        keyrings.push(without);
    }
    keyrings
}

fn with_member(text: &str, name: &str, value: &str) -> String {
    text.replacen('{', &format!("{{{}:{value},", json!(name)), 1)
}

/// The same checkpoint with another protected header, so that the signature is not over it.
fn with_header(text: &str, change: impl Fn(&mut Value)) -> String {
    let mut published: Value = serde_json::from_str(text).unwrap();
    let jws = published["signature"].as_str().unwrap().to_owned();
    let (header, signature) = jws.split_once("..").unwrap();
    let mut header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    change(&mut header);
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    published["signature"] = format!("{header}..{signature}").into();
    published.to_string()
}

/// Everything but the keyrings' cases.
pub fn texts() -> Vec<Vec<u8>> {
    let base = signed().remove(3);
    let mut texts: Vec<String> = GOLDEN.map(str::to_owned).to_vec();
    texts.extend(signed());
    texts.extend(hard_contents());
    for value in VALUES.iter().chain(&OBJECTS) {
        texts.push(with_member(&base, "note", value));
        texts.push(base.replacen("15842", value, 1));
        texts.push(base.replacen("-284729340", value, 1));
        texts.push(with_member(&base, value, "1"));
        texts.push((*value).to_owned());
    }
    for (name, values) in FIELDS {
        let mut changed: Value = serde_json::from_str(&base).unwrap();
        for value in values {
            changed[name] = (*value).into();
            texts.push(changed.to_string());
        }
        for value in [
            json!(null),
            json!(1),
            json!([]),
            json!({}),
            json!("a".repeat(129)),
        ] {
            changed[name] = value;
            texts.push(changed.to_string());
        }
        changed.as_object_mut().unwrap().remove(name);
        texts.push(changed.to_string());
    }
    texts.extend(headers(&base));
    for depth in [1, 15, 16, 17, 18, 200] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        texts.push(with_member(&base, "deep", &format!("{open}{close}")));
        let (open, close) = ("{\"a\":".repeat(depth), "}".repeat(depth));
        texts.push(with_member(&base, "deep", &format!("{open}1{close}")));
    }
    for size in [500 * 1024, 524 * 1024, 1000 * 1024, 1024 * 1024 + 1] {
        texts.push(with_member(
            &base,
            "long",
            &json!("x".repeat(size)).to_string(),
        ));
        texts.push(format!("{base}{}", " ".repeat(size)));
    }
    for around in ["\u{feff}", " ", "\t\r\n", "\u{a0}", "{}", ",", "\0", "//"] {
        texts.push(format!("{around}{base}"));
        texts.push(format!("{base}{around}"));
    }
    let mut texts: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    texts.extend(mutated(GOLDEN[0].as_bytes()));
    texts
}

/// Signed, with contents whose canonical form is hard: both must find them right.
fn hard_contents() -> Vec<String> {
    let key = signing_key(&DOCUMENTS[3]);
    let values = VALUES.iter().chain(&OBJECTS);
    let read = values.filter_map(|value| serde_json::from_str::<Value>(value).ok());
    let signable = read.filter_map(|value| {
        let mut content = content("chk_hard");
        content["note"] = value;
        let text = content.to_string();
        let is_right = checkpoint::checkpoint::Checkpoint::from_json(text.as_bytes()).is_ok();
        is_right.then(|| signed_by(&key, "2026-06-01", &content))
    });
    let signed: Vec<String> = signable.collect();
    assert!(signed.len() > 30, "{}", signed.len());
    signed
}

fn headers(base: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for (name, values) in [
        (
            "alg",
            vec![json!("RS256"), json!("none"), json!("toString"), json!(1)],
        ),
        (
            "typ",
            vec![
                json!("key-endorsement+jws"),
                json!("jwk-set+jwt"),
                json!(null),
            ],
        ),
        (
            "kid",
            vec![json!(KIDS[0]), json!("nobody"), json!("a b"), json!(7)],
        ),
        ("crit", vec![json!([]), json!(null)]),
        ("more", vec![json!({"a": 1}), json!("\u{e4}")]),
        (
            "iat",
            vec![
                json!(0),
                json!(-1),
                json!(1.5),
                json!("1"),
                json!(8_210_266_876_799_i64),
                json!(8_210_266_876_800_i64),
                json!(-8_334_601_228_800_i64),
                json!(-8_334_601_228_801_i64),
                json!(9_007_199_254_740_991_i64),
                json!(1_780_272_000),
            ],
        ),
    ] {
        for value in values {
            texts.push(with_header(base, |header| header[name] = value.clone()));
        }
        texts.push(with_header(base, |header| {
            header.as_object_mut().unwrap().remove(name);
        }));
    }
    texts
}

/// Single bytes replaced, taken away, doubled, and bits flipped, all through a text.
fn mutated(text: &[u8]) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for at in (0..text.len()).step_by(STRIDE) {
        let mut flipped = text.to_vec();
        flipped[at] ^= 1 << (at % 8);
        let mut shorter = text.to_vec();
        shorter.remove(at);
        let mut longer = text.to_vec();
        longer.insert(at, text[at]);
        let mut quoted = text.to_vec();
        quoted[at] = b"\"\\ ,{}0e-=\xff"[at % 11];
        texts.extend([flipped, shorter, longer, quoted, text[..at].to_vec()]);
    }
    texts
}
