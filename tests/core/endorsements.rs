//! Endorsements, and trust from one pinned key.

use checkpoint::jws::DetachedJws;
use checkpoint::key::{Algorithm, Fingerprint, KeyVersion, ValidityWindow, parse_instant};
use checkpoint::keyring::{Endorsement, EndorsementError, Keyring, Revocation, Trust};
use checkpoint::signing::{KeySecret, SigningKey};
use chrono::{DateTime, TimeDelta, Utc};

fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

/// The key of a year, endorsed by the one before it on the 1st of December.
fn key_of(year: i32, before: Option<&SigningKey>) -> KeySecret {
    let from = at(&format!("{year}-01-01"));
    let window = ValidityWindow::new(from, at(&format!("{}-01-01", year + 1))).unwrap();
    let december = from - TimeDelta::days(31);
    let endorser = before.map(|key| key.open_at(december).unwrap());
    let key_id = format!("key-{year}").parse().unwrap();
    KeySecret::generate(key_id, window, Algorithm::Ps256, 2048, endorser.as_ref())
        .unwrap()
        .1
}

/// The keys of 2025 to 2028, each endorsed by the one before, but for those without.
fn chain(without: &[i32]) -> Keyring {
    let mut keyring = Keyring::default();
    let mut before: Option<SigningKey> = None;
    for year in 2025..=2028 {
        let endorser = before.as_ref().filter(|_| !without.contains(&year));
        let secret = key_of(year, endorser);
        let key_id = secret.version().key_id.clone();
        keyring.insert(secret.version().clone()).unwrap();
        if let Some(endorsement) = secret.endorsement() {
            keyring.endorse(&key_id, endorsement.clone());
        }
        before = Some(secret.into_signing_key());
    }
    keyring
}

fn pin(keyring: &Keyring, key_id: &str) -> Fingerprint {
    let entry = keyring.get(&key_id.parse().unwrap()).unwrap();
    entry.version().fingerprint()
}

fn names(keyring: &Keyring) -> Vec<&str> {
    let entries = keyring.entries().into_iter();
    entries
        .map(|entry| entry.version().key_id.as_str())
        .collect()
}

fn pair() -> (KeyVersion, KeyVersion, Endorsement) {
    let old = key_of(2025, None).into_signing_key();
    let new = key_of(2026, Some(&old));
    let endorsement = new.endorsement().unwrap().clone();
    (old.version().clone(), new.version().clone(), endorsement)
}

#[test]
fn an_endorsement_holds_for_exactly_the_key_that_was_endorsed() {
    let (old, new, endorsement) = pair();
    assert_eq!(
        Endorsement::parse(&endorsement.compact()).unwrap(),
        endorsement
    );
    endorsement.check(&old, &new).unwrap();
    let mut longer = new.clone();
    longer.window = ValidityWindow::new(new.window.from(), at("2030-01-01")).unwrap();
    let mut other_algorithm = new.clone();
    other_algorithm.algorithm = Algorithm::Rs256;
    let mut other_key = key_of(2026, None).version().clone();
    for changed in [&longer, &other_algorithm, &other_key] {
        let error = endorsement.check(&old, changed).unwrap_err();
        assert!(matches!(error, EndorsementError::OtherKey(_)), "{error}");
    }
    let error = endorsement.check(&new, &new).unwrap_err();
    assert!(
        matches!(error, EndorsementError::OtherEndorser { .. }),
        "{error}"
    );
    // The right name, and another key behind it.
    other_key.key_id = old.key_id.clone();
    let error = endorsement.check(&other_key, &new).unwrap_err();
    assert!(matches!(error, EndorsementError::Signature(_)), "{error}");
    let mut closed = old.clone();
    closed.window = ValidityWindow::new(at("2025-01-01"), at("2025-11-01")).unwrap();
    let error = endorsement.check(&closed, &new).unwrap_err();
    assert!(
        matches!(error, EndorsementError::OutsideValidity(_)),
        "{error}"
    );
}

#[test]
fn an_endorsement_is_no_checkpoint_signature_and_the_other_way_round() {
    let (_, _, endorsement) = pair();
    let compact = endorsement.compact();
    let (header, rest) = compact.split_once('.').unwrap();
    let signature = rest.split_once('.').unwrap().1;
    let error = DetachedJws::parse(&format!("{header}..{signature}")).unwrap_err();
    assert!(error.to_string().contains("key-endorsement+jws"), "{error}");
    for text in ["", "a", "a.b", "a.b.c", "a.b.c.d", ".."] {
        assert!(Endorsement::parse(text).is_err(), "{text}");
    }
    let (old, new, _) = pair();
    let detached = Endorsement::parse(&format!("{header}..{signature}")).unwrap();
    assert!(detached.check(&old, &new).is_err());
}

