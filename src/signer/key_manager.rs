//! Manages the keys: one task loads them from the source, keeps their public halves on record, lets go
//! of a private half once it may sign no more, and tells everybody of each change.
//!
//! What a refresh cannot read or must refuse leaves the loaded keys in force: signing ends with a window, a
//! revocation or a source that says so, never with an outage.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot, watch};

use super::asking::{self, Asking};
use super::coverage;
use super::heartbeat::{self, Beat};
use super::in_force::{KeysInForce, SourceStatus};
use super::memory::Memory;
use super::refresh::{Refresh, ToldOddities};
use super::refreshes::Refreshes;
use crate::clock::Clock;
use crate::record::{Record, RecordError, RegisterError, RevocationOutcome};
use crate::source::{KeySource, SourceError};
use crate::telemetry::Metrics;
use crate::timekeeping::Timekeeper;
use checkpoint::key::KeyId;
use checkpoint::keyring::{Keyring, Revocation};
use checkpoint::signing::VersionSecret;

/// How often the record's keys are read again in any case. What others bring, the heartbeat tells within moments; a revocation
/// *holds* at once, since the record judges each signature.
const RECORD_EVERY: Duration = Duration::from_secs(10);

/// How long a start waits for the first reading of the source.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// How long the caller of an act waits until health tells of it: some heartbeats.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// Commands that may wait for the task.
const COMMANDS: usize = 64;

/// Why a key is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// No version has this name.
    #[error("key_id: no key version {0} is on record")]
    UnknownKey(KeyId),
    /// The record fails; the key is not revoked.
    #[error(transparent)]
    Record(#[from] RecordError),
}

enum Command {
    Refresh(oneshot::Sender<asking::Answer>),
    Revoke(
        KeyId,
        Revocation,
        oneshot::Sender<Result<(Arc<KeysInForce>, RevocationOutcome), RevokeError>>,
    ),
}

/// The handle on the task that manages the keys.
#[derive(Clone)]
pub struct KeyManager {
    clock: Clock,
    time: Arc<Timekeeper>,
    commands: mpsc::Sender<Command>,
    keys: watch::Receiver<Arc<KeysInForce>>,
    beats: watch::Receiver<Beat>,
}

impl KeyManager {
    /// Reads the record, starts the task, and waits a little for the source to be read.
    ///
    /// # Errors
    /// [`RecordError`] when the record's keys cannot be read. A source that cannot be read is a fault in
    /// [`SourceStatus`], and is retried.
    pub async fn start(
        clock: Clock,
        source: Box<dyn KeySource>,
        record: Arc<dyn Record>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, RecordError> {
        let keys = KeysInForce {
            keyring: record.keyring().await?,
            signing: Vec::new(),
            source: SourceStatus {
                name: source.name().into(),
                ..Default::default()
            },
        };
        let (publisher, keys) = watch::channel(Arc::new(keys));
        let (commands, queue) = mpsc::channel(COMMANDS);
        let time = Arc::new(Timekeeper::new(clock.clone(), source.second_clock()));
        let beats = heartbeat::start(Arc::clone(&record), Arc::clone(&time)).await;
        let mut refreshing = RefreshTask {
            known: None,
            beats: beats.clone(),
            time: Arc::clone(&time),
            refreshes: Refreshes::new(source.poll_every()),
            told: ToldOddities::default(),
            clock: clock.clone(),
            source: source.into(),
            record,
            publisher,
            metrics,
            asking: Asking::default(),
            memory: Memory::default(),
        };
        let (first, loaded) = oneshot::channel();
        let (watched, own) = (keys.clone(), clock.clone());
        tokio::spawn(async move {
            // What is wrong shows in the status, and is retried.
            drop(refreshing.refresh().await);
            let _ = first.send(());
            tokio::spawn(coverage::warn(watched, clock));
            refreshing.run(queue).await;
        });
        // A source that is slow to answer does not keep the service from verifying.
        let _ = tokio::time::timeout(FIRST_PATIENCE, loaded).await;
        Ok(Self {
            clock: own,
            time,
            commands,
            keys,
            beats,
        })
    }

    /// The clock that the keys go by.
    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What judges it.
    pub fn time(&self) -> Arc<Timekeeper> {
        Arc::clone(&self.time)
    }

    /// What the record answers all the time.
    pub(super) fn beats(&self) -> watch::Receiver<Beat> {
        self.beats.clone()
    }

    /// Waits, for a moment at most, until all that is told of the record knows that times go on from an instant.
    pub async fn hear_of(&self, resumed_from: DateTime<Utc>) {
        let mut beats = self.beats.clone();
        let heard = beats.wait_for(|beat| {
            let newest = beat.pulse.as_ref().and_then(|pulse| pulse.newest_signed_at);
            newest.is_none_or(|newest| newest <= resumed_from)
        });
        let _ = tokio::time::timeout(HEARD_WITHIN, heard).await;
    }

    /// The keys as they are now, and whenever they change.
    pub fn keys(&self) -> watch::Receiver<Arc<KeysInForce>> {
        self.keys.clone()
    }

    /// Reads the source. What others ask for meanwhile is answered by the same reading, and a source that charges for
    /// its calls is not read for it more often than every few seconds.
    ///
    /// # Errors
    /// [`SourceError`] when it cannot be read or something in it is refused; the keys stay in force.
    pub async fn refresh(&self) -> Result<Arc<KeysInForce>, SourceError> {
        let (answer, result) = oneshot::channel();
        let gone = |_| SourceError::Unavailable("the service is shutting down".into());
        let sent = self.commands.send(Command::Refresh(answer)).await;
        sent.map_err(|_| gone(()))?;
        result.await.map_err(|_| gone(()))?
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// [`RevokeError`] when it is unknown, or the record fails.
    pub async fn revoke(
        &self,
        key_id: KeyId,
        revocation: Revocation,
    ) -> Result<(Arc<KeysInForce>, RevocationOutcome), RevokeError> {
        let (answer, result) = oneshot::channel();
        let gone = |_| RecordError::Unavailable("the service is shutting down".into());
        let command = Command::Revoke(key_id, revocation, answer);
        let sent = self.commands.send(command).await;
        sent.map_err(|_| gone(()))?;
        result.await.map_err(|_| gone(()))?
    }
}

/// Owns the private keys. Nobody else replaces them.
struct RefreshTask {
    clock: Clock,
    source: Arc<dyn KeySource>,
    record: Arc<dyn Record>,
    publisher: watch::Sender<Arc<KeysInForce>>,
    refreshes: Refreshes,
    told: ToldOddities,
    metrics: Arc<Metrics>,
    asking: Asking,
    time: Arc<Timekeeper>,
    beats: watch::Receiver<Beat>,
    /// At how many rows the record's keys were read.
    known: Option<u64>,
    memory: Memory,
}

impl RefreshTask {
    async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut record_due = tokio::time::interval(RECORD_EVERY);
        loop {
            let (edge, due) = self.next();
            let may_read = self.asking.may_read(self.source.api_calls().is_some());
            tokio::select! {
                command = queue.recv() => match command {
                    None => return,
                    Some(command) => self.obey(command).await,
                },
                () = tokio::time::sleep_until(may_read), if self.asking.are_there() => {
                    self.answer_all().await;
                }
                () = self.source.changed() => drop(self.refresh().await),
                () = self.clock.sleep_until(due.unwrap_or_default()), if due.is_some() => {
                    drop(self.refresh().await);
                }
                () = self.clock.sleep_until(edge.unwrap_or_default()), if edge.is_some() => {
                    self.settle(self.keys().keyring.clone());
                }
                _ = record_due.tick() => self.follow_record().await,
                changed = self.beats.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.follow_changes().await;
                    if self.time.wants_reading() {
                        drop(self.refresh().await);
                    }
                }
            }
        }
    }

