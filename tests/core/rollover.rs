//! What the rollover decides, over snapshots made by hand: no secret store, no clock.

use checkpoint::key::{
    Algorithm, KeyId, KeyVersion, PublicKey, StagingLabel, ValidityWindow, parse_instant,
};
use checkpoint::keyring::KeyState;
use checkpoint_signer::rollover::{
    ListedKey, Overrides, Phase, Proposal, Replica, ServedKeys, Situation, Snapshot, StepRefusal,
    StoredKey, StoredVersion, Timeline, Warning, covered_until, days,
};
use chrono::{DateTime, Datelike as _, Months, TimeDelta, Utc};
use proptest::prelude::*;

pub fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

fn window(from: &str, until: &str) -> ValidityWindow {
    ValidityWindow::new(at(from), at(until)).unwrap()
}

/// A public key of its own for each name; nobody has the private half.
fn public_key(key_id: &str) -> PublicKey {
    let mut modulus = [0x5a; 256];
    modulus[0] = 0xd1;
    modulus[255] = 0x01;
    for (place, byte) in key_id.bytes().enumerate() {
        modulus[place + 1] = byte;
    }
    PublicKey::from_components(&modulus, &[1, 0, 1]).unwrap()
}

fn version(key_id: &str, window: ValidityWindow) -> KeyVersion {
    KeyVersion {
        key_id: key_id.parse().unwrap(),
        window,
        algorithm: Algorithm::Ps256,
        public_key: public_key(key_id),
    }
}

pub fn stored(key_id: &str, from: &str, until: &str, stages: &[StagingLabel]) -> StoredVersion {
    StoredVersion {
        id: format!("version-of-{key_id}"),
        stages: stages.to_vec(),
        content: Ok(StoredKey {
            version: version(key_id, window(from, until)),
            endorsement: None,
            oddities: Default::default(),
        }),
        hidden: false,
    }
}

fn snapshot(versions: Vec<StoredVersion>) -> Snapshot {
    Snapshot {
        secret: "amply/checkpoint-signing-key".into(),
        versions,
    }
}

pub fn current(key_id: &str, from: &str, until: &str) -> Snapshot {
    snapshot(vec![stored(key_id, from, until, &[StagingLabel::Current])])
}

pub fn replica(key_id: &str, state: KeyState) -> Replica {
    let key = ListedKey {
        key_id: key_id.into(),
        thumbprint: public_key(key_id).thumbprint(),
        fingerprint: version(key_id, window("2025-01-01", "2026-01-01"))
            .fingerprint()
            .to_string(),
        window: Some(window("2025-01-01", "2026-01-01")),
        algorithm: Some(Algorithm::Ps256),
        state,
        revoked_from: None,
        signing: false,
    };
    Replica {
        url: "http://replica".into(),
        listing: Ok(ServedKeys {
            keys: vec![key],
            faults: vec![],
            signing_refused: None,
            of_record: false,
            source: String::new(),
            ahead: None,
        }),
    }
}

pub fn situation(snapshot: &Snapshot, replicas: &[Replica], now: DateTime<Utc>) -> Situation {
    Situation {
        snapshot: snapshot.clone(),
        replicas: replicas.to_vec(),
        now,
        secrets_manager: None,
        without_asking: false,
    }
}

fn propose(snapshot: &Snapshot, now: &str, wanted: &Overrides) -> Result<Proposal, StepRefusal> {
    Proposal::new(&situation(snapshot, &[], at(now)), wanted)
}

fn unendorsed() -> Overrides {
    Overrides {
        without_endorsement: true,
        ..Overrides::default()
    }
}

#[test]
fn the_next_name_counts_on() {
    for (name, next) in [
        (
            "amply-checkpoint-key-2025",
            Some("amply-checkpoint-key-2026"),
        ),
        ("key-09", Some("key-10")),
        ("key-007", Some("key-008")),
        ("key-999", Some("key-1000")),
        ("2025", Some("2026")),
        // One whose name was taken.
        ("key-2025b", Some("key-2026")),
        ("key-2025bb", None),
        ("key-b", None),
        ("2025-key", None),
        ("key", None),
        ("key-99999999999999999999", None),
    ] {
        let snapshot = current(name, "2025-01-01", "2026-01-01");
        let proposal = propose(&snapshot, "2025-12-01", &Overrides::default());
        match next {
            Some(next) => assert_eq!(proposal.unwrap().key_id.as_str(), next),
            None => assert!(
                matches!(proposal, Err(StepRefusal::NoNextName(_))),
                "{name}"
            ),
        }
    }
}

