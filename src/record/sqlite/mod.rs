//! The record in one SQLite file: for one machine.
//!
//! WAL and `synchronous=FULL`: a commit returns after its fsync. One thread owns the connection that writes,
//! so that transactions queue in memory instead of fighting for the file's lock; others read.
//!
//! One process owns the file (`owner`); others read it, and add keys. What was opened is looked at again with each job
//! (`identity`), and after an end in order all is in the one file, which says so (`whole`).

mod check;
mod connection;
mod connection_thread;
mod copy;
mod environment;
mod files;
mod frozen;
mod identity;
mod keys;
mod listing;
mod migrations;
mod nodes;
mod open_error;
mod owner;
mod pulse;
mod readers;
mod rows;
mod unchanging;
mod wal;
mod whole;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use tokio::sync::watch;

use super::environment::{Claim, Environment};
use super::high_water_mark::HighWaterMark;
use super::home::{Acceptance, Accepted, Home, Moved};
use super::{
    AppendError, BindError, Depth, Filter, Listing, Pulse, Record, RecordError, RegisterError,
    ResumeError, RevocationOutcome, StoreCheck, WentBack,
};
use checkpoint::checkpoint::{Checkpoint, CheckpointId, LedgerId};
use checkpoint::history::rules::{LedgerState, MaxEntryJump};
use checkpoint::history::{Receipt, ResumeOrder, Resumption};
use checkpoint::key::{KeyId, KeyVersion};
use checkpoint::keyring::{Endorsement, Keyring, Revocation};
use checkpoint::log::batch::Candidate;
use checkpoint::log::tree::{Frontier, Node, NodeId};

use check::Compared;
use connection::{check_header, check_log, connect, end_beside, end_owned, refused};
use connection_thread::ConnectionThread;
use identity::FileIdentity;
pub use open_error::OpenError;
use owner::{How, Ownership};
use readers::Readers;
use rows::whole_as_seen;
use whole::State;

/// A record in a SQLite file.
pub struct SqliteRecord {
    writer: ConnectionThread,
    /// Reads what it takes to sign, and waits for nothing that anybody may ask for.
    signing: ConnectionThread,
    readers: Readers,
    file: Arc<FileIdentity>,
    schema: Arc<Compared>,
    seen: Arc<HighWaterMark>,
    /// Given back when the connections are closed.
    ownership: Mutex<Option<Ownership>>,
}

impl SqliteRecord {
    /// Makes an empty record that no environment has bound yet.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when there is a file already.
    pub fn init(path: &Path) -> Result<(), OpenError> {
        Self::init_in(path, None)
    }