    /// When the next window opens or ends, and when the source is to be read.
    fn next(&self) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let (keys, now) = (self.keys(), self.clock.now());
        let edge = keys.keyring.next_edge(now);
        (edge, self.refreshes.due(now, edge, keys.want_refresh(now)))
    }

    fn keys(&self) -> Arc<KeysInForce> {
        Arc::clone(&self.publisher.borrow())
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Refresh(answer) => self.asking.add(answer),
            Command::Revoke(key_id, revocation, answer) => {
                let _ = answer.send(self.revoke(key_id, revocation).await);
            }
        }
    }

    async fn answer_all(&mut self) {
        let asking = self.asking.take();
        let refreshed = self.refresh().await;
        for answer in asking {
            let refreshed = refreshed.clone().map(|()| self.keys());
            let _ = answer.send(refreshed);
        }
    }

    async fn revoke(
        &mut self,
        key_id: KeyId,
        revocation: Revocation,
    ) -> Result<(Arc<KeysInForce>, RevocationOutcome), RevokeError> {
        let revoke = || self.record.revoke_key(&key_id, revocation.clone());
        let mut revoked = revoke().await?;
        if revoked == RevocationOutcome::Unknown {
            self.register_staged(&key_id).await?;
            revoked = revoke().await?;
        }
        match revoked {
            RevocationOutcome::Before => tracing::info!(%key_id, "a key was revoked before"),
            _ => tracing::warn!(%key_id, "a key is revoked"),
        }
        if let Err(error) = self.read_record().await {
            // It is on record, so it holds, whatever else the record has.
            tracing::warn!(%error, "the record's keys cannot be read");
            let mut keyring = self.keys().keyring.clone();
            keyring.revoke(&key_id, revocation);
            self.settle(keyring);
        }
        Ok((self.keys(), revoked))
    }

    /// Puts a version on record that is only staged, so that its revocation can be kept.
    async fn register_staged(&self, key_id: &KeyId) -> Result<(), RevokeError> {
        let (keys, unknown) = (self.keys(), RevokeError::UnknownKey(key_id.clone()));
        let entry = keys.keyring.get(key_id).ok_or(unknown)?;
        let registered =
            self.record
                .register_key(entry.version(), entry.endorsement(), self.clock.now());
        match registered.await {
            Ok(()) => Ok(()),
            Err(RegisterError::Store(error)) => Err(error.into()),
            // Its key is on record under another name.
            Err(RegisterError::Conflict(_)) => Err(RevokeError::UnknownKey(key_id.clone())),
        }
    }

    /// Reads the record's keys if the heartbeat says that there are others.
    async fn follow_changes(&mut self) {
        let rows = self
            .beats
            .borrow_and_update()
            .pulse
            .as_ref()
            .map(|pulse| pulse.key_rows);
        if rows.is_some() && rows != self.known {
            self.follow_record().await;
        }
    }

    async fn follow_record(&mut self) {
        if let Err(error) = self.read_record().await {
            tracing::warn!(%error, "the record's keys cannot be read");
        }
    }

    /// Takes over what the record knows: versions and revocations that others brought.
    async fn read_record(&mut self) -> Result<(), RecordError> {
        // What is added while it is read is read once more.
        let rows = self
            .beats
            .borrow()
            .pulse
            .as_ref()
            .map(|pulse| pulse.key_rows);
        let (keyring, before) = (self.record.keyring().await?, self.keys());
        self.settle(before.over(keyring.clone()));
        // Until it is put right, it is read again with each change.
        self.known = None;
        let now = self.clock.now();
        let putting = self
            .memory
            .put_right(self.record.as_ref(), &keyring, &before.keyring, now);
        if putting.await {
            self.known = rows;
        }
        Ok(())
    }

    /// Reads the source, takes over what is good, and logs what is not.
    async fn refresh(&mut self) -> Result<(), SourceError> {
        self.asking.note();
        let refreshed = self.try_refresh().await;
        self.refreshes.note(self.clock.now(), refreshed.is_ok());
        self.metrics.refreshed(refreshed.is_ok());
        if let Err(error) = &refreshed {
            tracing::error!(source = self.source.name(), %error, "the keys were not refreshed");
        }
        refreshed
    }

    async fn try_refresh(&mut self) -> Result<(), SourceError> {
        let loaded = self.load().await;
        let before = self.keys();
        let mut next = Refresh {
            signing: Vec::new(),
            faults: Vec::new(),
            metrics: Arc::clone(&self.metrics),
            keyring: match self.record.keyring().await {
                Ok(keyring) => keyring,
                Err(error) => {
                    self.note_faults(vec![error.to_string()]);
                    return Err(SourceError::Unavailable(error.to_string()));
                }
            },
            told: mem::take(&mut self.told),
        };
        let mut outcome = Ok(());
        match loaded {
            Err(error) => {
                next.faults.push(error.to_string());
                outcome = Err(error);
            }
            Ok(versions) => {
                for version in versions {
                    next.take(version, self.record.as_ref(), self.clock.now())
                        .await;
                }
                if !next.faults.is_empty() {
                    outcome = Err(SourceError::Refused(next.faults.join("; ")));
                }
            }
        }
        if !next.faults.is_empty() {
            next.keep(&before);
        }
        self.told = next.take_told();
        let now = self.clock.now();
        let last_success = match next.faults.is_empty() {
            true => Some(now),
            false => before.source.last_success,
        };
        self.publish(KeysInForce {
            keyring: next.keyring,
            signing: next.signing,
            source: SourceStatus {
                name: self.source.name().into(),
                was_read: true,
                last_success,
                faults: next.faults,
                api_calls: self.source.api_calls(),
            },
        });
        outcome
    }

    /// Reads the source. It may be slow; what others bring to the record is taken over meanwhile.
    async fn load(&mut self) -> Result<Vec<VersionSecret>, SourceError> {
        let source = Arc::clone(&self.source);
        let loading = source.load();
        tokio::pin!(loading);
        loop {
            tokio::select! {
                loaded = &mut loading => return loaded,
                Ok(()) = self.beats.changed() => self.follow_changes().await,
            }
        }
    }

    fn note_faults(&self, faults: Vec<String>) {
        let before = self.keys();
        self.publish(KeysInForce {
            keyring: before.keyring.clone(),
            signing: before.signing.clone(),
            source: SourceStatus {
                faults,
                ..before.source.clone()
            },
        });
    }

    /// The same keys under a keyring that may know more, or at a later time.
    fn settle(&self, keyring: Keyring) {
        let before = self.keys();
        self.publish(KeysInForce {
            keyring,
            signing: before.signing.clone(),
            source: before.source.clone(),
        });
    }

    /// Forgets nothing that is for ever, and lets go of private halves that may sign no more: dropping the last reference wipes
    /// them.
    fn publish(&self, mut keys: KeysInForce) {
        let now = self.clock.now();
        keys.keyring.remember(&self.keys().keyring);
        keys.signing.retain(|key| {
            let entry = keys.keyring.get(&key.version().key_id);
            let live = entry.is_some_and(|e| e.is_trusted() && e.revocation().is_none());
            live && now < key.version().window.until()
        });
        self.publisher.send_replace(Arc::new(keys));
    }
}
