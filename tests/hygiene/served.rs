//! The real binary as a service that logs all it can.

use std::path::Path;
use std::process::Stdio;

use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    KeyState, ListKeysRequest, RefreshKeysRequest, RevokeKeyRequest, SignCheckpointRequest,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tonic::Status;
use tonic::transport::Channel;

use crate::support::checkpoint;
use crate::{starter, wait};

/// The program, free of what the tester's shell says about it.
pub fn program() -> Command {
    let mut command = Command::from(starter::binary());
    command.kill_on_drop(true);
    command
}

/// Runs a command that is to end well.
pub async fn run(command: &mut Command) {
    let what = format!("{:?} to end", command.as_std());
    let output = wait::within(&what, command.output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Generates a key with the command line, and gives its secret document.
pub async fn generate(folder: &Path, key_id: &str, from: &str, until: &str) -> String {
    let path = folder.join(key_id);
    let out = path.to_str().unwrap();
    let window = ["--valid-from", from, "--valid-until", until];
    let generate = ["keys", "generate", "--key-id", key_id, "--bits", "2048"];
    run(program().args(generate).args(window).args(["--out", out])).await;
    std::fs::read_to_string(path).unwrap()
}

/// A service that runs.
pub struct Served {
    pub child: Child,
    http: String,
    signing: SigningServiceClient<Channel>,
    keys: KeyServiceClient<Channel>,
    log: std::path::PathBuf,
    signed: u64,
    /// Held, since a closed pipe would be an error to the child.
    _stdout: BufReader<ChildStdout>,
}

impl Served {
    /// Starts it in a folder, with a new record there.
    pub async fn start(mut serve: Command, source: &str, folder: &Path) -> Self {
        let record = format!("sqlite:{}", folder.join("record.sqlite").display());
        run(program().args(["record", "init", "--record", &record])).await;
        let log = folder.join("log");
        let mut child = serve
            .args(["serve", "--log-level", "trace", "--source", source])
            .args(["--record", &record, "--grpc", "127.0.0.1:0"])
            .args(["--http", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (mut grpc, mut http) = (String::new(), String::new());
        wait::within("a service to say where it listens", async {
            stdout.read_line(&mut grpc).await.unwrap();
            stdout.read_line(&mut http).await.unwrap();
        })
        .await;
        let url = grpc.trim().strip_prefix("gRPC on ").unwrap_or_else(|| {
            panic!("it ended: {}", std::fs::read_to_string(&log).unwrap());
        });
        let channel = Channel::from_shared(url.to_owned()).unwrap();
        let channel = channel.connect().await.unwrap();
        Self {
            child,
            http: http.trim().trim_start_matches("HTTP on http://").to_owned(),
            signing: SigningServiceClient::new(channel.clone()),
            keys: KeyServiceClient::new(channel),
            log,
            signed: 0,
            _stdout: stdout,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub fn log(&self) -> Vec<u8> {
        std::fs::read(&self.log).unwrap()
    }

    /// Signs the next checkpoint, and tells which key did.
    pub async fn sign(&mut self) -> String {
        self.signed += 1;
        let n = self.signed;
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint(&format!("chk_{n}"), n, &n.to_string())),
            ..Default::default()
        };
        let answer = self.signing.sign_checkpoint(request).await.unwrap();
        answer.into_inner().signed_checkpoint.unwrap().key_id
    }

    pub async fn refresh(&mut self) -> Result<(), Status> {
        let refreshed = self.keys.refresh_keys(RefreshKeysRequest {}).await;
        refreshed.map(|_| ())
    }

    pub async fn revoke(&mut self, key_id: &str) {
        let request = RevokeKeyRequest {
            key_id: key_id.into(),
            reason: "a test".into(),
            distrust_after: None,
        };
        self.keys.revoke_key(request).await.unwrap();
    }

    pub async fn state(&mut self, key_id: &str) -> KeyState {
        let listed = self.keys.list_keys(ListKeysRequest {}).await.unwrap();
        let mut listed = listed.into_inner().keys.into_iter();
        listed.find(|key| key.key_id == key_id).unwrap().state()
    }

    /// The body that HTTP answers with.
    pub async fn http(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(&self.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
}
