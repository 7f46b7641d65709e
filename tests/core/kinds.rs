//! Keys of other kinds in a keyring are skipped and told, and one of the known kind is read as a whole or refused: the vectors of
//! `vectors/kinds.json`.

use checkpoint::keyring::{Keyring, KeyringFile};
use serde_json::{Value, json};

const RING: &str = include_str!("../golden/keyring.json");
const VECTORS: &str = include_str!("../../vectors/kinds.json");

fn vectors(kind: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    vectors[kind].as_array().unwrap().clone()
}

/// The golden keys with this one, or with this one in the place of the one of its name.
fn with(key: &Value, replace: bool) -> Vec<u8> {
    let mut ring: Value = serde_json::from_str(RING).unwrap();
    let keys = ring["keys"].as_array_mut().unwrap();
    keys.retain(|known| !replace || known["kid"] != key["kid"]);
    keys.insert(0, key.clone());
    ring.to_string().into_bytes()
}

#[test]
fn a_key_of_another_kind_is_skipped_and_told_and_changes_no_other() {
    for case in vectors("skipped") {
        let name = &case["name"];
        let read = KeyringFile::read(&with(&case["key"], false));
        let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            read.keyring,
            Keyring::from_jwks(RING.as_bytes()).unwrap(),
            "{name}"
        );
        let [skipped] = read.skipped.as_slice() else {
            panic!("{name}: {:?}", read.skipped)
        };
        assert_eq!(skipped.index, 0);
        assert_eq!(skipped.key_id.as_deref(), case["key"]["kid"].as_str());
        assert!(!skipped.to_string().contains("c2VjcmV0"), "{skipped}");
    }
}

#[test]
fn all_other_kinds_may_stand_beside_the_known_one() {
    let keys = vectors("skipped")
        .into_iter()
        .map(|case| case["key"].clone());
    let set = json!({ "keys": keys.collect::<Vec<_>>() });
    let read = KeyringFile::read(set.to_string().as_bytes()).unwrap();
    assert_eq!(read.skipped.len(), vectors("skipped").len());
    assert_eq!(read.keyring, Keyring::default());
}

#[test]
fn a_key_of_the_known_kind_is_read_whatever_stands_beside_it() {
    for case in vectors("read") {
        let read = KeyringFile::read(&with(&case["key"], true)).unwrap();
        let golden = Keyring::from_jwks(RING.as_bytes()).unwrap();
        assert_eq!((read.keyring, read.skipped), (golden, vec![]), "{case}");
    }
}

#[test]
fn a_wrong_key_of_the_known_kind_and_a_private_one_are_refused_and_not_shown() {
    for case in vectors("refused") {
        let name = &case["name"];
        let error = KeyringFile::read(&with(&case["key"], false)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("keyring: keys[0]: "), "{name}: {error}");
        let member = case["member"].as_str().unwrap();
        assert!(error.contains(member), "{name}: {error}");
        assert!(!error.contains("c2VjcmV0"), "{name}: {error}");
    }
}
