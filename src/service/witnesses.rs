//! What is known of the record from outside of it, asked before anything is served: known heads, the head file, peers, and
//! the keys of the secret.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tonic::metadata::MetadataMap;
use tonic_types::StatusExt as _;

use super::head_file::{HeadFile, HeadFileError};
use super::peer_keys;
use crate::client::{self, ClientTls};
use crate::grpc::proto::GetRecordHeadRequest;
use crate::grpc::proto::record_service_client::RecordServiceClient;
use crate::grpc::record::{RECORD_HOME, RECORD_HOME_NAME};
use crate::grpc::status::{IS_AT, NEWEST_HOME, SEEN_ROOT, SEEN_ROWS, WAS_AT};
use crate::key::{Keyring, instant_text};
use crate::record::Record;
use crate::record::head::{LogName, SignedHead};
use crate::record::home::{Accepted, Home};
use crate::record::proof::TreeHead;
use crate::record::witness::{self, KnownHead, NotContained};
use crate::verifier::log::AnyHead;

/// How long a peer may take to answer: a start goes on without those that are down.
pub(super) const PEER_PATIENCE: Duration = Duration::from_secs(5);

/// Where to learn how far the record once was. None need be given, and then nothing can be known.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    /// Heads that the record must contain.
    pub known_heads: Vec<KnownHead>,
    /// Where the newest head is kept.
    pub head_file: Option<HeadFile>,
    /// URLs of other replicas of the same record.
    pub peers: Vec<String>,
    /// How to speak TLS with them.
    pub peer_tls: ClientTls,
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
pub struct Untold {
    /// The peer.
    pub url: String,
    /// What it did not tell, and why.
    pub problem: String,
}

impl Untold {
    fn by(url: &str, problem: String) -> Self {
        let url = url.to_owned();
        Self { url, problem }
    }
}

impl WitnessError {
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
    /// [`WitnessError`], the first. A peer that does not answer is none.
    pub async fn check(
        &self,
        record: &dyn Record,
        log: &LogName,
    ) -> Result<Vec<Untold>, WitnessError> {
        self.check_kept(record, log).await?;
        let asked = ask_all(self).await;
        let (mut elsewhere, mut untold) = (None, Vec::new());
        let here = record.home();
        for (url, told) in self.peers.iter().zip(asked) {
            let newer = told.has_left(here.as_ref());
            // What is begun on a former primary serves, and signs nothing.
            elsewhere = told.learn(record, url, true).or(elsewhere);
            match told.answer {
                // The record is read after the peer has answered: it may have grown since this began.
                Answer::Head(head) => {
                    let checked = witness::check(record, log, &head).await;
                    unless_former(url, newer, checked)?;
                }
                Answer::Moved(vouched) => {
                    let checked = witness::check_seen(record, &place(url), vouched.seen).await;
                    unless_former(url, newer, checked)?;
                }
                Answer::Wrong(error) => return Err(error),
                Answer::None(problem) => {
                    tracing::warn!(peer = url, problem, "the peer gave no head of the record");
                    let problem = format!("{}: gave no head of the record: {problem}", place(url));
                    untold.push(Untold::by(url, problem));
                }
            }
        }
        record.contradict(elsewhere);
        Ok(untold)
    }