    /// Makes an empty record of an environment.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when there is a file already.
    pub fn init_in(path: &Path, environment: Option<Environment>) -> Result<(), OpenError> {
        let io = |error: &dyn std::fmt::Display| OpenError::Io(path.into(), error.to_string());
        // Claims the name, so that of two that make a record at the same time one is told.
        match std::fs::File::create_new(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(OpenError::Exists(path.into()));
            }
            Err(error) => return Err(io(&error)),
        }
        // Else SQLite would take a name such as `:memory:` for no file.
        let real = path.canonicalize().map_err(|error| io(&error))?;
        let make = || {
            let mut connection = connect(&real)?;
            let transaction = connection.transaction()?;
            migrations::make_record(&transaction)?;
            if let Some(environment) = environment {
                environment::write(&transaction, environment, Utc::now())?;
            }
            transaction.commit()?;
            whole::leave_log(&connection, false)
        };
        make().map_err(|error: rusqlite::Error| {
            // Nothing was recorded in it yet.
            let _ = std::fs::remove_file(path);
            io(&error)
        })
    }

    /// Opens a record that no environment has bound, as [`open_as`](Self::open_as).
    ///
    /// # Errors
    /// [`OpenError`] as there.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_as(path, Claim::Writes(None))
    }

    /// Opens a record that exists, as the one process that may sign into it, and brings its schema up to this program's version.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, it is not one that this program can use, another environment's, or somebody owns it.
    pub fn open_as(path: &Path, claim: Claim) -> Result<Self, OpenError> {
        let real = owner::find(path)?;
        check_header(path, &real)?;
        let ownership = Ownership::take(path, &real)?;
        check_log(path, &real, true)?;
        Self::connect(path, &real, (How::Owned, Some(ownership)), claim)
    }

    /// Opens a record that exists to read it, whosever it is, as [`open_beside_as`](Self::open_beside_as).
    ///
    /// # Errors
    /// [`OpenError`] as there.
    pub fn open_beside(path: &Path) -> Result<Self, OpenError> {
        Self::open_beside_as(path, Claim::Reads(None))
    }

    /// Opens a record that exists, to read it, or to add keys; somebody else may own it meanwhile.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or it is not one that this program can use, or another environment's.
    pub fn open_beside_as(path: &Path, claim: Claim) -> Result<Self, OpenError> {
        let real = owner::find(path)?;
        check_header(path, &real)?;
        if matches!(claim, Claim::Reads(_)) && !frozen::may_be_written(&real) {
            let kept = frozen::keep(path, &real)?;
            return Self::connect(path, &real, (How::Frozen, Some(kept)), claim);
        }
        // An owner has looked at its start, and the log is in motion.
        let nobody = Ownership::keep_away(path, &real)?;
        check_log(path, &real, nobody.is_some())?;
        drop(nobody);
        Self::connect(path, &real, (How::Beside, None), claim)
    }

    fn connect(
        path: &Path,
        real: &Path,
        (how, ownership): (How, Option<Ownership>),
        claim: Claim,
    ) -> Result<Self, OpenError> {
        let io = |error: std::io::Error| OpenError::Io(path.into(), error.to_string());
        let sqlite = |error: rusqlite::Error| refused(path, &error);
        let owned = how == How::Owned;
        let open = || connection::open(path, real, how);
        let mut writing = open()?;
        environment::check(&writing, path, claim)?;
        if owned {
            migrations::bring_up(&mut writing).map_err(sqlite)?;
            whole::begin(&mut writing).map_err(sqlite)?;
        } else if how == How::Beside {
            // Who owns it copies the log into the file.
            let never = writing.pragma_update(None, "wal_autocheckpoint", 0);
            never.map_err(sqlite)?;
        }
        let file = Arc::new(FileIdentity::of(path, real, owned).map_err(io)?);
        let readers = Readers::start(open, io)?;
        let signing = ConnectionThread::start("record-sign", open()?, || {}, |_| {}).map_err(io)?;
        let (of_end, shown) = (Arc::clone(&file), path.to_owned());
        let end = move |connection: &mut Connection| match how {
            How::Owned => end_owned(connection, &of_end, &shown),
            How::Beside => end_beside(connection),
            How::Frozen => {}
        };
        Ok(Self {
            readers,
            signing,
            writer: ConnectionThread::start("record-write", writing, || {}, end).map_err(io)?,
            file,
            schema: Arc::new(Compared::never()),
            seen: Arc::new(HighWaterMark::nothing(environment::claimed(path, claim))),
            ownership: Mutex::new(ownership),
        })
    }

    /// Copies the record as it is now into a file that is empty, while others write it.
    ///
    /// # Errors
    /// [`RecordError`] when one of both fails; then the copy is worth nothing.
    pub async fn copy(&self, to: &Path) -> Result<(), RecordError> {
        let to = to.to_owned();
        self.read(move |connection| copy::copy(connection, &to))
            .await
    }

    /// Ends all connections, the one that writes as the last; then the file may have another owner.
    fn end(&self) {
        self.readers.close();
        self.signing.close();
        self.writer.close();
        let mut ownership = self
            .ownership
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        drop(ownership.take());
    }

    /// Does what changes the record, when its files are the ones that were opened, before and after.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection, &HighWaterMark) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let counted = |connection: &mut Connection, seen: &HighWaterMark| {
            let done = job(connection, seen)?;
            Ok((done, Some(State::read(connection)?.commits)))
        };
        self.writer.write(self.counted(counted)).await
    }

    /// What changes the record and tells the count of its transaction by itself when it wrote, when the files are the ones that were opened.
    fn counted<T, J>(
        &self,
        job: J,
    ) -> impl FnOnce(&mut Connection) -> Result<T, RecordError> + Send + use<T, J>
    where
        J: FnOnce(&mut Connection, &HighWaterMark) -> Result<(T, Option<i64>), RecordError> + Send,
    {
        let (file, seen) = (Arc::clone(&self.file), Arc::clone(&self.seen));
        move |connection: &mut Connection| {
            file.check(&seen)?;
            let (done, commits) = job(connection, &seen)?;
            // What went to a log that is gone is not on record.
            file.wrote(commits);
            file.check(&seen)?;
            Ok(done)
        }
    }

    fn appending(
        &self,
        candidates: Vec<Candidate>,
        max_jump: MaxEntryJump,
    ) -> impl FnOnce(&mut Connection) -> Result<rows::Answers, RecordError> + Send + use<> {
        let schema = Arc::clone(&self.schema);
        self.counted(move |connection: &mut Connection, seen: &HighWaterMark| {
            rows::append(connection, candidates, max_jump, seen, &schema)
        })
    }

    /// Does what it takes to sign, when the files are the ones that were opened.
    async fn look<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection, &HighWaterMark) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let (file, seen) = (Arc::clone(&self.file), Arc::clone(&self.seen));
        let job = move |connection: &mut Connection| {
            file.check(&seen)?;
            job(connection, &seen)
        };
        self.signing.read(job).await
    }

    /// Does what anybody may ask for.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        self.read_on(self.readers.pages(), job).await
    }

    async fn read_on<T: Send + 'static>(
        &self,
        connection_thread: &ConnectionThread,
        job: impl FnOnce(&mut Connection) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let (file, seen) = (Arc::clone(&self.file), Arc::clone(&self.seen));
        // Rows that are lost are not handed out either.
        let job = move |connection: &mut Connection| {
            file.check(&seen)?;
            job(connection)
        };
        connection_thread.read(job).await
    }
}

