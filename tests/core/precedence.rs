//! What comes before the steps of a rollover: the clock, room for the record, a label that nobody reads.

use checkpoint::key::StagingLabel;
use checkpoint::keyring::KeyState;
use checkpoint_signer::rollover::{Ahead, Replica};
use chrono::TimeDelta;

use crate::rollover::{at, current, replica, situation, stored};

#[test]
fn a_label_in_another_case_is_taken_away_once_nothing_else_is_pressing() {
    let mut keys = current("key-2025", "2025-01-01", "2026-01-01");
    let label = || StagingLabel::Custom("awspending".into());
    keys.versions
        .push(stored("key-2026", "2026-01-01", "2027-01-01", &[label()]));
    let next = situation(&keys, &[], at("2025-06-01")).next();
    let (first, then) = next.split();
    assert!(
        first
            .unwrap()
            .starts_with("take \"awspending\" from version "),
        "{next}"
    );
    assert_eq!(then.to_string(), "rollover status");
}

/// By a second: what is at the edge of a window is not left to two clocks that differ by less than what is tolerated.
#[test]
fn clocks_differ_by_what_an_answer_leaves_no_doubt_of() {
    let now = at("2025-06-01");
    let mut situation = situation(&current("key-2025", "2025-01-01", "2026-01-01"), &[], now);
    let second = TimeDelta::seconds(1);
    for (showed, asked, answered, differs) in [
        (now, now, now, false),
        (now - second * 31, now, now, false),
        (now - second * 32, now, now, true),
        (now + second * 30, now, now, false),
        (now + second * 31, now, now, true),
        // An answer that takes its time says less.
        (now - second * 40, now - second * 20, now, false),
        (now + second * 40, now, now + second * 20, false),
    ] {
        situation.secrets_manager = Some(Ahead::of(showed, asked, answered));
        assert_eq!(!situation.doubted_clock().is_empty(), differs, "{showed}");
    }
}

#[test]
fn room_for_the_record_comes_before_the_next_key_and_a_key_that_is_wanted_does_not() {
    let mut keys = current("key-2025", "2025-01-01", "2026-01-01");
    let next = stored(
        "key-2026",
        "2026-01-01",
        "2027-01-01",
        &[StagingLabel::Pending],
    );
    keys.versions.push(next);
    let mut service = replica("key-2025", KeyState::Active);
    let said = |service: &Replica| {
        situation(&keys, std::slice::from_ref(service), at("2025-12-20")).next()
    };
    for (reason, room) in [
        ("RECORD_STORE_UNAVAILABLE: database or disk is full", true),
        ("KEY_EXPIRED: key-2025 has ended", false),
    ] {
        service.listing.as_mut().unwrap().signing_refused = Some(reason.into());
        let next = said(&service);
        let (first, then) = next.split();
        let expected = "make room first where http://replica has its record";
        assert_eq!(
            first.is_some_and(|first| first.starts_with(expected)),
            room,
            "{next}"
        );
        assert_eq!(then.to_string().starts_with("health "), room, "{next}");
    }
}
