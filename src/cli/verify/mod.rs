//! `verify`: verdicts on published checkpoints, one or millions, offline with a keyring or by asking a service.

mod html;
mod inputs;
mod online;
mod pipeline;
mod report;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};

use super::log::{Believed, InLog};
use super::pin::PinArg;
use super::server::ClientTlsArgs;
use super::{Failure, keyring};
use crate::checkpoint::LedgerId;
use crate::client;
use crate::clock::Clock;
use crate::key::{KeyringFile, parse_instant};
use crate::verifier::bulk::{Fingerprints, Judge, Selection};
use online::Service;
use report::Report;

#[derive(Args)]
pub(super) struct Verify {
    /// Published checkpoints: files with one, files with one a line (NDJSON, also of `record export`), folders
    /// of such files (.json, .ndjson, .jsonl; what else is in them is named, and then the exit code is 2); - reads
    /// standard input
    #[arg(required_unless_present_any = ["record_export", "proof"], value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    pin: PinArg,
    #[command(flatten)]
    tls: ClientTlsArgs,
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
    format: Format,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person: what is wrong, and a summary
    Text,
    /// For a program: one object
    Json,
    /// For a program: one object a line, for every checkpoint as it is verified, then the summary
    Ndjson,
    /// A report to file away: one page, without anything from elsewhere
    Html,
}

impl Format {
    fn of_log(self) -> Result<super::Format, Failure> {
        match self {
            Self::Text => Ok(super::Format::Text),
            Self::Json => Ok(super::Format::Json),
            Self::Ndjson | Self::Html => Err(Failure::Impossible(
                "--format: expected text or json with --log or --proof".into(),
            )),
        }
    }
}

#[derive(Args)]
#[group(id = "by", required = true, multiple = true)]
struct By {
    /// Verify offline with a keyring that you trust: the JWK Set of `keys export`. No service is asked then
    #[arg(long, env = "CHECKPOINT_SIGNER_KEYS", value_name = "KEYRING")]
    keys: Option<PathBuf>,
    /// Ask this service: the verdicts are its word. With --keys it would not be asked, and is refused; from the environment
    /// it is left alone then
    #[arg(long, env = "CHECKPOINT_SIGNER_SERVER", value_name = "URL")]
    server: Option<String>,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    parse_instant(text).map_err(|error| error.to_string())
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let selection = Selection {
            since: self.since,
            until: self.until,
            ledger_id: self.ledger,
        };
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(Failure::Impossible(
                "--since: is not before --until, so that no checkpoint is selected; expected an earlier time".into(),
            ));
        }
        let fingerprints = Fingerprints::default();
        let now = Clock::system().now();
        let mut report = Report::new(self.format, &self.files, &fingerprints, now)?;
        match (self.by.keys, self.by.server) {
            (Some(path), _) => {
                let KeyringFile { keyring, skipped } = keyring::read(&path)?;
                let keyring = self.pin.of(keyring, &path.display().to_string())?;
                report.believe(&keyring, &path, &skipped);
                if self.in_log.is_asked() {
                    let format = self.format.of_log()?;
                    // It blocks, and nothing else goes on.
                    return tokio::task::block_in_place(|| {
                        let believed = Believed { keyring, skipped };
                        self.in_log.run(&self.files, &believed, format, now)
                    });
                }
                let judge = Judge {
                    keyring,
                    selection,
                    fingerprints,
                };
                let every = self.format == Format::Ndjson;
                // It blocks, and nothing else goes on.
                tokio::task::block_in_place(|| {
                    pipeline::run(&self.files, &judge, every, &mut |outcomes| {
                        report.take(outcomes)
                    })
                })?;
            }
            (None, Some(url)) => {
                let service = Service::new(
                    client::connect(&url, &self.tls.named()).await?,
                    selection,
                    fingerprints,
                );
                report.believed = format!("The verdicts are those of the service {url}.");
                report.told_by = Some(url.clone());
                let files = self.files.clone();
                service
                    .run(files, &mut |results| report.take(results))
                    .await?;
            }
            // clap's group leaves no other case.
            (None, None) => return Err(Failure::Impossible("expected --keys or --server".into())),
        }
        report.finish(now)
    }
}