impl Drop for SqliteRecord {
    fn drop(&mut self) {
        self.end();
    }
}

#[async_trait]
impl Record for SqliteRecord {
    async fn ledger_state(&self, checkpoint: &Checkpoint) -> Result<LedgerState, RecordError> {
        let checkpoint = checkpoint.clone();
        self.look(move |connection, _| rows::ledger_state(connection, &checkpoint))
            .await
    }

    async fn append(
        &self,
        candidates: Vec<Candidate>,
        max_jump: MaxEntryJump,
    ) -> Vec<Result<Receipt, AppendError>> {
        let count = candidates.len();
        let appended = self.writer.write(self.appending(candidates, max_jump));
        rows::each(count, appended.await)
    }

    async fn append_here(
        &self,
        candidates: Vec<Candidate>,
        max_jump: MaxEntryJump,
    ) -> Vec<Result<Receipt, AppendError>> {
        let count = candidates.len();
        let appended = self.writer.write_here(self.appending(candidates, max_jump));
        rows::each(count, appended.await)
    }

    fn takes_the_thread(&self) -> bool {
        true
    }

    async fn get(
        &self,
        ledger_id: &LedgerId,
        checkpoint_id: &CheckpointId,
    ) -> Result<Option<Receipt>, RecordError> {
        let (ledger_id, checkpoint_id) = (ledger_id.clone(), checkpoint_id.clone());
        let seen = Arc::clone(&self.seen);
        let get = move |connection: &mut Connection| {
            whole_as_seen(connection, &seen, |connection| {
                rows::by_id(connection, &ledger_id, &checkpoint_id)
            })
        };
        self.read_on(self.readers.rows(), get).await
    }

    async fn list(&self, filter: &Filter, after: u64, limit: u32) -> Result<Listing, RecordError> {
        let (filter, seen) = (filter.clone(), Arc::clone(&self.seen));
        self.read(move |connection| {
            whole_as_seen(connection, &seen, |connection| {
                listing::list(connection, &filter, after, limit)
            })
        })
        .await
    }

