//! What a process knows of its record, and what it may so give out: nothing of a record that went back or was moved, beyond what
//! it knows to be the same; and nothing that is not yet as durable as the database was told to make it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Transaction;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::look::Look;
use super::{StoreError, guards};
use crate::record::environment::Claimed;
use crate::record::high_water_mark::{HighWaterMark, Mark};
use crate::record::home::{Accepted, FormerHome, Home, Moved};
use crate::record::row::to_signed;
use crate::record::{RecordError, WentBack};
use checkpoint::log::tree::Frontier;

/// What an answer rests on: it may be given when this is durable.
#[derive(Clone, Debug)]
pub(super) struct Rests {
    home: Home,
    rows: u64,
    keys: u64,
}

impl Rests {
    /// On the first rows of what was found.
    pub(super) fn on_rows(found: &Look, rows: u64) -> Self {
        Self {
            home: found.here.clone(),
            rows,
            keys: 0,
        }
    }

    /// On all that is said of keys.
    pub(super) fn on_keys(found: &Look) -> Self {
        Self {
            home: found.here.clone(),
            rows: 0,
            keys: found.keys,
        }
    }
}

/// How far the record is known to be durable.
#[derive(Clone, Debug, Default)]
pub(super) struct Durable {
    confirmed: Option<Rests>,
    /// How many waits have ended, and how the last one failed.
    pub(super) ended: u64,
    pub(super) failed: Option<RecordError>,
}

impl Durable {
    /// Whether an answer may be given.
    pub(super) fn covers(&self, rests: &Rests) -> bool {
        self.confirmed.as_ref().is_some_and(|confirmed| {
            confirmed.home == rests.home
                && confirmed.rows >= rests.rows
                && confirmed.keys >= rests.keys
        })
    }

    /// Whether anything was ever confirmed to this process.
    pub(super) fn is_unknown(&self) -> bool {
        self.confirmed.is_none()
    }
}

/// Shared by all that read and write the record in this process.
pub(super) struct Knowledge {
    pub(super) seen: HighWaterMark,
    pub(super) right: guards::LastRight,
    homes: Mutex<Homes>,
    durable: watch::Sender<Durable>,
    /// Those who wait for the standby, for all.
    waits: Mutex<Vec<Wait>>,
}

struct Wait {
    /// For what was read where.
    home: Home,
    since: Instant,
    task: AbortHandle,
}

/// Most waits at once: each holds a connection, of which the server has few, until the standby is back.
const MOST_WAITS: usize = 4;

/// How long a wait is taken for one that will end soon.
const FRESH: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Homes {
    /// Where this process signs.
    settled: Option<Accepted>,
    /// The newest that was seen.
    newest: Option<Home>,
}

impl Knowledge {
    pub(super) fn none(claimed: Claimed) -> Self {
        Self {
            seen: HighWaterMark::nothing(claimed),
            right: guards::LastRight::default(),
            homes: Mutex::default(),
            durable: watch::Sender::default(),
            waits: Mutex::default(),
        }
    }

    /// Where this process signs.
    pub(super) fn settled(&self) -> Option<Accepted> {
        self.homes().settled.clone()
    }

    pub(super) fn settle(&self, accepted: Accepted) {
        self.homes().settled = Some(accepted);
    }

    /// Notes where a peer has seen the record. Who begins remembers nothing, so it cannot tell peers what it gave out on the
    /// former primary.
    pub(super) fn meet(&self, seen: &Home, begins: bool) {
        let mut homes = self.homes();
        let is_newer = match &homes.newest {
            Some(newest) => seen.is_promotion_of(newest),
            None => true,
        };
        if is_newer {
            homes.newest = Some(seen.clone());
        }
        let was_left = |settled: &Accepted| seen.is_promotion_of(&settled.home);
        if begins && homes.settled.as_ref().is_some_and(was_left) {
            homes.settled = None;
        }
    }

    fn homes(&self) -> std::sync::MutexGuard<'_, Homes> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the record is where this process signs.
    fn compare_home(&self, found: &Look) -> Result<(), WentBack> {
        let (mut homes, here) = (self.homes(), &found.here);
        self.check_home(&homes, here)?; // It may have been heard of meanwhile.
        homes.newest = Some(here.clone());
        let is_home = found.accepted.as_ref().is_some_and(|a| &a.home == here);
        if is_home && homes.settled == found.accepted {
            return Ok(());
        }
        Err(WentBack::Moved(Box::new(Moved {
            // All that was ever given out where it was: nothing is added to it from here on.
            seen: self.seen.mark().tree().clone(),
            settled: homes.settled.clone(),
            accepted: found.accepted.clone(),
            here: here.clone(),
            server: found.server.clone(),
        })))
    }

