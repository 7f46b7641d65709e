//! The real binary as a process that is ended in order and started again at the same address.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::aws::in_aws;
use crate::port::HeldPort;
use crate::scrape::Scrape;
use crate::wait;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

/// Far longer than the 25 seconds that it gives to calls in flight.
const PATIENCE: Duration = Duration::from_secs(180);

/// What never changes between the lives of a replica.
pub struct Settings<'a> {
    /// With the files of TLS; the log of each life goes there, under this name.
    pub folder: &'a Path,
    pub name: &'static str,
    /// Where Secrets Manager is.
    pub aws: &'a str,
    pub source: &'a str,
    pub record: &'a str,
}

/// How each life is started.
struct Start {
    folder: PathBuf,
    name: &'static str,
    aws: String,
    arguments: Vec<String>,
}

impl From<Settings<'_>> for Start {
    fn from(settings: Settings<'_>) -> Self {
        let arguments = [
            ["--source", settings.source],
            ["--record", settings.record],
            ["--tls-certificate", "server.crt"],
            ["--tls-key", "server.key"],
            ["--tls-client-ca", "ca.crt"],
            ["--roles", "roles.toml"],
        ];
        let arguments = arguments.concat().into_iter().map(str::to_owned);
        Self {
            folder: settings.folder.into(),
            name: settings.name,
            aws: settings.aws.into(),
            arguments: arguments.collect(),
        }
    }
}

pub struct Replica {
    start: Start,
    port: HeldPort,
    process: Process,
    lives: usize,
    /// What was counted in each life that has ended, and its log.
    pub past: Vec<(Scrape, Log)>,
}

struct Process {
    child: Child,
    /// `http://host:port`
    metrics: String,
    log: Log,
}

impl Replica {
    pub async fn start(settings: Settings<'_>) -> Self {
        let start = settings.into();
        let port = HeldPort::new();
        let process = spawn(&start, port.port, 1).await;
        Self {
            start,
            port,
            process,
            lives: 1,
            past: Vec::new(),
        }
    }

    /// Where gRPC is, by the name in the server's certificate.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port.port)
    }

    pub fn scrape(&self) -> Scrape {
        Scrape::of(&self.process.metrics)
    }

    pub fn log(&self) -> &Log {
        &self.process.log
    }

    pub fn terminate(&self) {
        let pid = self
            .process
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok());
        kill_process(pid.and_then(Pid::from_raw).unwrap(), Signal::TERM).unwrap();
    }

    /// Waits for the end by SIGTERM. The exit code says whether every call had ended within the grace period.
    pub async fn ended(&mut self) {
        let status = tokio::time::timeout(PATIENCE, self.process.child.wait()).await;
        let status = status.expect("SIGTERM ends it").unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.log().text());
    }

    /// SIGTERM, and a start at the same address once it has ended.
    pub async fn restart(&mut self) {
        let counted = self.scrape();
        self.terminate();
        self.ended().await;
        let log = self.start_again().await;
        self.past.push((counted, log));
    }

    /// A start at the same address. Gives the log of the life before.
    pub async fn start_again(&mut self) -> Log {
        self.lives += 1;
        let process = spawn(&self.start, self.port.port, self.lives).await;
        std::mem::replace(&mut self.process, process).log
    }
}

async fn spawn(start: &Start, port: u16, life: usize) -> Process {
    let log = Log(start.folder.join(format!("{}-{life}.log", start.name)));
    let mut command = Command::from(crate::starter::program(PROGRAM));
    in_aws(&mut command, &start.aws, &start.folder);
    let mut child = command
        .args(["--log-level", "info", "serve"])
        .args([
            "--grpc",
            &format!("127.0.0.1:{port}"),
            "--metrics",
            "127.0.0.1:0",
        ])
        .args(&start.arguments)
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log.0).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut after = async |name: &str| {
        let line = wait::within("a replica to say where it listens", lines.next_line()).await;
        let line = line.unwrap();
        let line = line.unwrap_or_else(|| panic!("it starts: {}", log.text()));
        line.strip_prefix(name).unwrap().to_owned()
    };
    let grpc = after("gRPC on https://127.0.0.1:").await;
    assert_eq!(grpc, port.to_string());
    let metrics = after("metrics on ").await;
    let metrics = metrics.strip_suffix("/metrics").unwrap().into();
    Process {
        child,
        metrics,
        log,
    }
}

/// What one process said on standard error.
pub struct Log(PathBuf);

impl Log {
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }

    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(serde_json::from_str);
        lines
            .map(|line| line.unwrap_or_else(|error| panic!("{error}: {text}")))
            .collect()
    }

    /// What the audit log says of checkpoints that were to be signed.
    pub fn signing(&self) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["logger"] == "audit" && event["act"] == "sign");
        events
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}
