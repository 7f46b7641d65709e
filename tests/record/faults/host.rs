//! The service as a process, on a disk that the test spoils.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    GetSignedCheckpointRequest, ListSignedCheckpointsRequest, SignCheckpointRequest,
    SignedCheckpoint,
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;
use tonic::Status;
use tonic::transport::Channel;

use crate::support::{key_with, write_keys};
use crate::{starter, wait};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

/// Of the small disk.
pub const DISK_BYTES: usize = 1 << 20;

/// Where the service runs: a folder with its key, and in it the disk of the record.
pub struct Host {
    folder: TempDir,
    /// Holds a mount namespace, in which the disk is a small one of its own.
    namespace: Option<Child>,
}

impl Host {
    /// The disk is any folder.
    pub fn plain() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let key = key_with("key", "2020-01-01", "2100-01-01", 0);
        write_keys(folder.path(), &key);
        Self {
            folder,
            namespace: None,
        }
    }

    /// The disk is a small one; none where the machine permits no mount namespaces.
    pub fn with_small_disk() -> Option<Self> {
        let mut host = Self::plain();
        let script = "mount -t tmpfs -o size=\"$1\" tmpfs \"$0\" && echo mounted && exec cat";
        let flags = match rustix::process::geteuid().is_root() {
            true => "-m",
            false => "-Urm",
        };
        let mut child = starter::program("unshare")
            .args([flags, "--propagation", "private", "sh", "-c", script])
            .arg(host.folder.path().join("disk"))
            .arg(DISK_BYTES.to_string())
            // It ends when its input does.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let line = wait::line(child.id(), &mut output, "a small disk");
        host.namespace = Some(child);
        (line == "mounted").then_some(host)
    }

    /// As the service sees it.
    pub fn record(&self) -> PathBuf {
        self.folder.path().join("disk/record.sqlite")
    }

    pub fn place(&self) -> String {
        format!("sqlite:{}", self.record().display())
    }

    /// A file on the disk, as this process sees it.
    pub fn on_disk(&self, name: &str) -> PathBuf {
        let disk = self.folder.path().join("disk");
        match &self.namespace {
            None => disk.join(name),
            Some(holder) => Path::new(&format!("/proc/{}/root", holder.id()))
                .join(disk.strip_prefix("/").unwrap())
                .join(name),
        }
    }

    /// A program that sees the disk.
    pub fn command(&self, program: &str) -> Command {
        let Some(holder) = &self.namespace else {
            return starter::program(program);
        };
        let mut command = starter::program("nsenter");
        command.args(["-m", "-t", &holder.id().to_string()]);
        if !rustix::process::geteuid().is_root() {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg(program);
        command
    }

    /// Exit code, and what was printed.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(PROGRAM).args(arguments).output().unwrap();
        let shown = [output.stdout, output.stderr].concat();
        let shown = String::from_utf8(shown).unwrap();
        (output.status.code().unwrap(), shown)
    }

    pub fn remount(&self, how: &str) {
        let disk = self.folder.path().join("disk");
        let mut mount = self.command("mount");
        let mounted = mount.args(["-o", &format!("remount,{how}")]).arg(disk);
        assert!(mounted.status().unwrap().success());
    }

    fn serve_command(&self, no_file_may_grow: bool) -> Command {
        // A write beyond the limit of a file's size is an error then, and not the end.
        let script = match no_file_may_grow {
            true => "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
            false => "trap '' XFSZ; exec \"$@\"",
        };
        let mut command = self.command("sh");
        command.args(["-c", script, "sh", PROGRAM, "serve"]);
        let keys = self.folder.path().join("keys.json");
        command.args(["--source", &format!("file:{}", keys.display())]);
        command.args(["--record", &self.place(), "--grpc", "127.0.0.1:0"]);
        command
    }

    pub async fn serve(&self) -> Running {
        let log = self.folder.path().join("log");
        let write_log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log);
        let mut child = self
            .serve_command(false)
            .stdout(Stdio::piped())
            .stderr(write_log.unwrap())
            .spawn()
            .unwrap();
        let pid = child.id();
        let mut output = BufReader::new(child.stdout.as_mut().unwrap());
        let line = wait::line(pid, &mut output, "a service to say where it listens");
        let told = || std::fs::read_to_string(&log).unwrap();
        let server = line.trim().strip_prefix("gRPC on ");
        let server = server.unwrap_or_else(|| panic!("{}", told())).to_owned();
        let channel = Channel::from_shared(server.clone()).unwrap();
        let channel = channel.connect().await.unwrap();
        Running {
            child,
            server,
            log,
            signing: SigningServiceClient::new(channel.clone()),
            record: RecordServiceClient::new(channel),
        }
    }

    /// A start that fails: exit code, and what was printed.
    pub fn refused_start(&self, no_file_may_grow: bool) -> (i32, String) {
        let mut child = self
            .serve_command(no_file_may_grow)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut shown = wait::line(child.id(), &mut output, "a start to fail");
        if !shown.is_empty() {
            let _ = child.kill();
        }
        let errors = child.stderr.as_mut().unwrap();
        errors.read_to_string(&mut shown).unwrap();
        (child.wait().unwrap().code().unwrap_or(-1), shown)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut holder) = self.namespace.take() {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// A service that runs.
pub struct Running {
    child: Child,
    pub server: String,
    log: PathBuf,
    pub signing: SigningServiceClient<Channel>,
    pub record: RecordServiceClient<Channel>,
}

impl Running {
    /// The size that a file can grow to; nobody needs a right for that.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = Pid::from_child(&self.child);
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(pid), Resource::Fsize, limit).unwrap();
    }

    pub async fn sign(
        &self,
        checkpoint: checkpoint_signer::wire::proto::Checkpoint,
    ) -> Result<SignedCheckpoint, Status> {
        let checkpoint = Some(checkpoint);
        let request = SignCheckpointRequest {
            checkpoint,
            ..Default::default()
        };
        let answer = self.signing.clone().sign_checkpoint(request).await?;
        Ok(answer.into_inner().signed_checkpoint.unwrap())
    }

    pub async fn get(&self, id: &str, ledger: &str) -> Result<SignedCheckpoint, Status> {
        let request = GetSignedCheckpointRequest {
            ledger_id: ledger.into(),
            checkpoint_id: id.into(),
            ..Default::default()
        };
        let answer = self.record.clone().get_signed_checkpoint(request).await?;
        Ok(answer.into_inner().signed_checkpoint.unwrap())
    }

    /// All rows, by ledger and place.
    pub async fn all(&self) -> Vec<SignedCheckpoint> {
        let (mut all, mut request) = (Vec::new(), ListSignedCheckpointsRequest::default());
        loop {
            let mut client = self.record.clone();
            let answer = client.list_signed_checkpoints(request.clone()).await;
            let page = answer.unwrap().into_inner();
            all.extend(page.signed_checkpoints);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                all.sort_by_key(by_place);
                return all;
            }
        }
    }

    /// SIGTERM; it ends well, and never panicked.
    pub async fn end(mut self) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        // Our end of the connection must see that the service closes it.
        let code = loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                break ended.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let log = std::fs::read_to_string(&self.log).unwrap();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn by_place(signed: &SignedCheckpoint) -> (String, u64) {
    let checkpoint = signed.checkpoint.as_ref().unwrap();
    (checkpoint.ledger_id.clone(), checkpoint.entry_count)
}
