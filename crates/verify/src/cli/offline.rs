//! Verdicts on published checkpoints, one or millions, with a keyring and without asking anybody.

use std::path::PathBuf;

use checkpoint::history::rules::CLOCK_TOLERANCE;
use checkpoint::keyring::KeyringFile;
use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::UnknownArgumentValueParser;

use super::hashing::Once;
use super::in_log::{Believed, InLog};
use super::pin::PinArg;
use super::pipeline::Plain;
use super::report::Report;
use super::selecting::Selected;
use super::show::Program;
use super::{Failure, ReportFormat, keyring, pipeline};
use crate::bulk::{Fingerprints, Judge, Selection};

/// What is verified, and by which keyring.
#[derive(Args, Debug)]
pub struct Offline {
    /// Published checkpoints: files with one, files with one a line (NDJSON, also of `record export`), folders
    /// of such files (.json, .ndjson, .jsonl, also with .gz or .zst; what else is in them is named, and then the exit code is 2); - reads
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
    #[command(flatten)]
    selected: Selected,
    /// How to print
    #[arg(
        long,
        value_enum,
        env = "CHECKPOINT_SIGNER_FORMAT",
        default_value = "text"
    )]
    format: ReportFormat,
    /// What somebody types who thinks of the format alone; it is refused, and has a value only where it is not given.
    #[arg(
        long,
        aliases = ["json", "ndjson", "text"],
        hide = true,
        action = clap::ArgAction::SetTrue,
        value_parser = UnknownArgumentValueParser::suggest("the form of the report is told by --format, as in --format html")
    )]
    html: Option<String>,
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
    /// Takes down what can be read only once, where that is to be told.
    pub once: Option<Once>,
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
        let selection = self.selected.selection()?;
        // The log is verified as a whole, and that the flags are not used is told.
        if !self.in_log.is_asked() {
            self.selected.tell(program);
        }
        let fingerprints = Fingerprints::default();
        let mut report = Report::new(program, self.format, &self.files, &fingerprints, now)?;
        report.select(&self.selected);
        Ok(Asked {
            once: report.once(),
            files: self.files.clone(),
            selection,
            report,
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
            once,
        } = self.begin(program, now)?;
        let Some(path) = &self.keys else {
            return Err(Failure::Impossible("expected --keys".into()));
        };
        let (KeyringFile { keyring, skipped }, sha256) = keyring::read_hashed(program, path)?;
        let keyring = self.pin.of(program, keyring, &path.display().to_string())?;
        report.believe(&keyring, path, &skipped);
        report.name_keyring(path, sha256);
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
        let plain = Plain {
            none: self.format == ReportFormat::Ndjson,
            latest: now + CLOCK_TOLERANCE,
        };
        pipeline::run((&files, once.as_ref()), &judge, plain, &mut |outcomes| {
            report.take(outcomes)
        })?;
        report.finish(now)
    }
}
