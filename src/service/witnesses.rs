//! What is known of the record from outside of it, asked before anything is served: known heads, the head file, peers, and
//! the keys of the secret.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::sync::watch;

use super::head_file::{HeadFile, HeadFileError};
use super::peer::{Peer, PeerAnswer, PeerReply, Wrong, place, told_in_time};
use super::peer_keys;
use crate::clock::Clock;
use crate::record::Record;
use crate::record::home::Home;
use crate::record::witness::{self, KnownHead, NotContained};
use crate::signer::KeysInForce;
use checkpoint::key::instant_text;
use checkpoint::keyring::Keyring;
use checkpoint::log::head::LogName;

/// Where to learn how far the record once was. None need be given, and then nothing can be known.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    /// Heads that the record must contain.
    pub known_heads: Vec<KnownHead>,
    /// Where the newest head is kept.
    pub head_file: Option<HeadFile>,
    /// Other replicas of the same record.
    pub peers: Vec<Arc<dyn Peer>>,
}

/// Why the record is not the newest state of itself.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A head that was given, or a peer's.
    #[error(transparent)]
    NotContained(#[from] NotContained),
    /// The head file.
    #[error(transparent)]
    HeadFile(#[from] HeadFileError),
    /// A peer gives something else than a head.
    #[error("--peer {url}: its head is wrong: {problem}; expected a replica of this record")]
    WrongPeer {
        /// The peer.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// A peer knows of a revocation.
    #[error(
        "{place}: knows that key {key_id} is revoked, and the record does not hold that, or from later on; it is put on record again \
         first: `checkpoint-signer keys revoke {key_id}`, to a service on this record"
    )]
    Revoked {
        /// Who knows it.
        place: String,
        /// The key.
        key_id: String,
    },
    /// A peer that runs has seen a newer state.
    #[error("--peer {url}: says of this same record: {problem}")]
    WentBack {
        /// The peer.
        url: String,
        /// What it says.
        problem: String,
    },
}

/// A peer that did not tell what it was asked for.
#[derive(Clone, Debug)]
pub struct SilentPeer {
    /// The peer.
    pub url: String,
    /// What it did not tell, and why.
    pub problem: String,
}

impl SilentPeer {
    fn by(url: &str, problem: String) -> Self {
        let url = url.to_owned();
        Self { url, problem }
    }
}

impl WitnessError {
    pub(super) fn wrong(url: &str, wrong: Wrong) -> Self {
        let url = url.to_owned();
        match wrong {
            Wrong::Head(problem) => Self::WrongPeer { url, problem },
            Wrong::WentBack(problem) => Self::WentBack { url, problem },
        }
    }

    /// Whether rows may be missing from the record, which can be put back.
    pub fn is_of_missing_rows(&self) -> bool {
        match self {
            Self::NotContained(error) | Self::HeadFile(HeadFileError::NotContained(error)) => {
                error.is_of_missing_rows()
            }
            Self::WentBack { .. } => true,
            Self::HeadFile(_) | Self::WrongPeer { .. } | Self::Revoked { .. } => false,
        }
    }
}

impl Witnesses {
    /// Checks the record against all of them. Gives the peers that told nothing, and why.
    ///
    /// # Errors
    /// [`WitnessError`], the first. A peer that does not answer is no error.
    pub async fn check(
        &self,
        record: &dyn Record,
        log: &LogName,
    ) -> Result<Vec<SilentPeer>, WitnessError> {
        self.check_kept(record, log).await?;
        let asked = ask_all(self).await;
        let (mut elsewhere, mut untold) = (None, Vec::new());
        let here = record.home();
        for (peer, told) in self.peers.iter().zip(asked) {
            let url = peer.url();
            let newer = told.has_left(here.as_ref());
            // What is begun on a former primary serves, and signs nothing.
            elsewhere = told.learn(record, url, true).or(elsewhere);
            match told.answer {
                // The record is read after the peer has answered: it may have grown since this began.
                PeerAnswer::Head(head) => {
                    let checked = witness::check(record, log, &head).await;
                    unless_former(url, newer, checked)?;
                }
                PeerAnswer::Moved(vouched) => {
                    let checked = witness::check_seen(record, &place(url), vouched.seen).await;
                    unless_former(url, newer, checked)?;
                }
                PeerAnswer::Wrong(wrong) => return Err(WitnessError::wrong(url, wrong)),
                PeerAnswer::None(problem) => {
                    tracing::warn!(peer = url, problem, "the peer gave no head of the record");
                    let problem = format!("{}: gave no head of the record: {problem}", place(url));
                    untold.push(SilentPeer::by(url, problem));
                }
            }
        }
        record.contradict(elsewhere);
        Ok(untold)
    }

