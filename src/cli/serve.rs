//! `serve`: runs the service until SIGTERM or SIGINT.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, NaiveDate};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::fault_of;
#[cfg(not(feature = "aws"))]
use super::place::WITHOUT_AWS;
use super::log::LogArgs;
use super::place::{Environment, RecordPlace, SourcePlace};
use super::tls::TlsArgs;
use super::witnesses::WitnessArgs;
use super::{Failure, input, print};
use crate::clock::Clock;
use crate::http::{MetricsPlace, PublicUrl};
use crate::record::sqlite::OpenError;
use crate::service::{Parts, Service, StartError};
use crate::source::{FileSource, KeySource as _};
use crate::telemetry::Collector;
use checkpoint::fault::FieldFault;
use checkpoint::history::rules::MaxEntryJump;
use checkpoint::key::{Algorithm, DEFAULT_MODULUS_BITS, KeyId, ValidityWindow};
use checkpoint::log::head::{DEFAULT_LOG, LogName};
use checkpoint::signing::{KeySecret, VersionSecret};
use checkpoint::visible::visible;

const GRPC_PORT: u16 = 50051;
const HTTP_PORT: u16 = 8080;

/// The checkpoint to try out, put into the folder of `--dev`.
const EXAMPLE: &str = include_str!("../../examples/checkpoint.json");

#[derive(Args)]
pub(super) struct Serve {
    /// A TOML file with settings: the names of the flags without the dashes. A flag goes before the environment, and
    /// the environment before the file. No file is read that is not named here
    // It was read before clap saw the line (`config::start`).
    #[arg(
        id = "config",
        long,
        env = "CHECKPOINT_SIGNER_CONFIG",
        value_name = "FILE"
    )]
    _config: Option<PathBuf>,
    /// For trying out: makes a key for this year and a record in the data folder when there are none, listens
    /// on loopback, and prints the commands to try next
    #[arg(long, env = "CHECKPOINT_SIGNER_DEV")]
    dev: bool,
    /// The folder of --dev
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_DATA",
        default_value = "checkpoint-signer-data",
        value_name = "FOLDER"
    )]
    data: PathBuf,
    /// Where keys come from: secretsmanager:NAME or file:PATH; without it, the secret of the environment
    #[arg(long, env = "CHECKPOINT_SIGNER_SOURCE", value_name = "PLACE")]
    source: Option<SourcePlace>,
    /// Take the secret amply/ENVIRONMENT/checkpoint-signing-key; without it, amply/checkpoint-signing-key
    #[arg(
        long,
        value_enum,
        env = "CHECKPOINT_SIGNER_ENVIRONMENT",
        conflicts_with = "source"
    )]
    environment: Option<Environment>,
    /// At the start, read versions of the secret with labels of your own once, for their public halves; needs
    /// the permission secretsmanager:ListSecretVersionIds
    #[arg(long, env = "CHECKPOINT_SIGNER_READ_OLDER_VERSIONS")]
    read_older_versions: bool,
    /// Where the record is: sqlite:PATH, for one replica; postgres://USER:PASSWORD@HOST/DATABASE, for several; or
    /// secretsmanager:NAME of a secret that holds such an address. It must exist: see `record init`
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_RECORD",
        hide_env_values = true,
        required_unless_present = "dev",
        value_name = "PLACE"
    )]
    record: Option<RecordPlace>,
    /// The name under which heads of the record are signed: the same for all replicas, another for each record
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_LOG_NAME",
        default_value = DEFAULT_LOG,
        value_name = "NAME"
    )]
    log_name: LogName,
    /// How many entries one checkpoint may add to its ledger, the first one too; one that is further is refused,
    /// since a ledger never goes back from a mistake
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_MAX_ENTRY_JUMP",
        default_value_t,
        value_name = "ENTRIES"
    )]
    max_entry_jump: MaxEntryJump,
    /// Where to serve gRPC; port 0 takes a free one
    #[arg(long, env = "CHECKPOINT_SIGNER_GRPC", value_name = "ADDRESS",
        default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, GRPC_PORT)))]
    grpc: SocketAddr,
    #[command(flatten)]
    tls: TlsArgs,
    /// Where to serve HTTP (the page for auditors, the published keys and checkpoints, and health); nowhere, if
    /// it is not given (with --dev, on loopback)
    #[arg(long, env = "CHECKPOINT_SIGNER_HTTP", value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// The URL under which the public finds HTTP, such as https://checkpoints.example.org: the issuer (iss) of
    /// the signed keyring
    #[arg(long, env = "CHECKPOINT_SIGNER_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Where to serve metrics for Prometheus, at /metrics: http (the HTTP port, which is the public's) or an address of
    /// their own, such as 127.0.0.1:9464, which has /health, too; nowhere, if it is not given (with --dev, http)
    #[arg(long, env = "CHECKPOINT_SIGNER_METRICS", value_name = "PLACE")]
    metrics: Option<MetricsPlace>,
    /// A collector to which traces are sent by OTLP over gRPC, such as http://127.0.0.1:4317; nowhere, if it is not given
    #[arg(long, env = "CHECKPOINT_SIGNER_OTLP", value_name = "URL")]
    otlp: Option<Collector>,
    #[command(flatten)]
    witnesses: WitnessArgs,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// The limits on connections are far above the 1024 files that a process may open by default.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}

