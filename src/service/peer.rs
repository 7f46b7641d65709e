//! Another replica of the same record: what it says of the record and of revocations, however it is spoken with.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::record::Record;
use crate::record::home::{Accepted, Home};
use crate::record::witness::KnownHead;
use checkpoint::log::proof::TreeHead;

/// How long a peer may take to answer: a start goes on without those that are down.
const PEER_PATIENCE: Duration = Duration::from_secs(5);

/// Another replica of the same record.
#[async_trait]
pub trait Peer: fmt::Debug + Send + Sync {
    /// Where it is.
    fn url(&self) -> &str;

    /// What it says of the record.
    async fn tell(&self) -> PeerReply;

    /// Which keys it says are revoked, or why it does not tell.
    async fn revoked(&self) -> Result<Vec<RevokedKey>, String>;
}

/// A key that a peer says is revoked.
pub struct RevokedKey {
    /// Its name, as the peer told it.
    pub key_id: String,
    /// Seconds since 1970, from which on it is distrusted.
    pub distrust_after: i64,
}

/// What a peer says, and where.
pub struct PeerReply {
    /// What it answers.
    pub answer: PeerAnswer,
    /// Where it signs, and what the record calls that.
    pub signs_at: Option<(Home, String)>,
    /// The newest place where it has seen the record.
    pub newest: Option<Home>,
}

impl PeerReply {
    /// It told nothing, and why.
    pub fn nothing(problem: String) -> Self {
        Self {
            answer: PeerAnswer::None(problem),
            signs_at: None,
            newest: None,
        }
    }

    /// Where the peer has seen the record since, when that has taken the place of `here`.
    pub(super) fn has_left(&self, here: Option<&Accepted>) -> Option<Home> {
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

/// What a peer answers.
pub enum PeerAnswer {
    /// Its head.
    Head(KnownHead),
    /// What it has seen of a record that was moved.
    Moved(SeenBeforeMove),
    /// What contradicts this record.
    Wrong(Wrong),
    /// Nothing, and why.
    None(String),
}

/// What a peer says that no replica of this record may.
pub enum Wrong {
    /// Something else than a head.
    Head(String),
    /// It has seen a newer state than the record has.
    WentBack(String),
}

/// What a peer has seen of a record before it was moved.
pub struct SeenBeforeMove {
    /// The rows, with their root.
    pub seen: TreeHead,
    /// Where it was.
    pub was_at: String,
    /// Where it finds the record now.
    pub is_at: String,
}

/// What a peer says of the record while there is patience.
pub(super) async fn told_in_time(peer: &dyn Peer) -> PeerReply {
    let told = tokio::time::timeout(PEER_PATIENCE, peer.tell()).await;
    told.unwrap_or_else(|_| PeerReply::nothing("no answer in time".into()))
}

/// Which keys a peer says are revoked while there is patience.
///
/// # Errors
/// It does not tell, and why.
pub(super) async fn revoked_in_time(peer: &dyn Peer) -> Result<Vec<RevokedKey>, String> {
    let told = tokio::time::timeout(PEER_PATIENCE, peer.revoked()).await;
    let told = told.unwrap_or_else(|_| Err("no answer in time".into()));
    told.map_err(|problem| {
        format!(
            "{}: does not tell which keys are revoked: {problem}",
            place(peer.url())
        )
    })
}

/// A flag with a peer, for messages.
pub(crate) fn place(url: &str) -> String {
    format!("--peer {url}")
}
