//! The folder of `serve --dev`: a key for each year, a record and an example, and what a person is told of them.
//!
//! Nothing in it is ever taken away: a year's key stays in the file when the next one is added, and what it signed verifies. The
//! key file is replaced as a whole, so that no start that is cut off leaves half of one.

use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use zeroize::Zeroizing;

use super::again::{program, word};
use super::place::RecordPlace;
use super::{Failure, dev_keys, input, print};
use crate::clock::Clock;
use crate::record::Record;
use crate::record::environment::Claim;
use crate::service::{Service, StartError};
use checkpoint::history::rules::CLOCK_TOLERANCE;
use checkpoint::key::{
    Algorithm, DEFAULT_MODULUS_BITS, KeyId, KeyVersion, StagingLabel, ValidityWindow, WindowError,
    instant_text,
};
use checkpoint::signing::{KeySecret, VersionSecret};
use checkpoint::visible::visible;

/// The checkpoint to try out.
const EXAMPLE: &str = include_str!("../../examples/checkpoint.json");

/// When the next key is added: before the log warns that signing ends.
const AHEAD: TimeDelta = TimeDelta::days(61);

/// Between two looks at the clock: how late a service that was asleep over New Year has its key.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The folder.
#[derive(Clone)]
pub(super) struct DevFolder {
    path: PathBuf,
    /// The flags that say where to listen, as they were given.
    listens: String,
}

/// A key of its file.
struct Kept {
    secret: KeySecret,
    is_trusted: bool,
}

impl Kept {
    fn window(&self) -> ValidityWindow {
        self.secret.version().window
    }
}

/// What was done so that a key can sign, now and for a while.
pub(super) struct Covered {
    added: Vec<KeyVersion>,
    /// Whether there were keys before.
    had_keys: bool,
    /// When to look again.
    due: DateTime<Utc>,
}

impl Covered {
    /// A line for each key that was added.
    fn news(&self) -> String {
        let before = match self.had_keys {
            true => "; what the keys before it signed verifies as ever",
            false => "",
        };
        let line = |version: &KeyVersion| {
            let (key_id, window) = (&version.key_id, version.window);
            format!("new key {key_id}, signs {window}{before}\n")
        };
        self.added.iter().map(line).collect()
    }
}

/// Whether a key is to be added.
enum Missing {
    Window(ValidityWindow),
    /// None before this instant.
    Nothing(DateTime<Utc>),
}