/// What `config check` finds in the places that are named.
pub(super) struct PlaceFindings {
    /// What `serve` would refuse.
    pub(super) faults: Vec<FieldFault>,
    /// What it would take, and warn of.
    pub(super) oddities: Vec<FieldFault>,
}

impl Serve {
    /// Where traces go.
    pub(super) fn collector(&self) -> Option<&Collector> {
        self.otlp.as_ref()
    }

    pub(super) async fn run(self) -> Result<(), Failure> {
        raise_open_files();
        // Before anything is started, so that no signal is missed.
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::impossible)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::impossible)?;
        let reading = CancellationToken::new();
        let _ends_with_this = reading.clone().drop_guard();
        let clock = Clock::system();
        let (source, record) = self.places(&clock).await?;
        let dev_http = SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT));
        if let Some(fault) = self.contradictions().into_iter().next() {
            return Err(Failure::impossible(fault));
        }
        let place = record.to_string();
        let scheme = if self.tls.is_given() { "https" } else { "http" };
        let own_record = self.dev && self.record.is_none();
        let witnesses = self.witnesses.read(own_record.then_some(&self.data))?;
        let service = Service::start(Parts {
            clock,
            source: source.open(self.read_older_versions).await?,
            record: record.serve().await?,
            log: self.log_name,
            max_entry_jump: self.max_entry_jump,
            witnesses,
            grpc: self.grpc,
            access: self.tls.access(self.grpc, reading).await?,
            http: self.http.or(self.dev.then_some(dev_http)),
            public_url: self.public_url,
            metrics: self.metrics.or(self.dev.then_some(MetricsPlace::Http)),
        })
        .await
        .map_err(|error| match error {
            StartError::Record(_) | StartError::Store(_) | StartError::WrongRow { .. } => {
                Failure::Impossible(format!("--record {place}: {error}"))
            }
            error => Failure::impossible(error),
        })?;
        let mut shown = format!("gRPC on {scheme}://{}\n", service.grpc());
        if let Some(http) = service.http() {
            shown.push_str(&format!("HTTP on http://{http}\n"));
        }
        if let Some(metrics) = service.metrics() {
            shown.push_str(&format!("metrics on http://{metrics}/metrics\n"));
        }
        if self.dev {
            shown.push_str(&what_next(&self.data, &service));
        }
        // Whoever reads this may have gone: no reason to end.
        let _ = print(&shown);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining: no new work, what is in flight is answered");
        match service.drain().await {
            true => Ok(()),
            false => Err(Failure::Impossible(
                "some calls were still in flight at the end of the grace period".into(),
            )),
        }
    }

    /// What is wrong with the places and files that are named, and what is odd about them; nothing is made, and no other machine
    /// is asked.
    pub(super) async fn look_at_places(self) -> PlaceFindings {
        let (mut faults, mut oddities) = (Vec::new(), Vec::new());
        faults.extend(self.check_dev().err());
        faults.extend(self.contradictions());
        faults.extend(self.witnesses.faults());
        if let Some(SourcePlace::File(path)) = &self.source {
            let read = FileSource::new(path).load().await;
            let refused = |error: &dyn std::fmt::Display| {
                FieldFault::new("--source", format!("file:{}: {error}", path.display()))
            };
            let is_odd = |version: &VersionSecret| {
                let warning = version.secret.as_ref().ok()?.oddities().warning()?;
                Some(refused(&warning))
            };
            match read {
                Err(error) => faults.push(refused(&error)),
                Ok(versions) => {
                    let wrong = versions.iter().filter_map(|v| v.secret.as_ref().err());
                    faults.extend(wrong.map(|error| refused(error)));
                    oddities.extend(versions.iter().filter_map(is_odd));
                }
            }
        }
        if let Some(RecordPlace::Sqlite(path)) = &self.record
            && !self.dev
            && !path.exists()
        {
            let problem = OpenError::Missing(path.clone()).to_string();
            faults.push(FieldFault::new("--record", problem));
        }
        let reading = CancellationToken::new();
        let _ends_with_this = reading.clone().drop_guard();
        if let Err(failure) = self.tls.access(self.grpc, reading).await {
            faults.extend(
                failure
                    .messages()
                    .iter()
                    .map(|line| fault_of("--tls-certificate", line)),
            );
        }
        PlaceFindings { faults, oddities }
    }

    /// What is not meant beside what else is given.
    fn contradictions(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        #[cfg(not(feature = "aws"))]
        if self.source.is_none() && !self.dev {
            let problem = format!("is Secrets Manager, and {WITHOUT_AWS}; expected file:PATH");
            faults.push(FieldFault::new("--source", problem));
        }
        if self.metrics == Some(MetricsPlace::Http) && self.http.is_none() && !self.dev {
            let problem =
                "is http, but --http is missing; expected both, or an address of their own";
            faults.push(FieldFault::new("--metrics", problem));
        }
        let from_file = match &self.source {
            Some(source) => matches!(source, SourcePlace::File(_)),
            None => self.dev,
        };
        if self.read_older_versions && from_file {
            let problem = "would not be used: a key file has all of its versions; expected it with Secrets Manager alone";
            faults.push(FieldFault::new("--read-older-versions", problem));
        }
        let metrics = match self.metrics {
            Some(MetricsPlace::Own(address)) => Some(address),
            _ => None,
        };
        let http = self.http.map(|address| ("--http", address));
        let metrics = metrics.map(|address| ("--metrics", address));
        let mut before = vec![("--grpc", self.grpc)];
        for (flag, address) in http.into_iter().chain(metrics) {
            let taken = before.iter().find(|(_, other)| overlap(*other, address));
            faults.extend(taken.map(|(other, taken)| {
                let problem =
                    format!("is {address}, but {other} is {taken}; expected a port of its own");
                FieldFault::new(flag, problem)
            }));
            before.push((flag, address));
        }
        faults
    }

    fn check_dev(&self) -> Result<(), FieldFault> {
        let is_open = |address: &SocketAddr| !address.ip().is_loopback();
        match self.dev && (is_open(&self.grpc) || self.http.as_ref().is_some_and(is_open)) {
            true => Err(FieldFault::new(
                "--grpc, --http",
                "--dev listens on loopback only; expected an address such as 127.0.0.1:0",
            )),
            false => Ok(()),
        }
    }

    async fn places(&self, clock: &Clock) -> Result<(SourcePlace, RecordPlace), Failure> {
        if !self.dev {
            let missing = || Failure::Impossible("--record: is missing; expected a place".into());
            let source = self.source.clone();
            let source = source.unwrap_or_else(|| {
                SourcePlace::SecretsManager(Environment::secret_name(self.environment).into())
            });
            return Ok((source, self.record.clone().ok_or_else(missing)?));
        }
        self.check_dev().map_err(Failure::impossible)?;
        let failed = |error| Failure::Impossible(format!("{}: {error}", self.data.display()));
        std::fs::create_dir_all(&self.data).map_err(failed)?;
        let example = self.data.join("checkpoint.json");
        if !example.exists() {
            std::fs::write(&example, EXAMPLE).map_err(failed)?;
        }
        let source = match &self.source {
            Some(source) => source.clone(),
            None => {
                let path = self.data.join("key.json");
                if !path.exists() {
                    make_key(&path, clock)?;
                }
                SourcePlace::File(path)
            }
        };
        let record = match &self.record {
            Some(record) => record.clone(),
            None => RecordPlace::Sqlite(self.data.join("record.sqlite")),
        };
        if let RecordPlace::Sqlite(path) = &record
            && !path.exists()
        {
            record.init().await?;
        }
        Ok((source, record))
    }
}

