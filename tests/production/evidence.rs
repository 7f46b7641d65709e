//! What the ledger received, what is on record, and what an auditor finds, are one and the same.

use checkpoint::keyring::Keyring;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::authority::{read, replace};
use crate::batch::{LEDGERS, checkpoint};
use crate::replica::Replica;
use crate::site::{NEW, OLD, Site};

/// Gives the key that signed each ledger's checkpoint.
pub async fn check(site: &Site, replicas: &[&Replica]) -> BTreeMap<String, String> {
    let file = |name: &str| site.path().join(name).to_str().unwrap().to_owned();
    let (keyring, head, export) = (
        file("keyring.json"),
        file("head.jws"),
        file("export.ndjson"),
    );
    let published = file("published.ndjson");
    let lines = read(published.as_ref());
    let signed_by = check_content(&lines);

    let exported = site
        .operator(&["keys", "export", "--server", &replicas[0].url()])
        .await;
    let other = site
        .operator(&["keys", "export", "--server", &replicas[1].url()])
        .await;
    assert_eq!(exported, other, "both replicas know the same keys");
    replace(keyring.as_ref(), &exported);
    let old = Keyring::from_jwks(exported.as_bytes()).unwrap();
    let old = old.get(&OLD.parse().unwrap()).unwrap().version();
    let pin = old.fingerprint().to_string();
    let by_all = ["verify", &published, "--keys", &keyring];
    check_summary(&site.told(&by_all).await["summary"], &signed_by);
    let by_one = ["verify", &published, "--keys", &keyring, "--pin", &pin];
    check_summary(&site.told(&by_one).await["summary"], &signed_by);

    let place = ["--record", &site.record];
    site.operator(&[&["record", "export", "--out", &export], &place[..]].concat())
        .await;
    let on_record = read(export.as_ref());
    let mut on_record: Vec<&str> = on_record.lines().skip(1).collect();
    let mut received: Vec<&str> = lines.lines().collect();
    on_record.sort_unstable();
    received.sort_unstable();
    assert!(
        received == on_record,
        "what was received is on record, byte for byte"
    );

    let signed_head = site
        .operator(&["record", "head", "--server", &replicas[1].url()])
        .await;
    replace(head.as_ref(), &signed_head);
    let log = [
        "verify",
        "--log",
        &export,
        "--record-head",
        &head,
        "--keys",
        &keyring,
    ];
    let found = site.told(&log).await;
    assert_eq!(found["head"]["key_id"], NEW, "{found}");
    assert_eq!(
        (&found["rows"], &found["covered"]),
        (&LEDGERS.into(), &LEDGERS.into()),
        "{found}"
    );
    assert_eq!(found["faults"], Value::Array(Vec::new()), "{found}");
    let verified = site
        .operator(&[&["record", "verify"], &place[..]].concat())
        .await;
    assert!(verified.contains(&format!("{LEDGERS} rows")), "{verified}");
    assert!(verified.contains("all is well"), "{verified}");
    signed_by
}

/// Each ledger's checkpoint is there once, as it was given to the batch.
fn check_content(lines: &str) -> BTreeMap<String, String> {
    let mut signed_by = BTreeMap::new();
    let mut given: BTreeMap<String, Value> = (0..LEDGERS)
        .map(checkpoint)
        .map(|checkpoint| (ledger_of(&checkpoint), checkpoint))
        .collect();
    for line in lines.lines() {
        let mut published: Value = serde_json::from_str(line).unwrap();
        let signature = published
            .as_object_mut()
            .unwrap()
            .remove("signature")
            .unwrap();
        let ledger = ledger_of(&published);
        assert_eq!(
            given.remove(&ledger),
            Some(published),
            "once, and unchanged"
        );
        signed_by.insert(ledger, kid(signature.as_str().unwrap()));
    }
    assert!(given.is_empty(), "not signed: {:?}", given.keys());
    signed_by
}

fn ledger_of(checkpoint: &Value) -> String {
    checkpoint["ledger_id"].as_str().unwrap().to_owned()
}

/// The key that a detached JWS names.
fn kid(signature: &str) -> String {
    let header = signature.split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn check_summary(summary: &Value, signed_by: &BTreeMap<String, String>) {
    for (member, expected) in [
        ("checkpoints", LEDGERS),
        ("valid", LEDGERS),
        ("faults", 0),
        ("copies", 0),
        ("left_out", 0),
    ] {
        assert_eq!(summary[member], expected, "{member}");
    }
    for key_id in [OLD, NEW] {
        let count = signed_by.values().filter(|kid| *kid == key_id).count();
        assert!(count > LEDGERS / 10, "{key_id} signed {count}");
        assert_eq!(summary["keys"][key_id]["valid"], count, "{key_id}");
    }
}
