//! What must hold in every state.

use crate::fixes::{Fix, Fixes};
use crate::world::{Entry, Log, Row, World};

pub const SECOND_HISTORY: &str = "two contents of one place were handed out";
pub const LOST: &str =
    "what was handed out is not in the record after its synchronous standby was promoted";
pub const SIGNED_ON_LESS: &str =
    "something was signed on a record that lacks what had been handed out";
pub const REVOKED: &str = "a key signed after its revocation was acknowledged";
pub const DATED_AHEAD: &str =
    "a signature is dated later than both the replica's time and the store's";
pub const DATED_BACK: &str = "a signature is dated earlier than the one before it";
pub const STOPPED: &str =
    "a clock that was ahead keeps everybody from signing, and nobody can end it";

/// Unless an operator let signing go on between the two.
fn is_dated_back(record: &Log) -> bool {
    let mut newest = i8::MIN;
    record.entries().iter().any(|entry| match entry {
        Entry::Row(row) => {
            let before = newest;
            newest = newest.max(row.dated);
            row.dated < before
        }
        Entry::Resumed(from) => {
            newest = *from;
            false
        }
        _ => false,
    })
}

/// The promise that a state breaks.
pub fn broken(world: &World, fixes: Fixes) -> Option<&'static str> {
    let record = &world.newest_primary().log;
    let handed = world.handed.entries();
    let place = |entry: &Entry| match entry {
        Entry::Row(row) => Some(row.place),
        _ => None,
    };
    let two = |pair: &[Entry]| place(&pair[0]) == place(&pair[1]);
    let lost = || !handed.iter().all(|row| record.has(*row));
    let only_wrong_clock = world.happened.wrong_clocks + world.happened.wrong_stores <= 1;
    let ahead = |row: Row| row.dated > world.now;
    let is_stopped = record.newest_time() > world.now && !fixes.has(Fix::Resumption);
    [
        (handed.windows(2).any(two), SECOND_HISTORY),
        (world.happened.lossy_promotions == 0 && lost(), LOST),
        (world.signed_on_less, SIGNED_ON_LESS),
        (world.handed.rows().any(|row| row.after_revocation), REVOKED),
        (
            only_wrong_clock && world.handed.rows().any(ahead),
            DATED_AHEAD,
        ),
        (is_dated_back(record), DATED_BACK),
        (is_stopped, STOPPED),
    ]
    .into_iter()
    .find_map(|(is_broken, promise)| is_broken.then_some(promise))
}
