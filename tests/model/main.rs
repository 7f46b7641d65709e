//! A model of what keeps one history: every way in which replicas, servers, clocks and operators can get in one another's way,
//! within bounds. `docs/model.md` explains it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod acts;
mod explore;
mod faults;
mod fixes;
mod promises;
mod steps;
mod world;

use explore::{Explored, explore};
use fixes::{Bounds, Fixes};
use steps::Step;
use world::World;

/// Two replicas, one of which is started again; a primary that ends or is left behind; a wait that is cancelled.
const FAILOVER: Bounds = Bounds {
    replicas: 2,
    places: 1,
    crashes: 1,
    returns: 0,
    promotions: 1,
    lossy_promotions: 1,
    cancels: 1,
    restarts: 1,
    wrong_clocks: 0,
    wrong_stores: 0,
    revocation: false,
    until: 0,
};

/// And the former primary returns.
const RETURNS: Bounds = Bounds {
    returns: 1,
    ..FAILOVER
};

const TWO_PLACES: Bounds = Bounds {
    places: 2,
    restarts: 0,
    ..FAILOVER
};

const TWO_FAILOVERS: Bounds = Bounds {
    promotions: 2,
    crashes: 2,
    restarts: 0,
    ..FAILOVER
};

const THREE_REPLICAS: Bounds = Bounds {
    replicas: 3,
    cancels: 0,
    restarts: 0,
    ..FAILOVER
};

const REVOCATION: Bounds = Bounds {
    revocation: true,
    restarts: 0,
    ..FAILOVER
};

/// One replica's clock is wrong, while time passes.
const ONE_CLOCK: Bounds = Bounds {
    places: 2,
    crashes: 0,
    promotions: 0,
    lossy_promotions: 0,
    cancels: 0,
    restarts: 0,
    wrong_clocks: 1,
    until: 2,
    ..FAILOVER
};

/// And the database's as well.
const TWO_CLOCKS: Bounds = Bounds {
    wrong_stores: 1,
    ..ONE_CLOCK
};

fn look(bounds: &Bounds, fixes: Fixes) -> Explored<Step> {
    explore(
        World::new(bounds.replicas),
        |world| steps::all(world, fixes, bounds),
        |world| promises::broken(world, fixes),
    )
}

/// No state breaks a promise, and there are as many as `docs/model.md` says: fewer would mean that something cannot happen any
/// more that could.
fn holds(bounds: &Bounds, states: usize) {
    let found = look(bounds, Fixes::ALL);
    if let Some(fault) = found.fault {
        panic!("{}: {:#?}", fault.broken, fault.trace);
    }
    assert_eq!(found.states, states, "at most {} steps", found.depth);
}

#[test]
fn a_failover_breaks_no_promise_whenever_a_replica_is_started_again() {
    holds(&FAILOVER, 45_074);
}

#[test]
fn a_former_primary_that_returns_breaks_no_promise() {
    holds(&RETURNS, 63_548);
}

#[test]
fn a_failover_between_two_places_breaks_no_promise() {
    holds(&TWO_PLACES, 80_886);
}

#[test]
fn two_failovers_break_no_promise() {
    holds(&TWO_FAILOVERS, 89_403);
}

#[test]
fn a_failover_under_three_replicas_breaks_no_promise() {
    holds(&THREE_REPLICAS, 12_887);
}

#[test]
fn a_revocation_holds_through_a_failover() {
    holds(&REVOCATION, 59_696);
}

#[test]
fn one_wrong_clock_breaks_no_promise() {
    holds(&ONE_CLOCK, 5_177);
}

#[test]
fn two_wrong_clocks_stop_nobody_for_ever() {
    holds(&TWO_CLOCKS, 28_225);
}

/// A model in which nothing happens keeps every promise.
#[track_caller]
fn can_be(bounds: &Bounds, wanted: impl Fn(&World) -> bool) -> Vec<Step> {
    let found = explore(
        World::new(bounds.replicas),
        |world| steps::all(world, Fixes::ALL, bounds),
        |world| wanted(world).then_some("it is so"),
    );
    found.fault.expect("it can be").trace
}

#[test]
fn signing_goes_on_by_itself_after_a_promotion() {
    for lossy in [0, 1] {
        let bounds = Bounds {
            lossy_promotions: lossy,
            ..TWO_PLACES
        };
        let trace = can_be(&bounds, |world| {
            let signed_before = world.handed.rows().any(|row| row.place == 1);
            let signed_after = world.newest_primary().timeline == 2
                && world.newest_primary().visible().rows().count() == 2
                && world.handed.rows().count() == 2;
            signed_before && signed_after && world.happened.lossy_promotions == lossy
        });
        let asked = |step: &Step| matches!(step, Step::Word(_));
        assert!(!trace.iter().any(asked), "{trace:?}");
    }
}

#[test]
fn signing_goes_on_after_two_wrong_clocks_from_the_true_time() {
    let trace = can_be(&TWO_CLOCKS, |world| {
        let log = world.newest_primary().visible();
        let ahead = log.rows().any(|row| row.dated > world.now);
        let of_now = log.rows().any(|row| row.dated == world.now);
        ahead && of_now && log.newest_time() == world.now
    });
    let resumed = |step: &Step| matches!(step, Step::Resumed(_));
    assert!(trace.iter().any(resumed), "{trace:?}");
}
