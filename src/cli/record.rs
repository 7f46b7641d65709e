//! `record`: looks after the record.

mod accept_promotion;
mod backup;
mod consistency;
mod head;
mod resume_clock;

use std::fmt::Display;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use checkpoint_verify::cli::keyring;
use clap::{Args, Subcommand};
use serde_json::json;
use tempfile::NamedTempFile;

use super::environment::{Bind, EnvironmentArg, Init, flag as environment_flag};
use super::place::{RecordArg, RecordPlace, TrustArgs};
use super::{Failure, Format, FormatArg, PROGRAM, input, print_json, print_line, print_lines};
use crate::clock::Clock;
use crate::record::check::check_record;
use crate::record::environment::{Claim, Environment};
use crate::record::export::{ExportError, export};
use crate::record::import::{ImportError, import};
use crate::record::restore::{RestoreError, restore};
use crate::record::{AppendError, Record};
use accept_promotion::AcceptPromotion;
use backup::Backup;
use checkpoint::counted::counted;
use checkpoint::history::Resumption;
use checkpoint::history::resumption::from_published;
use checkpoint::history::rules::CLOCK_TOLERANCE;
use checkpoint::key::{KeyId, instant_text};
use consistency::Consistency;
use resume_clock::ResumeClock;

#[derive(Subcommand)]
pub(super) enum RecordCommand {
    /// Make an empty record; one that exists is left as it is
    Init(Init),
    /// Say to which environment a record of before belongs, for ever; the first key that is recorded in the name of one says it of an
    /// empty record, and a key that it knows of any other
    Bind(Bind),
    /// Check every row of a record: its signature, its place, the rules, and the tree over all of them
    Verify(VerifyRecord),
    /// Write a record as lines of JSON: the keyring and the root first, then every signed checkpoint in order
    Export(Export),
    /// Copy a SQLite record into another file, also while a service signs into it; the copy is verified
    Backup(Backup),
    /// Put an export into a record of any kind that is empty, or whose rows are the export's first ones; all of it is checked
    /// before anything is written
    Import(Import),
    /// Put published checkpoints into a record that has lost them, so that their places are taken again; their signatures are
    /// kept, and nothing is signed
    Restore(Restore),
    /// Let signing go on after a standby was promoted, a backup restored or a copy made: shows what there is to compare, and,
    /// with --reason, records that nothing is missing
    #[command(visible_aliases = ["accept-restore", "accept-copy"])]
    AcceptPromotion(Box<AcceptPromotion>),
    /// Ask a service for the signed head of its record: keep it, and nothing that it counts can be changed unnoticed
    Head(head::Head),
    /// Ask a service for the proof that a checkpoint is in its record; it is checked, and `verify --proof` checks it again
    Proof(head::Proof),
    /// Ask a service for the proof that the record of a later head begins with all of an earlier one, and check it
    Consistency(Consistency),
    /// Let signing go on from the true time, after a clock ran ahead and signed (CLOCK_WENT_BACK); recorded for ever, and public
    ResumeClock(ResumeClock),
}

