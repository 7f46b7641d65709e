//! `serve`: runs the service until SIGTERM or SIGINT.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::dev::DevFolder;
use super::environment::{bind_by_serving, secret_name};
use super::failure::fault_of;
use super::log::LogArgs;
#[cfg(not(feature = "aws"))]
use super::place::WITHOUT_AWS;
use super::place::{RecordPlace, SourcePlace};
use super::tls::TlsArgs;
use super::witnesses::WitnessArgs;
use super::{Failure, print};
use crate::clock::Clock;
use crate::http::{MetricsPlace, PublicUrl};
use crate::record::Record;
use crate::record::environment::{Claim, Environment};
use crate::record::sqlite::OpenError;
use crate::service::{Parts, Service, StartError};
use crate::source::{FileSource, KeySource as _};
use crate::telemetry::Collector;
use crate::x509::Certificates;
use checkpoint::fault::FieldFault;
use checkpoint::history::rules::MaxEntryJump;
use checkpoint::log::head::{DEFAULT_LOG, LogName};
use checkpoint::signing::VersionSecret;

const GRPC_PORT: u16 = 50051;
const HTTP_PORT: u16 = 8080;

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
    /// For trying out: makes a record and a key for each year in the data folder where there is none, listens on
    /// loopback, and prints the commands to try next
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
    /// The environment: take the secret amply/ENVIRONMENT/checkpoint-signing-key (unless --source names another place; without both,
    /// amply/checkpoint-signing-key), and serve no other environment's record
    #[arg(long, value_enum, env = "CHECKPOINT_SIGNER_ENVIRONMENT")]
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
        default_value_t = default_grpc())]
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

fn default_grpc() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, GRPC_PORT).into()
}

/// What is not valid now of a file, which `serve` takes all the same.
fn not_valid(file: &Certificates) -> Vec<FieldFault> {
    let now = Clock::system().now();
    let problems = file.problem(now).into_iter().chain(file.notes(now));
    let (flag, path) = (format!("--{}", file.file), file.path.display());
    let fault = |problem| FieldFault::new(flag.as_str(), format!("{path}: {problem}"));
    problems.map(fault).collect()
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
        let dev_http = SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT));
        self.check_dev().map_err(Failure::impossible)?;
        if let Some(fault) = self.contradictions().into_iter().next() {
            return Err(Failure::impossible(fault));
        }
        let dev = self
            .dev
            .then(|| DevFolder::make(&self.data, self.listens()));
        let dev = dev.transpose()?;
        let (place, record) = self.record(dev.as_ref()).await?;
        let source = self.source(dev.as_ref());
        bind_by_serving(record.as_ref(), &place, &source, self.named()).await?;
        let place = place.to_string();
        let covered = match &dev {
            // A source that is named is not the folder's.
            Some(folder) if self.source.is_none() => {
                Some((folder.clone(), folder.cover(&clock, record.as_ref()).await?))
            }
            _ => None,
        };
        let scheme = if self.tls.is_given() { "https" } else { "http" };
        let own_record = self.dev && self.record.is_none();
        for certificates in self.witnesses.certificates() {
            certificates.tell(clock.now());
        }
        let witnesses = self.witnesses.read(own_record.then_some(&self.data))?;
        let service = Service::start(Parts {
            clock: clock.clone(),
            source: source.open(self.read_older_versions).await?,
            record: Arc::clone(&record),
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
            error => match &dev {
                Some(folder) => folder.refused(&error),
                None => Failure::impossible(error),
            },
        })?;
        let shown = match &dev {
            Some(folder) => {
                folder.what_next(&service, covered.as_ref().map(|(_, covered)| covered))
            }
            None => where_it_listens(&service, scheme),
        };
        // Whoever reads this may have gone: no reason to end.
        let _ = print(&shown);
        let keep_covered = async {
            match covered {
                Some((folder, covered)) => folder.keep_covered(covered, clock, record).await,
                None => std::future::pending().await,
            }
        };
        let mut broken = false;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = keep_covered => {}
            () = service.broken() => broken = true,
        }
        tracing::info!("draining: no new work, what is in flight is answered");
        match service.drain().await {
            _ if broken => Err(Failure::Impossible(
                "gRPC has ended by itself (the log says why): the service is no use without it"
                    .into(),
            )),
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
        let mut certificates = self.witnesses.certificates();
        match self.tls.access(self.grpc, reading).await {
            Ok(access) => certificates.extend(access.certificates_in_force()),
            Err(failure) => {
                let lines = failure.messages();
                let lines = lines.iter();
                faults.extend(lines.map(|line| fault_of("--tls-certificate", line)));
            }
        }
        oddities.extend(certificates.iter().flat_map(not_valid));
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
        let of_another = self
            .record
            .as_ref()
            .and_then(|record| record.of_another(self.named()));
        faults.extend(of_another.map(|problem| FieldFault::new("--record", problem)));
        let by_name = self.source.as_ref().and_then(SourcePlace::environment);
        if let (Some(named), Some(other)) = (self.environment, by_name)
            && named != other
        {
            let problem = format!(
                "is the secret of {other}, but --environment is {named}; expected one environment"
            );
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

    /// The flags that say where to listen, for a command that is printed.
    fn listens(&self) -> String {
        let grpc = Some(self.grpc).filter(|grpc| *grpc != default_grpc());
        let grpc = grpc.map(|grpc| format!(" --grpc {grpc}"));
        let http = self.http.map(|http| format!(" --http {http}"));
        [grpc, http].into_iter().flatten().collect()
    }

    /// The environment that is served; none by what is only tried out.
    fn named(&self) -> Option<Environment> {
        let by_name = || self.source.as_ref().and_then(SourcePlace::environment);
        match self.dev {
            true => None,
            false => self.environment.or_else(by_name),
        }
    }

    fn source(&self, dev: Option<&DevFolder>) -> SourcePlace {
        match (&self.source, dev) {
            (Some(source), _) => source.clone(),
            (None, Some(folder)) => SourcePlace::File(folder.keys()),
            (None, None) => SourcePlace::SecretsManager(secret_name(self.environment).into()),
        }
    }

    async fn record(
        &self,
        dev: Option<&DevFolder>,
    ) -> Result<(RecordPlace, Arc<dyn Record>), Failure> {
        if let Some(folder) = dev {
            return folder.record(self.record.as_ref()).await;
        }
        let missing = || Failure::Impossible("--record: is missing; expected a place".into());
        let place = self.record.clone().ok_or_else(missing)?;
        let record = place.serve(Claim::Writes(self.named())).await?;
        Ok((place, record))
    }
}

/// For whoever waits for it.
fn where_it_listens(service: &Service, scheme: &str) -> String {
    let mut shown = format!("gRPC on {scheme}://{}\n", service.grpc());
    if let Some(http) = service.http() {
        shown.push_str(&format!("HTTP on http://{http}\n"));
    }
    if let Some(metrics) = service.metrics() {
        shown.push_str(&format!("metrics on http://{metrics}/metrics\n"));
    }
    shown
}

/// Whether nobody can listen on one who listens on the other.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, other_ip) = (one.ip(), other.ip());
    let same_ip = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_ip
}