#[test]
fn the_next_window_begins_where_the_last_ends_and_is_as_long_or_ends_at_a_new_year() {
    for (from, until, end) in [
        ("2025-01-01", "2026-01-01", "2027-01-01"),
        // A leap year is a year.
        ("2027-01-01", "2028-01-01", "2029-01-01"),
        ("2024-02-29", "2025-02-28", "2026-02-28"),
        // The first one begins on any day; a new year is kept to.
        ("2026-11-27", "2028-01-01", "2029-01-01"),
        ("2027-07-15", "2028-01-01", "2029-01-01"),
        ("2025-01-01", "2027-01-01", "2029-01-01"),
        // One of some months is followed by one that the rotation of each December finds in force.
        ("2025-01-01", "2025-07-01", "2026-01-01"),
        ("2026-03-01", "2026-12-31", "2028-01-01"),
        ("2026-03-01", "2026-11-20", "2028-01-01"),
        ("2026-10-01", "2027-01-01", "2028-01-01"),
        (
            "2025-01-01T06:00:00Z",
            "2026-01-01T06:00:00Z",
            "2027-01-01T06:00:00Z",
        ),
    ] {
        let snapshot = current("key-1", from, until);
        let now = at(until) - TimeDelta::days(10);
        let proposal =
            Proposal::new(&situation(&snapshot, &[], now), &Overrides::default()).unwrap();
        assert_eq!(proposal.window, window(until, end), "{from} {until}");
    }
}

#[test]
fn after_a_forgotten_rollover_the_window_begins_today_and_ends_when_it_would_have() {
    let snapshot = current("key-1", "2025-01-01", "2026-01-01");
    let refused = propose(&snapshot, "2026-02-03T04:05:06Z", &Overrides::default());
    assert!(matches!(refused, Err(StepRefusal::CurrentExpired { .. })));
    for (now, from, until) in [
        ("2026-01-01", "2026-01-01", "2027-01-01"),
        ("2026-02-03T04:05:06Z", "2026-02-03", "2027-01-01"),
        ("2029-06-01T12:00:00Z", "2029-06-01", "2030-01-01"),
    ] {
        let proposal = propose(&snapshot, now, &unendorsed()).unwrap();
        assert_eq!(proposal.window, window(from, until), "{now}");
    }
}

#[test]
fn a_window_that_leaves_a_gap_or_has_passed_is_refused() {
    let snapshot = current("key-1", "2025-01-01", "2026-01-01");
    let wanted = |from: &str, until: &str| Overrides {
        valid_from: Some(at(from)),
        valid_until: Some(at(until)),
        ..Overrides::default()
    };
    let refused = |from, until| propose(&snapshot, "2025-12-01", &wanted(from, until)).unwrap_err();
    let gap = refused("2026-01-01T00:00:01Z", "2027-01-01");
    assert!(
        gap.to_string()
            .contains("from 2026-01-01T00:00:00Z to 2026-01-01T00:00:01Z"),
        "{gap}"
    );
    assert!(matches!(
        refused("2024-01-01", "2025-01-01"),
        StepRefusal::Window(_)
    ));
    assert!(matches!(
        refused("2027-01-01", "2026-01-01"),
        StepRefusal::Window(_)
    ));
    let early = propose(&snapshot, "2025-12-01", &wanted("2025-12-24", "2027-01-01"));
    assert!(early.is_ok(), "an overlap is no gap");
}

#[test]
fn a_name_is_never_used_twice() {
    let mut snapshot = current("key-1", "2025-01-01", "2026-01-01");
    let name: KeyId = "key-2".parse().unwrap();
    let check = |snapshot: &Snapshot, replicas: &[Replica], used: bool| {
        let now = at("2025-12-01");
        let named = Overrides {
            key_id: Some(name.clone()),
            ..Overrides::default()
        };
        let refused = Proposal::new(&situation(snapshot, replicas, now), &named).err();
        let told = matches!(refused, Some(StepRefusal::NameUsed(found, _)) if found == name);
        assert_eq!(told, used);
        // Without a wish, the next one is taken that no key ever had.
        let picked =
            Proposal::new(&situation(snapshot, replicas, now), &Overrides::default()).unwrap();
        assert_eq!(
            picked.key_id.as_str(),
            if used { "key-2b" } else { "key-2" }
        );
    };
    check(&snapshot, &[replica("key-2", KeyState::Retired)], true);
    check(&snapshot, &[replica("key-2", KeyState::Revoked)], true);
    check(&snapshot, &[replica("key-2", KeyState::Pending)], false);
    snapshot
        .versions
        .push(stored("key-2", "2026-01-01", "2027-01-01", &[]));
    let mut silent = replica("key-1", KeyState::Active);
    silent.listing = Err("does not answer".into());
    check(&snapshot, &[], true);
    check(
        &snapshot,
        &[replica("key-1", KeyState::Active), silent],
        true,
    );
    check(&snapshot, &[replica("key-1", KeyState::Active)], true);
    let previous = stored(
        "key-2",
        "2024-01-01",
        "2025-01-01",
        &[StagingLabel::Previous],
    );
    snapshot.versions[1] = previous;
    check(&snapshot, &[replica("key-1", KeyState::Active)], true);
    snapshot
        .versions
        .push(stored("key-2b", "2026-01-01", "2027-01-01", &[]));
    let third = propose(&snapshot, "2025-12-01", &Overrides::default());
    assert_eq!(third.unwrap().key_id.as_str(), "key-2c");
}