    /// Checks that the record holds what peers know of revocations, which no head counts. Gives the peers that told nothing.
    ///
    /// # Errors
    /// [`WitnessError`], the first. A peer that does not answer is no error.
    pub async fn check_revocations(
        &self,
        record: &dyn Record,
    ) -> Result<Vec<SilentPeer>, WitnessError> {
        let mut untold = Vec::new();
        let told = peer_keys::ask_all(&self.peers).await;
        // Read after the peers have answered, each of which knows only what was on record.
        let recorded = record.keyring().await.map_err(NotContained::from)?;
        for (peer, revoked) in self.peers.iter().zip(told) {
            let url = peer.url();
            match revoked {
                Ok(revoked) => {
                    if let Some(key_id) = peer_keys::missing(&recorded, &revoked) {
                        return Err(WitnessError::Revoked {
                            place: place(url),
                            key_id: key_id.into(),
                        });
                    }
                }
                Err(problem) => {
                    tracing::warn!(peer = url, problem, "the peer told no keys");
                    untold.push(SilentPeer::by(url, problem));
                }
            }
        }
        Ok(untold)
    }

    /// Checks the record against the heads that are kept.
    ///
    /// # Errors
    /// [`WitnessError`], the first.
    pub(super) async fn check_kept(
        &self,
        record: &dyn Record,
        log: &LogName,
    ) -> Result<(), WitnessError> {
        for known in &self.known_heads {
            witness::check(record, log, known).await?;
        }
        if let Some(head_file) = &self.head_file {
            head_file.check(record, log).await?;
        }
        Ok(())
    }
}

/// A former primary lacks what was signed since another one took its place: no state of it to be restored, but the wrong server.
fn unless_former(
    url: &str,
    newer: Option<Home>,
    checked: Result<(), NotContained>,
) -> Result<(), NotContained> {
    match (checked, newer) {
        (Err(error), Some(newer)) if error.is_of_missing_rows() => {
            tracing::error!(
                peer = url, %newer, %error,
                "this replica was led to a former primary: its peer has seen the one that took its place. Nothing is signed here; \
                 keys and verification are served. Lead it to the new primary, and restore nothing"
            );
            Ok(())
        }
        (checked, _) => checked,
    }
}

/// Asks each peer.
pub(super) async fn ask_all(witnesses: &Witnesses) -> Vec<PeerReply> {
    let peers = witnesses.peers.iter();
    join_all(peers.map(|peer| told_in_time(peer.as_ref()))).await
}

/// Warns of keys that should be on record by now, and were not when the service started, as soon as their source was read.
///
/// A key is recorded within minutes after it was promoted, weeks before its window opens. One whose window is open, and that
/// a record with rows has never seen, is a sign of a backup from before the rollover. It is no proof: the service may have
/// been down, or the record may have been moved, since before the promotion. Refusing would make a late start after a
/// forgotten rollover impossible, so this only says what to look at.
pub(super) async fn warn_of_unseen_keys(
    recorded: Keyring,
    mut keys: watch::Receiver<Arc<KeysInForce>>,
    newest_signature: Option<DateTime<Utc>>,
    clock: Clock,
) {
    let Some(newest) = newest_signature else {
        // A new record has seen no key.
        return;
    };
    let read = keys.wait_for(|keys| keys.source.last_success.is_some());
    let Ok(loaded) = read.await.map(|keys| Arc::clone(&keys)) else {
        return;
    };
    let now = clock.now();
    for entry in loaded.keyring.entries() {
        let version = entry.version();
        let (key_id, opened) = (&version.key_id, version.window.from());
        if entry.is_trusted() && opened <= now && recorded.get(key_id).is_none() {
            tracing::warn!(
                %key_id,
                valid_from = instant_text(opened),
                newest_signature = instant_text(newest),
                "the record had never seen this key, though its window is open: unless the service has been down since before \
                 the key was promoted, the record was restored from an older backup, and what was signed since would be signed \
                 again; compare the newest published checkpoints with it"
            );
        }
    }
}