impl DevFolder {
    /// Makes it with its example, if there is none.
    pub(super) fn make(path: &Path, listens: String) -> Result<Self, Failure> {
        let folder = Self {
            path: path.into(),
            listens,
        };
        let example = folder.file("checkpoint.json");
        let make = || {
            std::fs::create_dir_all(path)?;
            match example.exists() {
                true => Ok(()),
                false => input::replace(&example, EXAMPLE),
            }
        };
        make().map_err(|error: std::io::Error| {
            folder.other(&format!(
                "is no folder that can be written to: {error}; expected one of yours"
            ))
        })?;
        Ok(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where its keys are.
    pub(super) fn keys(&self) -> PathBuf {
        self.file("key.json")
    }

    /// Opens its record, or another one that is named, for the service. One in SQLite is made if there is none.
    pub(super) async fn record(
        &self,
        named: Option<&RecordPlace>,
    ) -> Result<(RecordPlace, Arc<dyn Record>), Failure> {
        let own = self.file("record.sqlite");
        let place = match named {
            Some(place) => place.clone(),
            None => RecordPlace::Sqlite(own.clone()),
        };
        let refused = |failure: Failure| match named {
            Some(_) => failure,
            // Without a key, nothing was signed.
            None if !self.keys().exists() && own.exists() => self.cut_off(&failure.message()),
            None => self.other(&failure.message()),
        };
        if let RecordPlace::Sqlite(path) = &place
            && !path.exists()
        {
            place.init(None).await.map_err(refused)?;
        }
        // What is tried out is no environment's.
        let record = place.serve(Claim::Writes(None)).await.map_err(refused)?;
        Ok((place, record))
    }

    fn cut_off(&self, problem: &str) -> Failure {
        let folder = word(&self.path.display().to_string());
        Failure::Impossible(format!(
            "--data: {problem}. There is no key beside it: a first start was cut off, and nothing was signed. Put the folder aside and start \
             again: mv {folder} {folder}.aside && {}",
            self.command(&self.path, false)
        ))
    }

    /// Adds a key for now, and one for what comes soon, where there is none.
    ///
    /// # Errors
    /// The key file cannot be read or written, or the clock went back.
    pub(super) async fn cover(
        &self,
        clock: &Clock,
        record: &dyn Record,
    ) -> Result<Covered, Failure> {
        let pulse = record.pulse().await.map_err(Failure::impossible)?;
        let mut covered = Covered {
            added: Vec::new(),
            had_keys: self.keys().exists(),
            due: clock.now(),
        };
        // The one for now, then the next; no more, so that this ends whatever the file holds.
        for _ in 0..2 {
            let (now, text) = (clock.now(), self.read_keys()?);
            let kept = self.parse(text.clone()).await?;
            self.check_clock(now, pulse.newest_signed_at, &kept)?;
            let window = match missing(now, &kept).map_err(Failure::impossible)? {
                Missing::Window(window) => window,
                Missing::Nothing(until) => {
                    covered.due = until;
                    break;
                }
            };
            covered.due = window.until() - AHEAD;
            let version = self.add(window, now, kept, text, record).await?;
            covered.added.push(version);
        }
        Ok(covered)
    }

    /// Goes on adding keys, for as long as it is polled.
    pub(super) async fn keep_covered(self, from: Covered, clock: Clock, record: Arc<dyn Record>) {
        let (mut due, mut told) = (from.due, String::new());
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if clock.now() < due {
                continue;
            }
            match self.cover(&clock, record.as_ref()).await {
                Ok(covered) => {
                    due = covered.due;
                    told.clear();
                    // Whoever reads this may have gone.
                    let _ = print(&covered.news());
                }
                Err(failure) if failure.message() != told => {
                    told = failure.message();
                    tracing::warn!("no key was added for what comes: {}", visible(&told));
                }
                Err(_) => {}
            }
        }
    }

    fn read_keys(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.keys();
        if !path.exists() {
            return Ok(None);
        }
        let read = files::read(&path, dev_keys::MAX_FILE_BYTES).map(Zeroizing::new);
        let text = read.map_err(|error| self.unreadable(&error))?;
        let text = std::str::from_utf8(&text).map_err(|error| self.unreadable(&error))?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }

    async fn parse(&self, text: Option<Zeroizing<String>>) -> Result<Vec<Kept>, Failure> {
        let Some(text) = text else {
            return Ok(Vec::new());
        };
        // Validating keys is RSA arithmetic: not for the reactor.
        let parsed = tokio::task::spawn_blocking(move || VersionSecret::parse_file(&text));
        let parsed = parsed.await.map_err(Failure::impossible)?;
        let versions = parsed.map_err(|error| self.unreadable(&error))?;
        let kept = |VersionSecret { stages, secret }| {
            let secret = secret.map_err(|error| self.unreadable(&error))?;
            let is_trusted = StagingLabel::is_trust(&stages);
            Ok(Kept { secret, is_trusted })
        };
        versions.into_iter().map(kept).collect()
    }

    fn check_clock(
        &self,
        now: DateTime<Utc>,
        newest: Option<DateTime<Utc>>,
        kept: &[Kept],
    ) -> Result<(), Failure> {
        let shown = instant_text(now);
        let refused = |than: String| {
            self.other(&format!(
                "the clock shows {shown}, which is before {than}: it went back, or was ahead then. Nothing was changed; expected the \
                 clock to be set right"
            ))
        };
        if let Some(newest) = newest.filter(|newest| *newest > now + CLOCK_TOLERANCE) {
            let newest = instant_text(newest);
            return Err(refused(format!(
                "the newest signature of its record, {newest}"
            )));
        }
        let windows: Vec<_> = trusted_windows(kept).collect();
        let later = windows.iter().map(ValidityWindow::from);
        let later = later.filter(|from| *from > now).min();
        match later.filter(|_| !windows.iter().any(|window| window.contains(now))) {
            Some(from) => Err(refused(format!(
                "the window of its key, {}",
                instant_text(from)
            ))),
            None => Ok(()),
        }
    }

    async fn add(
        &self,
        window: ValidityWindow,
        now: DateTime<Utc>,
        kept: Vec<Kept>,
        text: Option<Zeroizing<String>>,
        record: &dyn Record,
    ) -> Result<KeyVersion, Failure> {
        let keyring = record.keyring().await.map_err(Failure::impossible)?;
        let is_taken = |name: &KeyId| {
            let is_in_file = |key: &Kept| key.secret.version().key_id == *name;
            keyring.get(name).is_some() || kept.iter().any(is_in_file)
        };
        let name = dev_keys::free_name(window.from().year(), is_taken)?;
        // It endorses the one after it, unless it is revoked: then its word is worth nothing.
        let endorses = |key: &Kept| {
            let entry = keyring.get(&key.secret.version().key_id);
            key.is_trusted
                && key.window().contains(now)
                && entry.is_none_or(|entry| entry.revocation().is_none())
        };
        let endorser = kept.into_iter().find(endorses);
        let made = tokio::task::spawn_blocking(move || {
            let endorser = endorser.map(|key| key.secret.into_signing_key());
            let endorser = endorser.as_ref().and_then(|key| key.open_at(now).ok());
            KeySecret::generate(
                name,
                window,
                Algorithm::default(),
                DEFAULT_MODULUS_BITS,
                endorser.as_ref(),
            )
        });
        let made = made.await.map_err(Failure::impossible)?;
        let (document, secret) = made.map_err(Failure::impossible)?;
        let both = match &text {
            None => document,
            Some(text) => {
                dev_keys::add(text, &document).map_err(|error| self.unreadable(&error))?
            }
        };
        input::replace(&self.keys(), &both).map_err(|error| {
            let path = self.keys();
            self.other(&format!("{} cannot be written: {error}", path.display()))
        })?;
        // Before the service reads it: a key that a record with rows has never seen is a sign of an old backup.
        let registered = record.register_key(secret.version(), secret.endorsement(), now);
        registered.await.map_err(Failure::impossible)?;
        Ok(secret.version().clone())
    }

    fn unreadable(&self, error: &dyn Display) -> Failure {
        let path = self.keys();
        let name = word(&path.display().to_string());
        Failure::Impossible(format!(
            "--data: {}: {error}. Where a first start was cut off, nothing was signed by it; put it aside, and a new key is made: \
             mv {name} {name}.aside && {}",
            path.display(),
            self.command(&self.path, false)
        ))
    }

    /// A refusal of this folder, with the command that tries out in another one.
    fn other(&self, problem: &str) -> Failure {
        let name = self
            .path
            .file_name()
            .unwrap_or(OsStr::new("checkpoint-signer-data"));
        let name = name.to_string_lossy();
        let mut other = PathBuf::from(format!("{name}-2"));
        for number in 3..100 {
            if !other.exists() {
                break;
            }
            other = PathBuf::from(format!("{name}-{number}"));
        }
        Failure::Impossible(format!(
            "--data: {}: {problem}. To try out in a folder of its own: {}",
            self.path.display(),
            self.command(&other, true)
        ))
    }

    fn command(&self, folder: &Path, free_ports: bool) -> String {
        let folder = word(&folder.display().to_string());
        let ports = match free_ports {
            true => " --grpc 127.0.0.1:0 --http 127.0.0.1:0",
            false => &self.listens,
        };
        format!("{} serve --dev --data {folder}{ports}", program())
    }

    /// Why the service does not start, with what to do where that is known.
    pub(super) fn refused(&self, error: &StartError) -> Failure {
        Failure::Impossible(match error {
            StartError::Listen { .. } => format!(
                "{error}; another service may be running there already. To listen on free ports: {}",
                self.command(&self.path, true)
            ),
            other => other.to_string(),
        })
    }

    /// What a person reads first, and the commands to try, ready to be copied.
    pub(super) fn what_next(&self, service: &Service, covered: Option<&Covered>) -> String {
        let program = program();
        let program = visible(&program);
        let server = format!("http://{}", service.grpc());
        let file = |name| visible(&word(&self.file(name).display().to_string())).into_owned();
        let (checkpoint, signed) = (file("checkpoint.json"), file("signed.json"));
        let keyring = file("keyring.json");
        let data = self.path.display().to_string();
        let data = visible(&data);
        let http = service.http().map(|http| format!("http://{http}"));
        let page = http
            .as_ref()
            .map(|http| format!(", {http}/ (a page for auditors)"));
        let also = http
            .map(|http| format!("HTTP on {http}\n"))
            .unwrap_or_default();
        let metrics = service.metrics();
        let metrics = metrics.map(|metrics| format!("metrics on http://{metrics}/metrics\n"));
        let sign = format!("{program} sign {checkpoint} --server {server} > {signed}");
        format!(
            "\
A service to try out signs on {server} (gRPC){}; next, in another terminal: {sign}
gRPC on {server}
{also}{}{}
For trying out only: the key is a plain file in {data}.

Try next, in another terminal:

  # sign a checkpoint
  {sign}

  # verify it by asking the service
  {program} verify {signed} --server {server}

  # verify it offline, as an auditor does
  {program} keys export --server {server} > {keyring}
  {program} verify {signed} --keys {keyring}

End with Ctrl-C.
",
            page.unwrap_or_default(),
            metrics.unwrap_or_default(),
            covered.map(Covered::news).unwrap_or_default(),
        )
    }
}

fn trusted_windows(kept: &[Kept]) -> impl Iterator<Item = ValidityWindow> {
    kept.iter().filter(|key| key.is_trusted).map(Kept::window)
}

/// The window of the next key to add: one that holds now, or one that follows the last, which ends soon.
fn missing(now: DateTime<Utc>, kept: &[Kept]) -> Result<Missing, WindowError> {
    let january = |year| {
        let date = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
        date.and_time(NaiveTime::MIN).and_utc()
    };
    let holds = trusted_windows(kept).any(|window| window.contains(now));
    let last = trusted_windows(kept).map(|window| window.until()).max();
    let from = match last.filter(|_| holds) {
        Some(last) if now < last - AHEAD => return Ok(Missing::Nothing(last - AHEAD)),
        Some(last) => last,
        None => january(now.year()),
    };
    ValidityWindow::new(from, january(from.year() + 1)).map(Missing::Window)
}