#[test]
fn the_token_is_the_same_for_whoever_sees_the_same_and_another_one_after_each_key() {
    let one = current("key-1", "2025-01-01", "2026-01-01");
    assert_eq!(one.stage_token(), one.clone().stage_token());
    assert!((32..=64).contains(&one.stage_token().len()));
    let mut two = one.clone();
    two.versions
        .push(stored("key-2", "2026-01-01", "2027-01-01", &[]));
    let mut elsewhere = one.clone();
    elsewhere.secret = "amply/staging/checkpoint-signing-key".into();
    let tokens = [one, two, elsewhere].map(|snapshot| snapshot.stage_token());
    assert!(tokens[0] != tokens[1] && tokens[0] != tokens[2] && tokens[1] != tokens[2]);
}

#[test]
fn the_timeline_has_every_phase_and_says_who_signs() {
    let snapshot = snapshot(vec![
        stored(
            "key-5",
            "2027-01-01",
            "2028-01-01",
            &[StagingLabel::Pending],
        ),
        stored("key-1", "2024-01-01", "2025-01-01", &[]),
        stored(
            "key-2",
            "2025-01-01",
            "2026-01-01",
            &[StagingLabel::Previous],
        ),
        stored(
            "key-3",
            "2026-01-01",
            "2027-01-01",
            &[StagingLabel::Current],
        ),
        stored("key-4", "2026-01-01", "2027-01-01", &[]),
    ]);
    let phases = |now| {
        let timeline = Timeline::new(&situation(&snapshot, &[], at(now)));
        let spans = timeline.spans.into_iter();
        spans
            .map(|span| (span.phase, span.signs))
            .collect::<Vec<_>>()
    };
    use Phase::{Active, GivenUp, Past, Scheduled, Staged};
    assert_eq!(
        phases("2025-12-31T23:59:59Z"),
        [
            (Past, false),
            (Active, true),
            (Scheduled, false),
            (GivenUp, false),
            (Staged, false)
        ]
    );
    assert_eq!(
        phases("2026-01-01"),
        [
            (Past, false),
            (Past, false),
            (Active, true),
            (GivenUp, false),
            (Staged, false)
        ]
    );
}

#[test]
fn what_an_operator_should_know_is_warned_about() {
    let warnings = |snapshot: &Snapshot, replicas: &[Replica], now: &str| {
        let timeline = Timeline::new(&situation(snapshot, replicas, at(now)));
        let warnings = timeline.warnings.iter();
        warnings.map(Warning::to_string).collect::<Vec<_>>()
    };
    let mut keys = current("key-1", "2025-01-01", "2026-01-01");
    assert_eq!(warnings(&keys, &[], "2025-06-01"), [""; 0]);
    let soon = warnings(&keys, &[], "2025-12-24");
    assert!(soon[0].contains("signing ends in 8 days"), "{soon:?}");
    let over = warnings(&keys, &[], "2026-01-01");
    assert!(over[0].contains("NO KEY IS IN FORCE"), "{over:?}");
    // What is only staged does not count, but its gap is seen.
    let next = stored(
        "key-2",
        "2026-01-02",
        "2027-01-01",
        &[StagingLabel::Pending],
    );
    keys.versions.push(next);
    let staged = warnings(&keys, &[], "2025-12-24");
    assert!(
        staged[0].contains("ends in") && staged[1].contains("gap"),
        "{staged:?}"
    );
    keys.versions[1] = stored(
        "key-2",
        "2026-01-01",
        "2027-01-01",
        &[StagingLabel::Current],
    );
    keys.versions[0].stages = vec![StagingLabel::Previous];
    assert_eq!(warnings(&keys, &[], "2025-12-24"), [""; 0]);
    let told = warnings(&keys, &[replica("key-1", KeyState::Active)], "2025-12-24");
    assert!(
        told[0].contains("http://replica: does not list key-2"),
        "{told:?}"
    );
    let other = replica("key-2", KeyState::Scheduled);
    let told = warnings(&keys, &[other], "2025-12-24").join("\n");
    assert!(
        told.contains("has the window 2025-01-01T00:00:00Z <= t < 2026-01-01T00:00:00Z, here 2026-01-01T00:00:00Z <= t < 2027")
            && told.contains("under the name key-2"),
        "{told}"
    );
    keys.versions[1].content = Err("private_key: is missing".into());
    let unreadable = warnings(&keys, &[], "2025-12-24");
    assert!(
        unreadable
            .iter()
            .any(|w| w.contains("is not a key: private_key")),
        "{unreadable:?}"
    );
}

