//! `rollover`: the yearly procedure, step by step.

mod next;
mod timeline;

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::environment::secret_name;
use super::place::RecordPlace;
use super::server::ServersArgs;
use super::{Failure, Format, FormatArg, PROGRAM, print, print_json};
use crate::client::Servers;
use crate::clock::Clock;
use crate::record::environment::{Claim, Environment};
use crate::rollover::{
    Next, Overrides, Rollover, RolloverError, SecretStore, Services as _, StepReport, StoreError,
};
use checkpoint::key::{Algorithm, KeyId, parse_instant};
use checkpoint::keyring::Keyring;
use checkpoint::visible::visible;

#[derive(Subcommand)]
pub(super) enum RolloverCommand {
    /// Show the timeline of keys, what each service says, and what to do next
    Status(RolloverStatus),
    /// Make the next key, endorsed by the one in force, and put it as AWSPENDING
    Stage(Stage),
    /// Check the staged key as promote would need it
    Test(Test),
    /// Make the staged key AWSCURRENT, and wait until every service lists it
    Promote(Promote),
    /// Take the last label from the key before, once its window has ended
    Retire(Named),
    /// Give the staged key up
    Abort(Named),
    /// Put the labels back where they belong, after a key was put or a label was moved past these steps
    Repair(Repair),
}

#[derive(Args)]
struct SecretArgs {
    /// The secret; without it, that of the environment
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_SECRET",
        value_name = "NAME",
        conflicts_with = "environment"
    )]
    secret: Option<String>,
    /// Take the secret amply/ENVIRONMENT/checkpoint-signing-key; without it, amply/checkpoint-signing-key
    #[arg(long, value_enum, env = "CHECKPOINT_SIGNER_ENVIRONMENT")]
    environment: Option<Environment>,
    #[command(flatten)]
    servers: ServersArgs,
    /// The record, which knows what the services know of keys, where no service can be asked: sqlite:PATH,
    /// postgres://USER:PASSWORD@HOST/DATABASE, or secretsmanager:NAME of a secret that holds such an address. It has a variable of its
    /// own: whoever is at the key need not be let into the record
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_ROLLOVER_RECORD",
        hide_env_values = true,
        value_name = "PLACE"
    )]
    record: Option<RecordPlace>,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Args)]
pub(super) struct RolloverStatus {
    #[command(flatten)]
    place: SecretArgs,
    /// End with 1 when there is something to warn about, and with 2 when no service was named to be asked (for a daily job)
    #[arg(long, env = "CHECKPOINT_SIGNER_CHECK")]
    check: bool,
}

#[derive(Args)]
struct DryRun {
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
struct Unendorsed {
    /// Go on although the key in force does not endorse the new one, since it has ended or is revoked
    #[arg(long)]
    without_endorsement: bool,
}

#[derive(Args)]
pub(super) struct Stage {
    /// The new name, in place of the next one (amply-checkpoint-key-2025 is followed by -2026; the very first one has the last year in
    /// which it signs)
    #[arg(long, env = "CHECKPOINT_SIGNER_KEY_ID")]
    key_id: Option<KeyId>,
    /// First instant at which it may sign: a date (midnight UTC) or an RFC 3339 instant; without it, the end of the
    /// current window, and today for the very first key
    #[arg(long, env = "CHECKPOINT_SIGNER_VALID_FROM", value_parser = parse_instant)]
    valid_from: Option<DateTime<Utc>>,
    /// First instant at which it may no longer sign; without it, the window is as long as the current one, and where that ends at a
    /// new year, or is shorter than a year, until a new year; the very first key ends at the first new year that is more than 60 days
    /// away
    #[arg(long, env = "CHECKPOINT_SIGNER_VALID_UNTIL", value_parser = parse_instant)]
    valid_until: Option<DateTime<Utc>>,
    /// Bits of the modulus, 2048 to 8192; without it, those of the current key, and 3072 at least
    #[arg(long, env = "CHECKPOINT_SIGNER_BITS")]
    bits: Option<usize>,
    /// PS256 or RS256; without it, that of the current key
    #[arg(long, env = "CHECKPOINT_SIGNER_ALGORITHM")]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    unendorsed: Unendorsed,
    /// Have the key in force endorse the next one although nobody can be asked whether it is revoked
    #[arg(long)]
    without_asking: bool,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    place: SecretArgs,
}

#[derive(Args)]
pub(super) struct Test {
    /// Which key is meant; another one is refused
    key_id: Option<KeyId>,
    #[command(flatten)]
    unendorsed: Unendorsed,
    /// Changes nothing anyway
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    place: SecretArgs,
}

#[derive(Args)]
pub(super) struct Promote {
    /// Which key is meant; another one is refused
    key_id: Option<KeyId>,
    #[command(flatten)]
    unendorsed: Unendorsed,
    /// How many seconds to wait until every service lists the key
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_WAIT",
        default_value_t = 600,
        value_name = "SECONDS"
    )]
    wait: u32,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    place: SecretArgs,
}

