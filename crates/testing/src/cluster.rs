//! The real binary as processes that are killed, frozen and started again, and clients that go on meanwhile.

use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use checkpoint_signer::wire::proto::SignCheckpointRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::history::{Answer, Call, Request};
use crate::port::HeldPort;
use crate::wait;

/// How long a client waits for an answer: longer than the service waits for its database.
const DEADLINE: Duration = Duration::from_secs(12);

/// How long a client goes on retrying before the test fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// One process of the service, always at the same address.
pub struct Replica {
    arguments: Vec<String>,
    log: std::path::PathBuf,
    port: HeldPort,
    child: Child,
    shown: Lines<BufReader<ChildStdout>>,
}

impl Replica {
    /// Starts it on a record that exists. `folder` has keys.json, and takes the log.
    pub async fn start(folder: &Path, record: &str) -> Self {
        Self::start_with(folder, record, &[]).await
    }

    /// Starts it with further arguments.
    pub async fn start_with(folder: &Path, record: &str, further: &[&str]) -> Self {
        let arguments = arguments(folder, record, further);
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = folder.join(format!("log-{count}"));
        let port = HeldPort::new();
        let (child, shown) = spawn(&arguments, &log, port.port).await;
        Self {
            arguments,
            log,
            port,
            child,
            shown,
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGKILL, and a start at the same address.
    pub async fn kill_and_restart(&mut self) {
        self.child.kill().await.unwrap();
        (self.child, self.shown) = spawn(&self.arguments, &self.log, self.port.port).await;
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        kill_process(pid.and_then(Pid::from_raw).unwrap(), signal).unwrap();
    }

    /// The address after the first one that it shows at its start: HTTP's, when it was asked for.
    pub async fn next_address(&mut self) -> String {
        let line = wait::within("another address", self.shown.next_line())
            .await
            .unwrap();
        let line = line.expect("another address");
        line.split_once(" on ").unwrap().1.to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// SIGTERM. It must end by itself, in order.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = wait::within("SIGTERM to end it", self.child.wait())
            .await
            .unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// What all its processes logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.port)
    }

    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url())
            .unwrap()
            .connect_timeout(Duration::from_secs(2))
            .timeout(DEADLINE)
            .connect_lazy()
    }
}

fn arguments(folder: &Path, record: &str, further: &[&str]) -> Vec<String> {
    let source = format!("file:{}", folder.join("keys.json").display());
    let arguments = ["serve", "--source", &source, "--record", record];
    arguments
        .iter()
        .chain(further)
        .map(|text| (*text).to_owned())
        .collect()
}

/// What a start says that is refused; it must end by itself, with exit code 2.
pub async fn refused(folder: &Path, record: &str, further: &[&str]) -> String {
    let starting = Command::from(crate::starter::binary())
        .args(arguments(folder, record, further))
        .args(["--grpc", "127.0.0.1:0"])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, starting).await;
    let output = output.expect("the start is refused").unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        !message.contains("panicked") && output.stdout.is_empty(),
        "{message}"
    );
    message
}

async fn spawn(
    arguments: &[String],
    log: &Path,
    port: u16,
) -> (Child, Lines<BufReader<ChildStdout>>) {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    let mut child = Command::from(crate::starter::binary())
        .args(arguments)
        .args(["--grpc", &format!("127.0.0.1:{port}")])
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = wait::within("a replica to say where it listens", lines.next_line()).await;
    let line = line
        .unwrap()
        .expect("the service starts; its log tells why not");
    assert!(line.ends_with(&format!(":{port}")), "{line}");
    (child, lines)
}

/// What all clients asked and were answered, outside of the service.
#[derive(Default)]
pub struct Log {
    calls: Mutex<Vec<Call>>,
    answered: AtomicUsize,
}

impl Log {
    fn note(&self, request: &Request, sent: Instant, answer: Answer) {
        let is_answer = answer != Answer::Unknown;
        self.calls.lock().unwrap().push(Call {
            request: request.clone(),
            sent,
            answered: Instant::now(),
            answer,
        });
        self.answered
            .fetch_add(usize::from(is_answer), Ordering::Relaxed);
    }

    /// How many calls were answered.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    pub fn asked(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub fn into_calls(self) -> Vec<Call> {
        self.calls.into_inner().unwrap()
    }
}

/// What may go wrong besides a refusal by the rules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing: the service and its database run.
    None,
    /// The database fails: UNAVAILABLE, with the reason.
    Database,
    /// The service is killed or frozen as well: connections end, calls stay unanswered.
    Service,
}

/// Sends a request until it is answered; each attempt to the next replica.
pub async fn sign(
    replicas: &[Channel],
    first: usize,
    request: &Request,
    log: &Log,
    trouble: Trouble,
) -> Answer {
    let start = Instant::now();
    for channel in replicas.iter().cycle().skip(first) {
        let mut client = SigningServiceClient::new(channel.clone());
        let checkpoint = Some(request.checkpoint());
        let sent = Instant::now();
        let answer = match client
            .sign_checkpoint(SignCheckpointRequest {
                checkpoint,
                omit_content: false,
            })
            .await
        {
            Ok(answer) => {
                let signed = answer.into_inner().signed_checkpoint.unwrap();
                Answer::Signed(signed.published_json)
            }
            Err(status) => read(&status, trouble),
        };
        log.note(request, sent, answer.clone());
        if answer != Answer::Unknown {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "no answer to {request:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no replicas")
}

fn read(status: &Status, trouble: Trouble) -> Answer {
    let Some(info) = status.get_details_error_info() else {
        // The service gives each refusal a reason: this is the client's own word about a lost connection or its
        // deadline, which a slow machine misses without any trouble.
        let is_late = status.code() == Code::Cancelled;
        assert!(is_late || trouble == Trouble::Service, "{status:?}");
        return Answer::Unknown;
    };
    match (status.code(), info.reason.as_str()) {
        (Code::AlreadyExists, "EQUIVOCATION") => Answer::Equivocation,
        (Code::FailedPrecondition, "ROLLBACK") => Answer::Rollback,
        (Code::Unavailable, "RECORD_STORE_UNAVAILABLE") if trouble != Trouble::None => {
            Answer::Unknown
        }
        // One that has just begun still reads its keys.
        (Code::Unavailable, "KEYS_NOT_YET_READ") => Answer::Unknown,
        // On a slow machine a service that starts has not yet got its key on record.
        (Code::FailedPrecondition, "NO_SIGNING_KEY") if trouble == Trouble::Service => {
            Answer::Unknown
        }
        (code, reason) => panic!("{code:?} {reason}: {}", status.message()),
    }
}