#[test]
fn lengths_of_time_are_for_a_person() {
    for (hours, text) in [
        (0, "0 minutes"),
        (1, "1 hour"),
        (47, "47 hours"),
        (48, "2 days"),
        (719, "29 days"),
    ] {
        assert_eq!(days(TimeDelta::hours(hours)), text);
    }
    assert_eq!(days(TimeDelta::minutes(59)), "59 minutes");
    assert_eq!(days(TimeDelta::seconds(61)), "1 minute");
}

proptest! {
    /// Compared with looking at every hour.
    #[test]
    fn what_is_covered_ends_at_the_first_instant_without_a_window(
        windows in prop::collection::vec((0i64..200, 1i64..80), 0..8),
        now in 0i64..200,
    ) {
        let hour = |hours| at("2025-01-01") + TimeDelta::hours(hours);
        let windows: Vec<_> = windows
            .into_iter()
            .map(|(from, length)| ValidityWindow::new(hour(from), hour(from + length)).unwrap())
            .collect();
        let open = |hours: &i64| !windows.iter().any(|window| window.contains(hour(*hours)));
        let first_open = (now..).find(open).unwrap();
        let expected = (first_open > now).then(|| hour(first_open));
        prop_assert_eq!(covered_until(&windows, hour(now)), expected);
    }

    /// Whatever the last window was, the next one leaves no gap and does not overlap it.
    #[test]
    fn a_proposal_never_leaves_a_gap(from in 0i64..4000, length in 1i64..1500, into in 0.0f64..1.0) {
        let day = |days| at("2020-01-01") + TimeDelta::days(days);
        let last = ValidityWindow::new(day(from), day(from + length)).unwrap();
        let now = day(from) + TimeDelta::seconds((length as f64 * 86_400.0 * into) as i64);
        let mut keys = current("key-1", "2025-01-01", "2026-01-01");
        keys.versions[0].content = Ok(StoredKey { version: version("key-1", last), endorsement: None, oddities: Default::default() });
        let next = Proposal::new(&situation(&keys, &[], now), &Overrides::default()).unwrap().window;
        prop_assert_eq!(next.from(), last.until());
        let new_year = |instant: DateTime<Utc>| instant.ordinal() == 1;
        if new_year(last.until()) && !new_year(last.from()) {
            // The first one may begin on any day; the rotation of each December comes before each new year.
            prop_assert_eq!(next.until(), last.until() + Months::new(12));
            return Ok(());
        }
        if last.until() < last.from() + Months::new(12) {
            prop_assert!(new_year(next.until()), "{} {}", last, next);
            let days = (next.until() - next.from()).num_days();
            prop_assert!((60..=426).contains(&days), "{} {}", last, next);
            return Ok(());
        }
        let difference = (next.until() - next.from()) - (last.until() - last.from());
        // A year has 365 or 366 days; some years differ in as many days.
        prop_assert!(difference.num_days().abs() <= 4, "{} {}", last, next);
    }
}

#[test]
fn a_key_that_a_service_has_as_revoked_is_revoked_whatever_its_window_is_there() {
    let here = version("key-1", window("2025-01-01", "2030-01-01"));
    let mut there = replica("key-1", KeyState::Revoked);
    assert!(there.says_revoked(&here) && there.state_of(&here).is_none());
    let listing = there.listing.as_mut().unwrap();
    listing.keys[0].key_id = "another-name".into();
    listing.keys[0].thumbprint = public_key("another-name").thumbprint();
    assert!(!there.says_revoked(&here));
    let listing = there.listing.as_mut().unwrap();
    listing.keys[0].thumbprint = public_key("key-1").thumbprint();
    assert!(there.says_revoked(&here));
}