/// Whether nobody can listen on one who listens on the other.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip(), other.ip());
    let same_ip = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_ip
}

/// A key for this calendar year.
fn make_key(path: &Path, clock: &Clock) -> Result<(), Failure> {
    let year = clock.now().year();
    let january = |year| {
        let date = NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
        DateTime::from_naive_utc_and_offset(date.into(), chrono::Utc)
    };
    let key_id: KeyId = format!("dev-checkpoint-key-{year}")
        .parse()
        .map_err(Failure::impossible)?;
    let window =
        ValidityWindow::new(january(year), january(year + 1)).map_err(Failure::impossible)?;
    let (document, _) = KeySecret::generate(
        key_id,
        window,
        Algorithm::default(),
        DEFAULT_MODULUS_BITS,
        None,
    )
    .map_err(Failure::impossible)?;
    input::write_private(path, &document)
}

/// A word of a shell's command line, quoted only where it must be.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The commands to try, ready to be copied.
fn what_next(data: &Path, service: &Service) -> String {
    let program = std::env::args().next();
    let program = shell_word(program.as_deref().unwrap_or("checkpoint-signer"));
    let program = visible(&program);
    let server = format!("http://{}", service.grpc());
    let file = |name| visible(&shell_word(&data.join(name).display().to_string())).into_owned();
    let (checkpoint, signed, keyring) = (
        file("checkpoint.json"),
        file("signed.json"),
        file("keyring.json"),
    );
    let data = data.display().to_string();
    let data = visible(&data);
    let http = service
        .http()
        .map(|http| format!("\nThe page for auditors is at http://{http}/\n"));
    format!(
        "\
For trying out only: the key is a plain file in {data}.

Try next, in another terminal:

  # sign a checkpoint
  {program} sign {checkpoint} --server {server} > {signed}

  # verify it by asking the service
  {program} verify {signed} --server {server}

  # verify it offline, as an auditor does
  {program} keys export --server {server} > {keyring}
  {program} verify {signed} --keys {keyring}
{}
End with Ctrl-C.
",
        http.unwrap_or_default()
    )
}