#[derive(Args)]
pub(super) struct VerifyRecord {
    #[command(flatten)]
    place: RecordArg,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: RecordArg,
    /// The file to write; it must not exist
    #[arg(long, env = "CHECKPOINT_SIGNER_OUT", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
pub(super) struct Import {
    /// What `record export` wrote: a file, since it is read twice
    file: PathBuf,
    #[command(flatten)]
    place: RecordArg,
    #[command(flatten)]
    environment: EnvironmentArg,
    #[command(flatten)]
    trust: TrustArgs,
    /// Believe the file where it says that an operator let times go back, after a clock ran ahead (its clock_resumptions, which
    /// nothing signs); that goes on record, is published, and cannot be taken back
    #[arg(long)]
    believe_resumptions: bool,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
pub(super) struct Restore {
    /// Published checkpoints, one a line, in the order in which they were signed
    file: PathBuf,
    #[command(flatten)]
    place: RecordArg,
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Let times go back where this file says that an operator let signing go on, after a clock ran ahead: what
    /// /v1/clock-resumptions gave. That goes on record again, and cannot be taken back
    #[arg(long, env = "CHECKPOINT_SIGNER_RESUMPTIONS", value_name = "FILE")]
    resumptions: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArg,
}

/// What a file of resumptions may have.
const MAX_RESUMPTIONS_BYTES: usize = 1 << 20;

fn texts(resumptions: &[Resumption]) -> Vec<String> {
    resumptions.iter().map(ToString::to_string).collect()
}

fn show_resumed(resumed: &[Resumption], word: &str) -> Result<(), Failure> {
    for resumption in resumed {
        print_line(&format!("the clock was resumed, {word}: {resumption}"))?;
    }
    Ok(())
}

impl Export {
    async fn run(mut self) -> Result<(), Failure> {
        self.place.record.choose().await?;
        let record = self.place.record.open_beside(Claim::Reads(None)).await?;
        let out = self.out.display();
        let failed = |error: &dyn Display| Failure::Impossible(format!("{out}: {error}"));
        // Under its own name only when it is complete.
        let folder = match self.out.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder).map_err(|e| failed(&e))?;
        let mut writer = BufWriter::new(file);
        let tree = match export(record.as_ref(), &mut writer).await {
            Ok(tree) => tree,
            Err(error @ ExportError::Wrong(_)) => {
                return Err(Failure::Negative(error.to_string()));
            }
            Err(error) => return Err(failed(&error)),
        };
        let file = writer.into_inner().map_err(|e| failed(&e))?;
        file.as_file().sync_all().map_err(|e| failed(&e))?;
        let (rows, root) = (tree.size(), tree.root().to_string());
        let keyring = record.keyring().await.map_err(Failure::impossible)?;
        // A promotion must not lose what is handed out.
        record.confirm_read().await.map_err(Failure::impossible)?;
        file.persist_noclobber(&self.out)
            .map_err(|e| failed(&e.error))?;
        let entries = keyring.entries();
        let prints = entries.iter().map(|entry| entry.version().fingerprint());
        let prints: Vec<String> = prints.map(|print| print.to_string()).collect();
        // The operator's word, which an import of a file that went through other hands takes.
        let trust: String = prints
            .iter()
            .map(|print| format!(" --trust {print}"))
            .collect();
        let mut resumptions = record.resumptions().await.map_err(Failure::impossible)?;
        resumptions.retain(|resumption| resumption.after_rows <= rows);
        let believe = match resumptions.is_empty() {
            true => "",
            false => " --believe-resumptions",
        };
        let environment = record.environment().await.map_err(Failure::impossible)?;
        let named = environment_flag(environment);
        match self.format.format {
            Format::Json => print_json(&json!({
                "rows": rows,
                "root": root,
                "fingerprints": prints,
                "clock_resumptions": texts(&resumptions),
                "environment": environment.map(Environment::as_str),
            })),
            Format::Text => print_lines([
                format!("{out}: {}, root {root}", counted(rows, "row", "rows")),
                format!(
                    "next: checkpoint-signer record import {out} --record PLACE{named}{trust}{believe}"
                ),
            ]),
        }
    }
}

impl Import {
    async fn run(mut self) -> Result<(), Failure> {
        self.place.record.choose().await?;
        let record = self.place.record.open(self.environment.writes()).await?;
        let now = Clock::system().now();
        let (trust, believe) = (self.trust.read(), self.believe_resumptions);
        let named = self.environment.environment;
        let imported = import(record.as_ref(), &self.file, now, &trust, believe, named).await;
        let imported = imported.map_err(|error| {
            let message = format!("{}: {error}", self.file.display());
            match error {
                ImportError::Wrong { .. }
                | ImportError::OtherRows { .. }
                | ImportError::Environment(..)
                | ImportError::NotAdmitted(_)
                | ImportError::Resumes(_)
                | ImportError::Revoked { .. } => Failure::Negative(message),
                _ => Failure::Impossible(message),
            }
        })?;
        keyring::tell_skipped(PROGRAM, &imported.skipped, &self.file);
        let (rows, root) = (imported.tree.size(), imported.tree.root().to_string());
        let found = imported.found;
        let place = &self.place.record;
        let revoked: Vec<&str> = imported.revoked.iter().map(KeyId::as_str).collect();
        if !revoked.is_empty() && self.format.format == Format::Text {
            let revoked = revoked.join(", ");
            print_line(&format!("revoked, as the export says: {revoked}"))?;
        }
        let resumed = &imported.resumed;
        if self.format.format == Format::Text {
            show_resumed(resumed, "as the export says")?;
        }
        match self.format.format {
            Format::Json => print_json(&json!({
                "record": place.to_string(),
                "rows": rows,
                "found": found,
                "root": root,
                "revoked": revoked,
                "keys_skipped": keyring::skipped_json(&imported.skipped),
                "clock_resumptions": texts(resumed),
            })),
            Format::Text => print_lines([
                format!(
                    "{place}: {}, {found} of them were there before, root {root}",
                    counted(rows, "row", "rows")
                ),
                format!("next: checkpoint-signer record verify {}", place.flag()),
            ]),
        }
    }
}

impl Restore {
    async fn run(mut self) -> Result<(), Failure> {
        self.place.record.choose().await?;
        let record = self.place.record.open(self.environment.writes()).await?;
        let resumptions = match &self.resumptions {
            None => Vec::new(),
            Some(file) => from_published(&input::read(file, MAX_RESUMPTIONS_BYTES)?)
                .map_err(|error| Failure::Impossible(format!("{}: {error}", file.display())))?,
        };
        let now = Clock::system().now();
        let restored = restore(record.as_ref(), &self.file, now, resumptions).await;
        let restored = restored.map_err(|error| {
            let message = format!("{}: {error}", self.file.display());
            match error {
                RestoreError::NotValid { .. }
                | RestoreError::Future(..)
                | RestoreError::WentBack { .. }
                | RestoreError::Misfit { .. }
                | RestoreError::Order { .. }
                | RestoreError::Refused {
                    error: AppendError::Rule(_),
                    ..
                } => Failure::Negative(message),
                _ => Failure::Impossible(message),
            }
        })?;
        let (rows, root) = (restored.tree.size(), restored.tree.root().to_string());
        let (lines, added) = (restored.lines, restored.added);
        let (place, resumed) = (&self.place.record, &restored.resumed);
        if self.format.format == Format::Text {
            show_resumed(resumed, "as you say")?;
        }
        match self.format.format {
            Format::Json => print_json(&json!({
                "record": place.to_string(),
                "lines": lines,
                "added": added,
                "by_revoked_keys": restored.by_revoked_keys,
                "rows": rows,
                "root": root,
                "clock_resumptions": texts(resumed),
            })),
            Format::Text => {
                let added = format!(
                    "{place}: {added} of {} added, {}, root {root}",
                    counted(lines, "checkpoint was", "checkpoints were"),
                    counted(rows, "row", "rows")
                );
                let next = next_after_restore(place, self.environment.environment);
                match on_revoked_keys(restored.by_revoked_keys) {
                    None => print_lines([added, next]),
                    Some(doubtful) => print_lines([added, doubtful, next]),
                }
            }
        }
    }
}

/// Rows that a leaked key may have made.
fn on_revoked_keys(count: u64) -> Option<String> {
    (count > 0).then(|| {
        format!(
            "{} by a key that is revoked: whoever has it can date a signature back. Compare them with the ledgers' own copies, and the \
             record with every head that you have (docs/disaster-recovery.md, \"Everything is lost, and there is no backup\")",
            counted(count, "of them is", "of them are")
        )
    })
}

/// What was promoted, or put into another database, is signed on by nobody before a person says so.
fn next_after_restore(place: &RecordPlace, environment: Option<Environment>) -> String {
    let flag = place.flag() + &environment_flag(environment);
    let is_file = matches!(place, RecordPlace::Sqlite(_));
    let elsewhere = match is_file {
        true => String::new(),
        false => format!(
            " (in another database, or on a promoted standby, after checkpoint-signer record accept-restore {flag})"
        ),
    };
    format!(
        "next: services that were on it go on by themselves{elsewhere}; else checkpoint-signer serve {flag} --known-head HEAD, \
         with every head that you have"
    )
}

impl VerifyRecord {
    async fn run(mut self) -> Result<(), Failure> {
        self.place.record.choose().await?;
        let record = self.place.record.open_beside(Claim::Reads(None)).await?;
        let found = check_record(record.as_ref())
            .await
            .map_err(Failure::impossible)?;
        // What a promotion would lose is not said to be well. What is wrong is told in any case.
        if found.problems == 0 && found.unchecked.is_empty() {
            record.confirm_read().await.map_err(Failure::impossible)?;
        }
        let (rows, root) = (found.tree.size(), found.tree.root().to_string());
        let ahead = ahead_of_its_time(record.as_ref()).await;
        let environment = record.environment().await.map_err(Failure::impossible)?;
        match self.format.format {
            Format::Json => {
                let told = found.told.iter();
                print_json(&json!({
                    "record": self.place.record.to_string(),
                    "note": ahead,
                    "rows": rows,
                    "root": root,
                    "environment": environment.map(Environment::as_str),
                    "problems": found.problems,
                    "told": told.map(ToString::to_string).collect::<Vec<_>>(),
                    "not_checked": found.unchecked,
                }))?;
            }
            Format::Text => {
                for problem in &found.told {
                    print_line(&format!("WRONG {problem}"))?;
                }
                for unchecked in &found.unchecked {
                    print_line(&format!("NOT CHECKED {unchecked}"))?;
                }
                if let Some(note) = &ahead {
                    print_line(&format!("NOTE {note}"))?;
                }
                let found = match (found.problems, found.unchecked.is_empty()) {
                    (0, true) => "all is well".into(),
                    (0, false) => {
                        "nothing is wrong that could be checked, and NOT ALL WAS CHECKED".into()
                    }
                    (problems, _) => counted(problems, "PROBLEM", "PROBLEMS"),
                };
                print_line(&format!(
                    "{}: {}, root {root}: {found}",
                    self.place.record,
                    counted(rows, "row", "rows")
                ))?;
            }
        }
        match (found.problems, found.unchecked.is_empty()) {
            (0, true) => Ok(()),
            (0, false) => Err(Failure::Impossible(
                "not all of the record was checked".into(),
            )),
            _ => Err(Failure::Shown),
        }
    }
}

/// A sentence, when the newest signature is dated after now: no damage, but nothing is signed on such a record.
async fn ahead_of_its_time(record: &dyn Record) -> Option<String> {
    // Damage is told in any case.
    let pulse = record.pulse().await.ok()?;
    let now = pulse.store_clock.unwrap_or_else(|| Clock::system().now());
    let newest = pulse
        .newest_signed_at
        .filter(|newest| *newest > now + CLOCK_TOLERANCE);
    newest.map(|newest| {
        format!(
            "the newest signature is of {}, and now it is {}: a clock ran ahead, or this one is behind. Nothing is signed until \
             then, or until an operator says `checkpoint-signer record resume-clock` (docs/incidents.md, \"The clock is wrong\")",
            instant_text(newest),
            instant_text(now)
        )
    })
}

impl RecordCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Verify(verify) => verify.run().await,
            Self::Export(export) => export.run().await,
            Self::Backup(backup) => backup.run().await,
            Self::Import(import) => import.run().await,
            Self::Restore(restore) => restore.run().await,
            Self::AcceptPromotion(accept) => accept.run().await,
            Self::Head(head) => head.run().await,
            Self::Proof(proof) => proof.run().await,
            Self::Consistency(consistency) => consistency.run().await,
            Self::ResumeClock(resume) => resume.run().await,
            Self::Init(init) => init.run().await,
            Self::Bind(bind) => bind.run().await,
        }
    }
}
