//! With an element taken out, the fault is found that was seen or feared, by the shortest way there is.

use crate::acts::Act;
use crate::fixes::{Bounds, Fix, Fixes};
use crate::promises::{DATED_AHEAD, DATED_BACK, LOST, REVOKED, SECOND_HISTORY, STOPPED};
use crate::steps::Step;
use crate::{FAILOVER, ONE_CLOCK, RETURNS, REVOCATION, TWO_CLOCKS, TWO_PLACES, look};

/// The shortest way to a fault has these steps in this order, perhaps with others between them.
#[track_caller]
fn finds(out: &'static [Fix], bounds: &Bounds, broken: &str, steps: &[Step]) {
    let found = look(bounds, Fixes::without(out));
    let fault = found.fault.expect("a fault");
    assert_eq!(fault.broken, broken, "{:?}", fault.trace);
    let mut trace = fault.trace.iter();
    for step in steps {
        assert!(
            trace.any(|taken| taken == step),
            "{step:?} is not in its place: {:?}",
            fault.trace
        );
    }
}

/// The first server is the primary, the second its synchronous standby, the third an asynchronous one.
const PRIMARY: usize = 0;
const SYNCHRONOUS: usize = 1;
const ASYNCHRONOUS: usize = 2;

/// A content for the only place that matters.
const fn signs(replica: usize, server: usize, content: u8) -> Step {
    Step::Replica(replica, server, Act::Signs { place: 1, content })
}

/// Number 9: the wait for the standby is cancelled, the commit is believed, the promotion loses it.
#[test]
fn a_commit_with_a_warning_that_is_believed_is_lost() {
    let steps = [
        signs(0, PRIMARY, 0),
        Step::Cancelled(PRIMARY),
        Step::Promoted(SYNCHRONOUS),
    ];
    finds(&[Fix::Warning], &FAILOVER, LOST, &steps);
}

/// Number 9: the commit is not believed, but the retry reads the row.
#[test]
fn a_row_that_is_read_before_it_is_durable_is_lost() {
    let retry = Act::AnswersRetry {
        place: 1,
        content: 0,
    };
    let steps = [
        signs(0, PRIMARY, 0),
        Step::Cancelled(PRIMARY),
        Step::Replica(0, PRIMARY, retry),
        Step::Promoted(SYNCHRONOUS),
    ];
    finds(&[Fix::Barrier], &FAILOVER, LOST, &steps);
}

/// Number 8: the replica that had not looked knows of nothing, and signs the place again.
#[test]
fn an_idle_replica_that_does_not_see_a_promotion_signs_a_second_history() {
    let steps = [
        signs(0, PRIMARY, 0),
        Step::Acknowledged(PRIMARY),
        Step::Promoted(ASYNCHRONOUS),
        signs(1, ASYNCHRONOUS, 0),
    ];
    finds(&[Fix::Home], &FAILOVER, SECOND_HISTORY, &steps);
}

#[test]
fn a_replica_that_follows_a_promotion_without_asking_its_peers_signs_a_second_history() {
    let steps = [
        signs(0, PRIMARY, 0),
        Step::Acknowledged(PRIMARY),
        Step::Promoted(ASYNCHRONOUS),
        Step::Replica(1, ASYNCHRONOUS, Act::Follows),
        signs(1, ASYNCHRONOUS, 0),
    ];
    finds(&[Fix::Peers], &FAILOVER, SECOND_HISTORY, &steps);
}

#[test]
fn replicas_that_remember_nothing_have_nothing_to_tell_one_another() {
    let steps = [
        Step::Acknowledged(PRIMARY),
        Step::Promoted(ASYNCHRONOUS),
        Step::Replica(0, ASYNCHRONOUS, Act::Follows),
        signs(0, ASYNCHRONOUS, 1),
    ];
    finds(&[Fix::Mark], &TWO_PLACES, SECOND_HISTORY, &steps);
}

/// Found by this model: what a replica told its peers that it had seen lacked what it still waited for.
#[test]
fn a_commit_that_is_told_after_its_replica_has_vouched_is_a_second_history() {
    let steps = [
        signs(0, PRIMARY, 0),
        Step::Promoted(ASYNCHRONOUS),
        Step::Replica(0, ASYNCHRONOUS, Act::Looks),
        Step::Replica(0, ASYNCHRONOUS, Act::Follows),
        Step::Acknowledged(PRIMARY),
        signs(0, ASYNCHRONOUS, 1),
    ];
    finds(&[Fix::Late], &FAILOVER, SECOND_HISTORY, &steps);
}

#[test]
fn a_replica_that_goes_back_to_the_former_primary_signs_a_second_history() {
    let steps = [
        Step::Promoted(ASYNCHRONOUS),
        Step::Replica(0, ASYNCHRONOUS, Act::Looks),
        signs(0, PRIMARY, 0),
        Step::Acknowledged(PRIMARY),
        signs(0, ASYNCHRONOUS, 1),
    ];
    finds(&[Fix::Former], &TWO_PLACES, SECOND_HISTORY, &steps);
}

/// Found by this model: whoever starts on the former primary remembers nothing, and the record there says that all is well.
#[test]
fn a_replica_that_starts_on_the_former_primary_signs_a_second_history() {
    let steps = [
        Step::Promoted(ASYNCHRONOUS),
        Step::Replica(0, ASYNCHRONOUS, Act::Follows),
        Step::Restarted(1),
        Step::Replica(1, PRIMARY, Act::Begins),
        signs(1, PRIMARY, 0),
        signs(0, ASYNCHRONOUS, 0),
    ];
    finds(&[Fix::HomeAtStart], &RETURNS, SECOND_HISTORY, &steps);
}

/// Number 5.
#[test]
fn a_replica_that_asks_its_memory_for_revocations_signs_with_a_revoked_key() {
    let steps = [
        Step::Replica(0, PRIMARY, Act::Revokes),
        Step::Acknowledged(PRIMARY),
        signs(1, PRIMARY, 0),
    ];
    finds(&[Fix::Revocation], &REVOCATION, REVOKED, &steps);
}

/// Number 7.
#[test]
fn a_replica_with_a_clock_ahead_signs_ahead_and_stops_all_others() {
    let steps = [Step::ClockIs(0, 2), signs(0, PRIMARY, 0)];
    finds(&[Fix::StoreClock], &ONE_CLOCK, DATED_AHEAD, &steps);
    finds(
        &[Fix::StoreClock, Fix::Resumption],
        &ONE_CLOCK,
        STOPPED,
        &steps,
    );
}

/// Number 7: where the store's clock is ahead too, only an operator knows.
#[test]
fn two_clocks_ahead_stop_all_others_unless_an_operator_can_end_it() {
    let steps = [
        Step::StoreClockIs(PRIMARY, 2),
        Step::ClockIs(0, 2),
        signs(0, PRIMARY, 0),
    ];
    finds(&[Fix::Resumption], &TWO_CLOCKS, STOPPED, &steps);
}

#[test]
fn a_replica_with_a_clock_behind_dates_its_signature_before_the_newest_one() {
    let steps = [Step::ClockIs(0, -2)];
    finds(&[Fix::NewestDate], &ONE_CLOCK, DATED_BACK, &steps);
}