    /// Whether it is the record that this process has seen, where it signs.
    pub(super) fn judge(&self, mark: &Mark, found: &Look) -> Result<(), WentBack> {
        // Where it is, first: a former primary may have fewer rows, and its connection is not used again.
        let compared = self.check_home(&self.homes(), &found.here);
        let compared = compared.and_then(|()| self.seen.check_environment(found.bound));
        let compared = compared.and_then(|()| mark.compare(&found.tree, found.marked.as_deref()));
        let compared = compared.and_then(|()| self.compare_home(found));
        self.seen.note(compared)
    }

    /// Refuses what may be another row than the one that was given out for its place: when the record went back or was moved,
    /// all after those that are known to be the same, and what is missing.
    pub(super) async fn guard(
        &self,
        transaction: &Transaction<'_>,
        mark: &Mark,
        found: &Look,
        last: Option<u64>,
    ) -> Result<(), StoreError> {
        let Err(went_back) = self.judge(mark, found) else {
            return Ok(());
        };
        let same = match went_back {
            WentBack::Fewer { .. } | WentBack::OtherRows { .. } => self.same(transaction).await?,
            _ => mark.rows(),
        };
        match last {
            Some(last) if last <= same => Ok(()),
            _ => Err(RecordError::from(went_back).into()),
        }
    }

    /// How many rows are still the same: up to the last that was once the newest and has its signature still.
    async fn same(&self, transaction: &Transaction<'_>) -> Result<u64, StoreError> {
        let (positions, signatures): (Vec<_>, Vec<_>) = self
            .seen
            .remembered()
            .into_iter()
            .map(|(position, signature)| (to_signed(position), signature))
            .unzip();
        let sql = "SELECT coalesce(max(row.position), 0) FROM unnest($1::bigint[], $2::text[]) AS seen (position, signature) \
                   JOIN checkpoint_signer.signed_checkpoint row USING (position, signature)";
        let statement = transaction.prepare_cached(sql).await?;
        let row = transaction
            .query_one(&statement, &[&positions, &signatures])
            .await?;
        Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
    }

    /// Tells how far the record is durable.
    pub(super) fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.subscribe()
    }

    /// Notes that a commit was confirmed, and so all rows of `tree`, with the signature of the newest; from now on they may be
    /// given out. Whoever was told that this process follows the record to another home was told of all of them.
    ///
    /// # Errors
    /// The record is followed to another home already: what was committed may be lost.
    pub(super) fn confirm(
        &self,
        found: &Look,
        tree: &Frontier,
        newest: Option<&str>,
    ) -> Result<(), WentBack> {
        let homes = self.homes();
        self.check_home(&homes, &found.here)?;
        if let Some(newest) = newest {
            self.seen.advance(tree, newest);
        }
        self.confirm_rests(Rests {
            home: found.here.clone(),
            rows: tree.size(),
            keys: found.keys,
        });
        Ok(())
    }

    /// The same where nothing is signed yet: for what this process knows to be the same there.
    pub(super) fn confirm_same(&self, mark: &Mark, found: &Look) {
        self.confirm_rests(Rests {
            home: found.here.clone(),
            rows: mark.rows().min(found.tree.size()),
            keys: found.keys,
        });
    }

    fn confirm_rests(&self, rests: Rests) {
        self.durable.send_modify(|durable| {
            let before = durable.confirmed.take().filter(|b| b.home == rests.home);
            let (rows, keys) = before.map_or((0, 0), |before| (before.rows, before.keys));
            durable.confirmed = Some(Rests {
                rows: rests.rows.max(rows),
                keys: rests.keys.max(keys),
                ..rests
            });
        });
    }

    /// Whether another one has taken its place.
    fn check_home(&self, homes: &Homes, here: &Home) -> Result<(), WentBack> {
        match &homes.newest {
            // Another connection, or a name that points back: what is written there now, the newer one has not.
            Some(newer) if newer.is_promotion_of(here) => {
                Err(WentBack::FormerHome(Box::new(FormerHome {
                    seen: self.seen.mark().rows(),
                    here: here.clone(),
                    newer: newer.clone(),
                })))
            }
            _ => Ok(()),
        }
    }

    /// Begins to wait for the standby, for what was read at one home, unless that is waited for already.
    pub(super) fn begin_to_wait(&self, rests: &Rests, begin: impl FnOnce() -> AbortHandle) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.retain(|wait| {
            let is_elsewhere = wait.home != rests.home;
            if is_elsewhere {
                // A server that is not asked any more may never answer.
                wait.task.abort();
            }
            !is_elsewhere && !wait.task.is_finished()
        });
        let is_fresh = |wait: &Wait| wait.since.elapsed() < FRESH;
        if waits.len() < MOST_WAITS && !waits.iter().any(is_fresh) {
            waits.push(Wait {
                home: rests.home.clone(),
                since: Instant::now(),
                task: begin(),
            });
        }
    }

    /// A wait has ended.
    pub(super) fn end_to_wait(&self, outcome: Result<(), RecordError>) {
        self.durable.send_modify(|durable| {
            durable.ended += 1;
            durable.failed = outcome.err();
        });
    }
}