#[derive(Args)]
pub(super) struct Named {
    /// Which key is meant; another one is refused
    key_id: Option<KeyId>,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    place: SecretArgs,
}

#[derive(Args)]
pub(super) struct Repair {
    /// Go by what the secret says alone, although nobody can be asked what the services have
    #[arg(long)]
    without_asking: bool,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    place: SecretArgs,
}

impl SecretArgs {
    /// The environment whose secret it is.
    fn named(&self) -> Option<Environment> {
        let by_name = |secret: &String| Environment::of_secret(secret);
        self.environment
            .or_else(|| self.secret.as_ref().and_then(by_name))
    }

    async fn open(&self, dry_run: bool) -> Rollover {
        let secret = match &self.secret {
            Some(secret) => secret.clone(),
            None => secret_name(self.environment).into(),
        };
        let store = SecretStore::new(&secret).await;
        let services = self.servers.named();
        let contradiction = |place: &RecordPlace| place.of_another(self.named());
        // The record is for when no service tells.
        let record = match &self.record {
            Some(place) => match contradiction(place) {
                Some(problem) => Some((place, Err(problem))),
                None if is_told(&services).await => None,
                None => Some((place, recorded_keys(place, self.named()).await)),
            },
            None => None,
        };
        let rollover = Rollover::new(store, Clock::system(), Box::new(services), dry_run);
        match record {
            Some((place, keyring)) => rollover.with_record(format!("--record {place}"), keyring),
            None => rollover,
        }
    }

    /// Why it was not done, and what to do then.
    fn failed(&self, error: RolloverError) -> Failure {
        match error {
            RolloverError::Refused(refusal, Some(next)) => {
                let first = self.first(&next);
                PROGRAM.refused(&refusal.to_string(), first.as_deref(), &self.whole(&next))
            }
            RolloverError::Partly { done, error } => {
                for call in done {
                    PROGRAM.tell(&format!("called {call}"));
                }
                PROGRAM.tell("and then it was not done; the same command again goes on from there");
                self.failed(*error)
            }
            RolloverError::Refused(..) | RolloverError::Store(StoreError::Changed { .. }) => {
                let (next, problem) = (Next::status(), error.to_string());
                let first = self.first(&next);
                PROGRAM.refused(&problem, first.as_deref(), &self.whole(&next))
            }
            // It says what is to be done; and then it is safe to do the same again.
            _ => {
                let (mut problem, again) = (error.to_string(), self.again(&[], &[]));
                if let Some(first) = self.set_before(&again) {
                    problem.push_str(&format!("; then {first}"));
                }
                PROGRAM.not_done(&problem, &again)
            }
        }
    }

    fn show(&self, report: &StepReport, dry_run: bool) -> Result<(), Failure> {
        let failed = report.checks.iter().any(|check| check.found.is_err());
        if self.format.format == Format::Json {
            let checks = report.checks.iter().map(|check| {
                let (ok, found) = match &check.found {
                    Ok(found) => (true, found),
                    Err(problem) => (false, problem),
                };
                json!({ "check": check.name, "ok": ok, "found": found })
            });
            print_json(&json!({
                "dry_run": dry_run,
                "checks": checks.collect::<Vec<_>>(),
                "told": report.told,
                "calls": report.calls,
                "first": self.first(&report.next),
                "next": self.whole(&report.next),
            }))?;
        } else {
            let (first, next) = (self.first(&report.next), self.whole(&report.next));
            print(&text(report, dry_run, first.as_deref(), &next))?;
        }
        match failed {
            true => Err(Failure::Shown),
            false => Ok(()),
        }
    }
}

fn text(report: &StepReport, dry_run: bool, first: Option<&str>, next: &str) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let (word, found) = match &check.found {
            Ok(found) => ("ok", found),
            Err(problem) => ("WRONG", problem),
        };
        let found = visible(found);
        text.push_str(&format!("{word:<6} {:<13} {found}\n", check.name));
    }
    let verb = match dry_run {
        true => "would call",
        false => "called",
    };
    for call in &report.calls {
        text.push_str(&format!("{verb} {}\n", visible(call)));
    }
    for told in &report.told {
        text.push_str(&format!("{}\n", visible(told)));
    }
    text.push_str(&ending(first, next));
    text
}