#[test]
fn a_secret_document_keeps_its_endorsement() {
    let old = key_of(2025, None).into_signing_key();
    let window = ValidityWindow::new(at("2026-01-01"), at("2027-01-01")).unwrap();
    let endorser = old.open_at(at("2025-12-01")).unwrap();
    let id = "key-2026".parse().unwrap();
    let made = KeySecret::generate(id, window, Algorithm::Ps256, 2048, Some(&endorser)).unwrap();
    let read = KeySecret::parse(&made.0, None).unwrap();
    assert_eq!(read.endorsement(), made.1.endorsement());
    read.endorsement()
        .unwrap()
        .check(old.version(), read.version())
        .unwrap();
    let broken = made
        .0
        .replace("\"endorsement\": \"", "\"endorsement\": \"x");
    let error = KeySecret::parse(&broken, None).err().unwrap();
    assert_eq!(error.0[0].field, "endorsement");
}

#[test]
fn a_pinned_key_leads_to_every_later_one_and_to_none_before() {
    let keyring = chain(&[]);
    let seen = keyring.trust_from(pin(&keyring, "key-2026")).unwrap();
    assert_eq!(names(&seen.trusted), ["key-2028", "key-2027", "key-2026"]);
    let before = &seen.untrusted[&"key-2025".parse().unwrap()];
    assert!(before.contains("key-2025 has no endorsement"), "{before}");
    assert_eq!(seen.pinned.unwrap().key_id.as_str(), "key-2026");
    assert!(keyring.trust_from(pin(&chain(&[]), "key-2026")).is_err());
}

#[test]
fn a_missing_link_is_named_and_ends_the_chain() {
    let keyring = chain(&[2027]);
    let seen = keyring.trust_from(pin(&keyring, "key-2025")).unwrap();
    assert_eq!(names(&seen.trusted), ["key-2026", "key-2025"]);
    for key_id in ["key-2027", "key-2028"] {
        let broken = &seen.untrusted[&key_id.parse().unwrap()];
        assert!(
            broken.contains("key-2027 has no endorsement"),
            "{key_id}: {broken}"
        );
    }
}

#[test]
fn a_false_link_is_named() {
    let (honest, forged) = (chain(&[2027]), chain(&[]));
    let mut keyring = honest.clone();
    let key_id = "key-2027".parse().unwrap();
    // An endorsement from another world, with the right names in it.
    let forged = forged.get(&key_id).unwrap().endorsement().unwrap().clone();
    keyring.endorse(&key_id, forged);
    let seen = keyring.trust_from(pin(&keyring, "key-2025")).unwrap();
    let broken = &seen.untrusted[&key_id];
    assert!(
        broken.contains("the endorsement of key-2027 by key-2026 is false"),
        "{broken}"
    );
}

#[test]
fn an_endorsement_by_a_revoked_key_does_not_count_whenever_it_was_made() {
    for distrust_after in ["2026-12-01", "2026-12-02"] {
        let mut keyring = chain(&[]);
        let revocation = Revocation {
            distrust_after: at(distrust_after),
            reason: "leaked".into(),
            revoked_at: at("2027-02-01"),
        };
        keyring.revoke(&"key-2026".parse().unwrap(), revocation);
        let seen = keyring.trust_from(pin(&keyring, "key-2025")).unwrap();
        assert_eq!(names(&seen.trusted), ["key-2026", "key-2025"]);
        // Nor does a record that knows of the revocation take a key that comes with one.
        let of = |names: &[&str]| {
            let mut some = Keyring::default();
            for key_id in names {
                let entry = keyring.get(&key_id.parse().unwrap()).unwrap();
                assert!(some.adopt(entry));
                if let Some(revocation) = entry.revocation() {
                    some.revoke(&entry.version().key_id, revocation.clone());
                }
            }
            some
        };
        let known = of(&["key-2025", "key-2026"]);
        let offered = of(&["key-2025", "key-2026", "key-2027"]);
        let refused = known.admit(&offered, &Trust::default(), at("2027-12-01"));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("key-2026, which is revoked"), "{refused}");
    }
}

#[test]
fn a_keyring_file_keeps_endorsements() {
    let keyring = chain(&[]);
    let read = Keyring::from_jwks(keyring.to_jwks().as_bytes()).unwrap();
    assert_eq!(read, keyring);
    let broken = keyring
        .to_jwks()
        .replacen("\"endorsement\":\"", "\"endorsement\":\"!", 1);
    let error = Keyring::from_jwks(broken.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("endorsement"), "{error}");
}

#[test]
fn an_endorsement_that_is_made_later_than_now_lets_no_key_in() {
    let offered = chain(&[]);
    let mut known = Keyring::default();
    let first = offered.get(&"key-2025".parse().unwrap()).unwrap();
    known.insert(first.version().clone()).unwrap();
    let trust = Trust::default();
    // The key of 2026 is endorsed on 1 December 2025, that of 2028 two years later.
    let refused = known.admit(&offered, &trust, at("2027-11-30"));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("key-2028") && refused.contains("in the future"),
        "{refused}"
    );
    let admitted = known.admit(&offered, &trust, at("2027-12-01")).unwrap();
    assert_eq!(admitted.keys.len(), 4);
}
