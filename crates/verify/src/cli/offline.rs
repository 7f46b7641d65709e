//! Verdicts on published checkpoints, one or millions, with a keyring and without asking anybody.

use std::path::PathBuf;

use checkpoint::checkpoint::LedgerId;
use checkpoint::key::parse_instant;
use checkpoint::keyring::KeyringFile;
use chrono::{DateTime, Utc};
use clap::Args;

use super::in_log::{Believed, InLog};
use super::pin::PinArg;
use super::report::Report;
use super::show::Program;
use super::{Failure, ReportFormat, keyring, pipeline};
use crate::bulk::{Fingerprints, Judge, Selection};

/// What is verified, and by which keyring.
#[derive(Args, Debug)]
pub struct Offline {
    /// Published checkpoints: files with one, files with one a line (NDJSON, also of `record export`), folders
    /// of such files (.json, .ndjson, .jsonl; what else is in them is named, and then the exit code is 2); - reads
    /// standard input
    #[arg(required_unless_present_any = ["record_export", "proof"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Verify offline with a keyring that you trust: the JWK Set of `keys export`. No service is asked then
    #[arg(long, env = "CHECKPOINT_SIGNER_KEYS", value_name = "KEYRING")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    pin: PinArg,
    #[command(flatten)]
    in_log: InLog,
    /// Only checkpoints whose timestamp is at or after this day or RFC 3339 instant
    #[arg(long, env = "CHECKPOINT_SIGNER_SINCE", value_parser = instant, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
    /// Only checkpoints whose timestamp is before this day or RFC 3339 instant
    #[arg(long, env = "CHECKPOINT_SIGNER_UNTIL", value_parser = instant, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// Only checkpoints of this ledger
    #[arg(long, env = "CHECKPOINT_SIGNER_LEDGER", value_name = "LEDGER_ID")]
    ledger: Option<LedgerId>,
    /// How to print
    #[arg(
        long,
        value_enum,
        env = "CHECKPOINT_SIGNER_FORMAT",
        default_value = "text"
    )]
    format: ReportFormat,
}

/// What is asked for, whoever finds the verdicts.
pub struct Asked {
    /// Where the checkpoints are.
    pub files: Vec<PathBuf>,
    /// Which of them are looked at.
    pub selection: Selection,
    /// By which contents are compared.
    pub fingerprints: Fingerprints,
    /// What will be told.
    pub report: Report,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    parse_instant(text).map_err(|error| error.to_string())
}

impl Offline {
    /// Whether there is a keyring to verify with.
    pub fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Begins: `now` is what the clock shows.
    ///
    /// # Errors
    /// When nothing can be selected, or there is no report to be.
    pub fn begin(&self, program: Program, now: DateTime<Utc>) -> Result<Asked, Failure> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::Impossible(
                "--since: is not before --until, so that no checkpoint is selected; expected an earlier time".into(),
            ));
        }
        let fingerprints = Fingerprints::default();
        Ok(Asked {
            files: self.files.clone(),
            selection: Selection {
                since: self.since,
                until: self.until,
                ledger_id: self.ledger.clone(),
            },
            report: Report::new(program, self.format, &self.files, &fingerprints, now)?,
            fingerprints,
        })
    }

    /// Verifies with the keyring. It blocks, for as long as it takes.
    ///
    /// # Errors
    /// [`Failure`] when not everything is valid, or not everything was checked.
    pub fn run(&self, program: Program, now: DateTime<Utc>) -> Result<(), Failure> {
        let Asked {
            files,
            selection,
            fingerprints,
            mut report,
        } = self.begin(program, now)?;
        let Some(path) = &self.keys else {
            return Err(Failure::Impossible("expected --keys".into()));
        };
        let KeyringFile { keyring, skipped } = keyring::read(program, path)?;
        let keyring = self.pin.of(keyring, &path.display().to_string())?;
        report.believe(&keyring, path, &skipped);
        if self.in_log.is_asked() {
            let format = self.format.of_log()?;
            let believed = Believed { keyring, skipped };
            return self.in_log.run(&files, &believed, format, now);
        }
        let judge = Judge {
            keyring,
            selection,
            fingerprints,
        };
        let every = self.format == ReportFormat::Ndjson;
        pipeline::run(&files, &judge, every, &mut |outcomes| report.take(outcomes))?;
        report.finish(now)
    }
}