/// What comes next, with what has to be done before by other means.
fn ending(first: Option<&str>, next: &str) -> String {
    let first = first.map(|first| format!("first: {}\n", visible(first)));
    format!("{}next: {}\n", first.unwrap_or_default(), visible(next))
}

impl RolloverCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Status(status) => status.run().await,
            Self::Stage(stage) => stage.run().await,
            Self::Test(Test {
                key_id,
                unendorsed,
                place,
                ..
            }) => {
                let endorsed = !unendorsed.without_endorsement;
                let rollover = place.open(true).await;
                let report = rollover.test(key_id.as_ref(), endorsed).await;
                place.show(&report.map_err(|error| place.failed(error))?, false)
            }
            Self::Promote(promote) => promote.run().await,
            Self::Retire(retire) => {
                let (rollover, dry_run) = retire.open().await;
                let report = rollover.retire(retire.key_id.as_ref()).await;
                retire.show(report, dry_run)
            }
            Self::Abort(abort) => {
                let (rollover, dry_run) = abort.open().await;
                let report = rollover.abort(abort.key_id.as_ref()).await;
                abort.show(report, dry_run)
            }
            Self::Repair(Repair {
                without_asking,
                dry_run: DryRun { dry_run },
                place,
            }) => {
                let rollover = place.open(dry_run).await.without_asking(without_asking);
                let report = rollover.repair().await;
                place.show(&report.map_err(|error| place.failed(error))?, dry_run)
            }
        }
    }
}

impl Named {
    async fn open(&self) -> (Rollover, bool) {
        let dry_run = self.dry_run.dry_run;
        (self.place.open(dry_run).await, dry_run)
    }

    fn show(
        &self,
        report: Result<StepReport, RolloverError>,
        dry_run: bool,
    ) -> Result<(), Failure> {
        let report = report.map_err(|error| self.place.failed(error))?;
        self.place.show(&report, dry_run)
    }
}

impl RolloverStatus {
    async fn run(self) -> Result<(), Failure> {
        let status = self.place.open(true).await.status().await;
        let status = status.map_err(|error| self.place.failed(error))?;
        let next = status.situation.next();
        let (first, next) = (self.place.first(&next), self.place.whole(&next));
        match self.place.format.format {
            Format::Json => print_json(&timeline::json(&status, first.as_deref(), &next))?,
            Format::Text => print(&timeline::text(&status, first.as_deref(), &next))?,
        }
        match status.not_checked {
            _ if !self.check => Ok(()),
            _ if !status.timeline.warnings.is_empty() => Err(Failure::Shown),
            Some(problem) => Err(Failure::Impossible(format!("not checked: {problem}"))),
            None => Ok(()),
        }
    }
}

/// Whether a service answers.
async fn is_told(services: &Servers) -> bool {
    let replicas = services.ask(false).await;
    replicas.iter().any(|replica| replica.listing.is_ok())
}

/// The keys on record, or why they cannot be read.
async fn recorded_keys(place: &RecordPlace, named: Option<Environment>) -> Result<Keyring, String> {
    let unreadable = |failure: Failure| failure.message();
    let mut place = place.clone();
    place.choose().await.map_err(unreadable)?;
    // It is only read, also beside the service.
    let record = place.open_beside(Claim::Reads(named)).await;
    let record = record.map_err(unreadable)?;
    let keyring = record.keyring().await.map_err(|error| error.to_string());
    record.close().await;
    keyring
}

impl Stage {
    async fn run(self) -> Result<(), Failure> {
        let dry_run = self.dry_run.dry_run;
        let overrides = Overrides {
            key_id: self.key_id,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            bits: self.bits,
            algorithm: self.algorithm,
            without_endorsement: self.unendorsed.without_endorsement,
        };
        let rollover = self.place.open(dry_run).await;
        let rollover = rollover.without_asking(self.without_asking);
        let report = rollover.stage(&overrides).await;
        let report = report.map_err(|error| self.place.failed(error))?;
        self.place.show(&report, dry_run)
    }
}

impl Promote {
    async fn run(self) -> Result<(), Failure> {
        let dry_run = self.dry_run.dry_run;
        let rollover = self.place.open(dry_run).await;
        let endorsed = !self.unendorsed.without_endorsement;
        let patience = Duration::from_secs(self.wait.into());
        let waiting = |told: &str| PROGRAM.tell(told);
        let report = rollover.promote(self.key_id.as_ref(), endorsed, patience, &waiting);
        let report = report.await.map_err(|error| self.place.failed(error))?;
        self.place.show(&report, dry_run)
    }
}