    async fn head(&self) -> Result<Frontier, RecordError> {
        self.look(|connection, seen| rows::head(connection, seen))
            .await
    }

    fn wholeness(&self) -> watch::Receiver<Option<WentBack>> {
        self.seen.wholeness()
    }

    fn as_it_is(&self) -> Option<Arc<dyn Record>> {
        None
    }

    fn home(&self) -> Option<Accepted> {
        None
    }

    fn meet(&self, _: &Home, _: bool) {}

    async fn settle(
        &self,
        _: &Moved,
        _: Option<&Acceptance>,
    ) -> Result<Option<Acceptance>, RecordError> {
        // A file is never promoted.
        Ok(None)
    }

    fn contradict(&self, problem: Option<String>) {
        self.seen.contradict(problem);
    }

    async fn tree_nodes(&self, first: NodeId, limit: u32) -> Result<Vec<Node>, RecordError> {
        self.read(move |connection| nodes::read(connection, first, limit))
            .await
    }

    async fn check_store(&self, depth: Depth) -> Result<StoreCheck, RecordError> {
        let problems = self.read(move |connection| check::check(connection, depth));
        Ok(problems.await?.into())
    }

    async fn newest(&self, limit: u32) -> Result<Vec<Receipt>, RecordError> {
        let seen = Arc::clone(&self.seen);
        self.read(move |connection| {
            whole_as_seen(connection, &seen, |connection| {
                rows::newest(connection, limit)
            })
        })
        .await
    }

    async fn keyring(&self) -> Result<Keyring, RecordError> {
        self.look(|connection, _| keys::keyring(connection)).await
    }

    async fn register_key(
        &self,
        version: &KeyVersion,
        endorsement: Option<&Endorsement>,
        now: DateTime<Utc>,
    ) -> Result<(), RegisterError> {
        let (version, endorsement) = (version.clone(), endorsement.map(Endorsement::compact));
        let register = move |connection: &mut Connection, seen: &HighWaterMark| {
            Ok(keys::register_key(
                connection,
                &version,
                endorsement,
                now,
                seen,
            ))
        };
        self.write(register).await?
    }

    async fn probe(&self, failing: bool) -> Result<(), RecordError> {
        if failing {
            self.file.check_room()?;
        }
        // A disk that is full may have room left in the log: only a write tells.
        let writes = failing || self.file.is_on_a_full_disk();
        let schema = Arc::clone(&self.schema);
        let probe = move |connection: &mut Connection, _: &HighWaterMark| {
            schema.check(connection)?;
            check::check_head_fits(connection)?;
            Ok(pulse::probe(connection, failing, writes)?)
        };
        self.write(probe).await
    }

    async fn environment(&self) -> Result<Option<Environment>, RecordError> {
        self.look(|connection, _| environment::read(connection))
            .await
    }

    async fn bind(&self, environment: Environment, now: DateTime<Utc>) -> Result<(), BindError> {
        let bind = move |connection: &mut Connection, seen: &HighWaterMark| {
            Ok(environment::bind(connection, environment, now, seen))
        };
        self.write(bind).await?
    }

    async fn pulse(&self) -> Result<Pulse, RecordError> {
        self.look(|connection, _| pulse::pulse(connection)).await
    }

    async fn resumptions(&self) -> Result<Vec<Resumption>, RecordError> {
        self.look(|connection, _| pulse::resumptions(connection))
            .await
    }

    async fn resume_clock(&self, order: ResumeOrder) -> Result<Resumption, ResumeError> {
        self.write(move |connection, seen| pulse::resume_clock(connection, &order, seen))
            .await?
    }

    async fn revoke_key(
        &self,
        key_id: &KeyId,
        revocation: Revocation,
    ) -> Result<RevocationOutcome, RecordError> {
        let key_id = key_id.clone();
        self.write(move |connection, seen| keys::revoke_key(connection, &key_id, &revocation, seen))
            .await
    }

    async fn close(&self) {
        self.end();
    }
}
