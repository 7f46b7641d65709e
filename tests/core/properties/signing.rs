//! Any valid checkpoint signs, is published, is read again as it was, and verifies.

use checkpoint::checkpoint::{Checkpoint, MAX_SAFE_INTEGER, Timestamp};
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::ValidityWindow;
use checkpoint::verdict::{VerdictKind, verify_published};
use chrono::{DateTime, Utc};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{KEY, KEYRING, sign};

const EDGE: i64 = MAX_SAFE_INTEGER as i64;
const IDENTIFIER: &str = "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}";
/// The seconds of 1970-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

fn number() -> impl Strategy<Value = Value> {
    let edge = MAX_SAFE_INTEGER as f64;
    let double = any::<f64>().prop_filter("beyond 2^53", move |x| x.abs() <= edge);
    prop_oneof![
        (-EDGE..=EDGE).prop_map(Value::from),
        prop_oneof![Just(-EDGE), Just(EDGE), Just(0)].prop_map(Value::from),
        double.prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof!["[a-z_]{1,12}", any::<String>()];
    btree_map(name, value, 0..5).prop_map(|members| members.into_iter().collect())
}

/// The JSON object of any valid checkpoint.
fn checkpoint_object() -> impl Strategy<Value = Map<String, Value>> {
    let fields = (
        IDENTIFIER,
        IDENTIFIER,
        0..=LAST_SECOND,
        any::<[u8; 32]>(),
        0..=EDGE,
        -EDGE..=EDGE,
        vec(object(value()).prop_map(Value::Object), 0..3),
    );
    (fields, object(value())).prop_map(|(fields, mut members)| {
        let (checkpoint_id, ledger_id, seconds, hash, entries, volume, summaries) = fields;
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        members.remove("signature");
        members.extend([
            ("checkpoint_id".into(), checkpoint_id.into()),
            ("ledger_id".into(), ledger_id.into()),
            (
                "timestamp".into(),
                Timestamp::from_unix(seconds, 0).unwrap().to_string().into(),
            ),
            ("cumulative_hash".into(), format!("sha256:{hash}").into()),
            ("entry_count".into(), entries.into()),
            ("total_volume".into(), volume.into()),
            ("organization_summaries".into(), summaries.into()),
        ]);
        members
    })
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    checkpoint_object().prop_map(|object| {
        let text = Value::Object(object).to_string();
        Checkpoint::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
    })
}

/// Any instant at which the key is open, also with a fraction of a second.
fn iat() -> impl Strategy<Value = DateTime<Utc>> {
    let window = KEY.version().window;
    let seconds = window.from().timestamp()..window.until().timestamp();
    (seconds, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_valid_checkpoint_signs_and_verifies_valid(checkpoint in checkpoint(), iat in iat()) {
        let signed = sign(checkpoint, iat);
        let (verdict, _) = verify_published(&KEYRING, signed.published_json().as_bytes());
        prop_assert_eq!(verdict.kind, VerdictKind::Valid, "{}", verdict.explanation);
        prop_assert_eq!(verdict.signed_at.unwrap().timestamp(), iat.timestamp());
    }

    #[test]
    fn published_json_is_read_back_as_the_same_payload_and_signature(checkpoint in checkpoint(), iat in iat()) {
        let signed = sign(checkpoint, iat);
        let text = signed.published_json();
        let again = SignedCheckpoint::from_published_json(text.as_bytes()).unwrap();
        prop_assert_eq!(again.checkpoint.payload(), signed.checkpoint.payload());
        prop_assert_eq!(&again.jws, &signed.jws);
        prop_assert_eq!(again.published_json(), text);
    }

    #[test]
    fn the_payload_is_the_same_whatever_the_order_and_the_white_space(object in checkpoint_object()) {
        let compact = Value::Object(object.clone()).to_string();
        let mut members: Vec<String> = object
            .iter()
            .map(|(name, value)| format!("{}:{value:#}", json!(name)))
            .collect();
        members.reverse();
        let other = format!("{{\n{}\n}}", members.join(",\n"));
        let payloads = [compact, other].map(|text| Checkpoint::from_json(text.as_bytes()).unwrap().payload().clone());
        prop_assert_eq!(&payloads[0], &payloads[1]);
    }

    #[test]
    fn a_payload_is_a_fixed_point(checkpoint in checkpoint()) {
        let payload = checkpoint.payload();
        let again = Checkpoint::from_json(payload.as_bytes()).unwrap();
        prop_assert_eq!(again.payload(), payload);
    }

    #[test]
    fn a_payload_means_what_the_checkpoint_meant(object in checkpoint_object()) {
        let text = Value::Object(object).to_string();
        let checkpoint = Checkpoint::from_json(text.as_bytes()).unwrap();
        let (was, is): (Value, Value) = (
            serde_json::from_str(&text).unwrap(),
            serde_json::from_slice(checkpoint.payload().as_bytes()).unwrap(),
        );
        prop_assert!(same(&was, &is), "{} {}", was, is);
    }

    #[test]
    fn a_window_is_half_open(from in 0..1_000_000_i64, length in 1..1_000_000_i64, nanos in -5_000_000_000..5_000_000_000_i64) {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let window = ValidityWindow::new(at(from), at(from + length)).unwrap();
        for edge in [window.from(), window.until()] {
            let t = edge + chrono::TimeDelta::nanoseconds(nanos);
            prop_assert_eq!(window.contains(t), window.from() <= t && t < window.until());
            prop_assert_eq!(window.contains(t), window.check(t).is_ok());
        }
        prop_assert!(ValidityWindow::new(at(from), at(from)).is_err());
        prop_assert!(ValidityWindow::new(at(from + length), at(from)).is_err());
    }
}

/// Whether two values are the same to a reader whose numbers are doubles, as JCS has it.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
