//! What a replica does when the database was promoted, restored or copied beneath it: it compares what is known elsewhere with the
//! record, and signs again when nothing is missing.
//!
//! After a promotion, replicas that name one another find out together. Each tells what it has seen where all of them were, and
//! that it finds the record where the others do; then all that was ever given out there is known, and compared. A replica that
//! has begun since, one that is down, and one that still writes to the former primary each keep that from being known. Then, and
//! for a copy or a backup, an operator says so; each replica still compares what it knows itself.

use std::sync::Arc;

use futures_util::future::join;

use super::peer::{PeerAnswer, SeenBeforeMove, place};
use super::peer_keys;
use super::witnesses::{WitnessError, Witnesses, ask_all};
use crate::audit::{self, Outcome};
use crate::record::home::{Acceptance, Home, Moved};
use crate::record::witness::{self, NotContained};
use crate::record::{Record, RecordError};
use crate::signer::Core;
use checkpoint::log::head::LogName;

/// The record, and what it is compared with.
pub(super) struct Watched {
    pub(super) core: Core,
    pub(super) witnesses: Witnesses,
    pub(super) log: LogName,
}

/// Why nothing is signed yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum Waits {
    /// Something that is known elsewhere is not in the record.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// What is known elsewhere cannot be found out.
    #[error("{0}")]
    Peer(String),
    /// A revocation that is known is not on record, or an endorsement, or a key version.
    #[error(
        "{place}: knows of key {key_id} what the record does not hold any more (a revocation, an endorsement, or the key itself); it is \
             put on record again first"
    )]
    Keys {
        /// Who knows it.
        place: String,
        /// The key.
        key_id: String,
    },
    /// Nobody can find it out.
    #[error("no peer can tell what was signed before: an operator has to")]
    Operator,
    /// The record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Compares, and lets this process sign again when nothing is missing.
pub(super) async fn follow(watched: &Watched, moved: &Moved) -> Result<(), Waits> {
    let Watched {
        core,
        witnesses,
        log,
    } = watched;
    let Core {
        record,
        clock,
        keys,
        ..
    } = core;
    let Some(bare) = record.as_it_is() else {
        return Ok(());
    };
    if !moved.is_accepted() && (!moved.is_promotion() || witnesses.peers.is_empty()) {
        return Err(Waits::Operator);
    }
    witnesses.check_kept(bare.as_ref(), log).await?;
    let (answers, revoked) = join(ask_all(witnesses), peer_keys::ask_all(&witnesses.peers)).await;
    let mut unknown = None;
    for (peer, told) in witnesses.peers.iter().zip(answers) {
        let url = peer.url();
        told.learn(record.as_ref(), url, false);
        let met = |newest: &&Home| newest.is_promotion_of(&moved.here);
        if let Some(newest) = told.newest.as_ref().filter(met) {
            let place = place(url);
            let problem = format!("{place}: has seen {newest}, and this is {}", moved.here);
            return Err(Waits::Peer(problem));
        }
        let signs_here = told.signs_at.is_some_and(|(home, _)| home == moved.here);
        let waits_for = match told.answer {
            PeerAnswer::Wrong(wrong) => return Err(WitnessError::wrong(url, wrong).into()),
            PeerAnswer::None(problem) => Some(format!("--peer {url}: {problem}")),
            PeerAnswer::Head(head) => {
                let contained = witness::check(bare.as_ref(), log, &head).await;
                contained.map_err(WitnessError::from)?;
                (!signs_here).then(|| {
                    format!("--peer {url}: signs where the record was before; expected that it has followed")
                })
            }
            PeerAnswer::Moved(vouched) => {
                let place = place(url);
                let contained = witness::check_seen(bare.as_ref(), &place, vouched.seen);
                contained.await.map_err(WitnessError::from)?;
                (!vouches(&vouched, moved)).then(|| {
                    format!(
                        "--peer {url}: was not where this replica was, or does not find the record where this one does, and \
                         cannot tell what was signed before"
                    )
                })
            }
        };
        unknown = unknown.or(waits_for);
    }
    let known = Arc::clone(&keys.borrow());
    // Read after the peers have answered, each of which knows only what was on record.
    let recorded = bare.keyring().await?;
    let lost = |place: String, key_id: &str| Waits::Keys {
        place,
        key_id: key_id.into(),
    };
    if let Some(entry) = recorded.lacks(&known.keyring).first() {
        let key_id = entry.version().key_id.as_str();
        return Err(lost("this replica".into(), key_id));
    }
    for (peer, revoked) in witnesses.peers.iter().zip(revoked) {
        let url = peer.url();
        match revoked {
            Ok(revoked) => {
                if let Some(key_id) = peer_keys::missing(&recorded, &revoked) {
                    return Err(lost(place(url), key_id));
                }
            }
            Err(problem) => unknown = unknown.or(Some(problem)),
        }
    }
    if moved.is_accepted() {
        // Somebody has answered for what peers that are down may know.
        let on_record = record.settle(moved, None).await?;
        if let Some(Acceptance { who, reason, .. }) = on_record {
            audit::promotion(&who, &moved.here.to_string(), &reason, Outcome::Done);
        }
        return Ok(());
    }
    if let Some(problem) = unknown {
        return Err(Waits::Peer(problem));
    }
    let acceptance = Acceptance {
        who: "the replicas".into(),
        reason: "a promotion: the record has all that each of the peers has seen".into(),
        at: clock.now(),
    };
    record.settle(moved, Some(&acceptance)).await?;
    let Acceptance { who, reason, .. } = &acceptance;
    audit::promotion(who, &moved.here.to_string(), reason, Outcome::Done);
    Ok(())
}

fn vouches(vouched: &SeenBeforeMove, moved: &Moved) -> bool {
    (vouched.was_at.as_str(), vouched.is_at.as_str())
        == (moved.was_at().as_str(), moved.is_at().as_str())
}

/// Compares the record with what peers have, and where they sign: two databases that are both written to are found by that.
pub(super) async fn compare(record: &Arc<dyn Record>, witnesses: &Witnesses, log: &LogName) {
    let mut problem = None;
    for (peer, told) in witnesses.peers.iter().zip(ask_all(witnesses).await) {
        let url = peer.url();
        problem = told.learn(record.as_ref(), url, false).or(problem);
        let contained = match told.answer {
            PeerAnswer::Head(head) => witness::check(record.as_ref(), log, &head).await,
            PeerAnswer::Moved(vouched) => {
                witness::check_seen(record.as_ref(), &place(url), vouched.seen).await
            }
            PeerAnswer::Wrong(wrong) => {
                problem = Some(WitnessError::wrong(url, wrong).to_string());
                continue;
            }
            PeerAnswer::None(_) => continue,
        };
        match contained {
            Ok(()) | Err(NotContained::Record(_)) => {}
            Err(error) => problem = Some(error.to_string()),
        }
    }
    record.contradict(problem);
}