    /// Checks that the record holds what peers know of revocations, which no head counts. Gives the peers that told nothing.
    ///
    /// # Errors
    /// [`WitnessError`], the first. A peer that does not answer is none.
    pub async fn check_revocations(
        &self,
        record: &dyn Record,
    ) -> Result<Vec<Untold>, WitnessError> {
        let mut untold = Vec::new();
        let told = peer_keys::ask_all(self).await;
        // Read after the peers have answered, each of which knows only what was on record.
        let recorded = record.keyring().await.map_err(NotContained::from)?;
        for (url, revoked) in self.peers.iter().zip(told) {
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
                    untold.push(Untold::by(url, problem));
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

/// What a peer says, and where.
pub(super) struct Told {
    pub(super) answer: Answer,
    /// Where it signs, and what the record calls that.
    pub(super) signs_at: Option<(Home, String)>,
    /// The newest place where it has seen the record.
    pub(super) newest: Option<Home>,
}

impl Told {
    fn nothing(problem: String) -> Self {
        Self {
            answer: Answer::None(problem),
            signs_at: None,
            newest: None,
        }
    }

    fn read(answer: Answer, metadata: &MetadataMap, seen_at: Option<&str>) -> Self {
        let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        let home: Option<Home> = text(RECORD_HOME).and_then(|home| home.parse().ok());
        let seen_at = seen_at.and_then(|home| home.parse().ok());
        Self {
            newest: seen_at.or_else(|| home.clone()),
            signs_at: home.zip(text(RECORD_HOME_NAME).map(str::to_owned)),
            answer,
        }
    }

    /// Where the peer has seen the record since, when that has taken the place of `here`.
    fn has_left(&self, here: Option<&Accepted>) -> Option<Home> {
        let is_newer = |newest: &&Home| here.is_some_and(|here| newest.is_promotion_of(&here.home));
        self.newest.as_ref().filter(is_newer).cloned()
    }

    /// Takes over where the peer has seen the record. Says what is wrong when it signs in another database than this replica.
    pub(super) fn learn(&self, record: &dyn Record, url: &str, begins: bool) -> Option<String> {
        record.meet(self.newest.as_ref()?, begins);
        let (here, (there, name)) = (record.home()?, self.signs_at.as_ref()?);
        let is_apart =
            !there.is_same_database(&here.home) || (*there == here.home && *name != here.name());
        is_apart.then(|| {
            format!(
                "{}: signs at {there} (accepted as {name}), and this replica at {} (accepted as {})",
                place(url),
                here.home,
                here.name()
            )
        })
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

/// What a peer answers.
pub(super) enum Answer {
    /// Its head.
    Head(KnownHead),
    /// What it has seen of a record that was moved.
    Moved(Vouched),
    Wrong(WitnessError),
    None(String),
}

/// What a peer has seen of a record before it was moved.
pub(super) struct Vouched {
    /// The rows, with their root.
    pub(super) seen: TreeHead,
    /// Where it was.
    pub(super) was_at: String,
    /// Where it finds the record now.
    pub(super) is_at: String,
}

impl Vouched {
    fn read(metadata: &HashMap<String, String>) -> Option<Self> {
        let root: [u8; 32] = hex(metadata.get(SEEN_ROOT)?)?.try_into().ok()?;
        Some(Self {
            seen: TreeHead {
                size: metadata.get(SEEN_ROWS)?.parse().ok()?,
                root: root.into(),
            },
            was_at: metadata.get(WAS_AT)?.clone(),
            is_at: metadata.get(IS_AT)?.clone(),
        })
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect()
}

/// Asks each peer.
pub(super) async fn ask_all(witnesses: &Witnesses) -> Vec<Told> {
    let peers = witnesses.peers.iter();
    join_all(peers.map(|url| ask(url, &witnesses.peer_tls))).await
}

/// A flag with a peer, for messages.
pub(super) fn place(url: &str) -> String {
    format!("--peer {url}")
}

async fn ask(url: &str, tls: &ClientTls) -> Told {
    let asked = async {
        let channel = client::connect(url, tls)
            .await
            .map_err(|e| Told::nothing(e.to_string()))?;
        let mut client = RecordServiceClient::new(channel);
        let answer = client.get_record_head(GetRecordHeadRequest {}).await;
        answer.map_err(|status| refused(url, &status))
    };
    let answer = match tokio::time::timeout(PEER_PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(told)) => return told,
        Err(_) => return Told::nothing("no answer in time".into()),
    };
    let (metadata, answer, _) = answer.into_parts();
    let head = answer.record_head.unwrap_or_default();
    let answer = match SignedHead::parse(&head.jws) {
        Ok(head) => {
            let known = KnownHead {
                place: place(url),
                head: AnyHead::Jws(Box::new(head)),
            };
            Answer::Head(known)
        }
        Err(error) => Answer::Wrong(WitnessError::WrongPeer {
            url: url.into(),
            problem: error.to_string(),
        }),
    };
    Told::read(answer, &metadata, None)
}

fn refused(url: &str, status: &tonic::Status) -> Told {
    let problem = status.message().to_owned();
    let info = status.get_details_error_info();
    let told = info.map_or_else(HashMap::new, |info| info.metadata);
    let is_at = told
        .get(IS_AT)
        .and_then(|is_at| is_at.split_once(", started "));
    let seen_at = is_at.map(|(home, _)| home);
    let seen_at = seen_at.or_else(|| told.get(NEWEST_HOME).map(String::as_str));
    let answer = match (Vouched::read(&told), told.contains_key(SEEN_ROWS)) {
        (Some(vouched), _) => Answer::Moved(vouched),
        (None, true) => Answer::Wrong(WitnessError::WentBack {
            url: url.into(),
            problem,
        }),
        (None, false) => Answer::None(problem),
    };
    Told::read(answer, status.metadata(), seen_at)
}

/// Warns of keys that should be on record by now, and were not when the service started.
///
/// A key is recorded within minutes after it was promoted, weeks before its window opens. One whose window is open, and that
/// a record with rows has never seen, is a sign of a backup from before the rollover. It is no proof: the service may have
/// been down, or the record may have been moved, since before the promotion. Refusing would make a late start after a
/// forgotten rollover impossible, so this only says what to look at.
pub(super) fn warn_of_unseen_keys(
    recorded: &Keyring,
    loaded: &Keyring,
    newest_signature: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) {
    let Some(newest) = newest_signature else {
        // A new record has seen no key.
        return;
    };
    for entry in loaded.entries() {
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
