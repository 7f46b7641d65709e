//! What ECS would run: the test does what moto leaves out. A task gets its files and the record's address from their
//! secrets when it starts, as `deploy/service.yaml` says; only its addresses are this machine's.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::faketime::same_day;
use crate::port::HeldPort;
use crate::{starter, wait};

pub const CLUSTER: &str = "checkpoint-signer-prod";
pub const SERVICE: &str = "checkpoint-signer";
pub const FILES: &str = "amply/prod/checkpoint-signer-files";
pub const DATABASE: &str = "amply/database-url";
const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

/// Where a replica listens, always.
struct Held {
    grpc: HeldPort,
    http: HeldPort,
    metrics: HeldPort,
}

#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub grpc: u16,
    pub http: u16,
    pub metrics: u16,
}

struct Task {
    child: Child,
    _stdout: BufReader<std::process::ChildStdout>,
}

/// A replica, whether it runs or not.
struct Place {
    folder: PathBuf,
    held: Held,
    task: Option<Task>,
    /// Lines of the log that were asked for.
    shipped: usize,
}

pub struct Fargate {
    /// Where tasks find AWS.
    endpoint: String,
    places: Vec<Place>,
    /// The deployment that runs.
    running: Value,
    started: usize,
}

impl Fargate {
    pub fn new(folder: &Path, endpoint: &str, replicas: usize) -> Self {
        let place = |number| {
            let folder = folder.join(format!("replica-{number}"));
            std::fs::create_dir(&folder).unwrap();
            Place {
                folder,
                held: Held {
                    grpc: HeldPort::new(),
                    http: HeldPort::new(),
                    metrics: HeldPort::new(),
                },
                task: None,
                shipped: 0,
            }
        };
        Self {
            endpoint: endpoint.into(),
            places: (0..replicas).map(place).collect(),
            running: Value::Null,
            started: 0,
        }
    }

    pub fn ports(&self, replica: usize) -> Ports {
        let held = &self.places[replica].held;
        Ports {
            grpc: held.grpc.port,
            http: held.http.port,
            metrics: held.metrics.port,
        }
    }

    /// How many tasks were started.
    pub fn started(&self) -> usize {
        self.started
    }

    /// Does what ECS was told since the last time: a new deployment replaces one replica after the other.
    pub fn follow(&mut self, cloud: &mut Cloud, between: impl Fn()) {
        let asked = json!({ "cluster": CLUSTER, "services": [SERVICE] });
        let found = cloud.ask("ecs.describe_services", asked)["services"][0].clone();
        let wanted = usize::try_from(found["desiredCount"].as_u64().unwrap()).unwrap();
        let deployment = json!([found["taskDefinition"], found["deployments"][0]["id"]]);
        let is_new = std::mem::replace(&mut self.running, deployment.clone()) != deployment;
        for (number, place) in self.places.iter_mut().enumerate() {
            let was_running = place.task.is_some();
            if was_running && (is_new || number >= wanted) {
                place.stop();
            }
            if number < wanted && place.task.is_none() {
                place.start(cloud, &self.endpoint);
                self.started += 1;
                if was_running {
                    between();
                }
            }
        }
    }

    /// What was logged since the last time.
    pub fn new_log(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for place in &mut self.places {
            let log = std::fs::read_to_string(place.log()).unwrap_or_default();
            let new = log.lines().skip(place.shipped).map(str::to_owned);
            let before = lines.len();
            lines.extend(new);
            place.shipped += lines.len() - before;
        }
        lines
    }
}

impl Place {
    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn start(&mut self, cloud: &mut Cloud, endpoint: &str) {
        let mut secret = |name| {
            let asked = json!({ "SecretId": name, "VersionStage": "AWSCURRENT" });
            let value = cloud.ask("secretsmanager.get_secret_value", asked);
            value["SecretString"].as_str().unwrap().to_owned()
        };
        let files: Value = serde_json::from_str(&secret(FILES)).unwrap();
        for (member, file) in [
            ("certificate", "tls.pem"),
            ("key", "tls.key"),
            ("client_ca", "client-ca.pem"),
            ("roles", "roles.toml"),
        ] {
            let text = files[member].as_str().unwrap();
            std::fs::write(self.folder.join(file), text).unwrap();
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let address = |held: &HeldPort| format!("127.0.0.1:{}", held.port);
        let mut child = starter::program(PROGRAM)
            .arg("serve")
            .current_dir(&self.folder)
            .env_clear()
            .envs(same_day())
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "key.ServiceRole")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("CHECKPOINT_SIGNER_ENVIRONMENT", "prod")
            .env("CHECKPOINT_SIGNER_LOG_NAME", "amply-prod")
            .env("CHECKPOINT_SIGNER_LOG_LEVEL", "info")
            .env("CHECKPOINT_SIGNER_RECORD", secret(DATABASE))
            .env("CHECKPOINT_SIGNER_GRPC", address(&self.held.grpc))
            .env("CHECKPOINT_SIGNER_HTTP", address(&self.held.http))
            .env("CHECKPOINT_SIGNER_METRICS", address(&self.held.metrics))
            .env("CHECKPOINT_SIGNER_TLS_CERTIFICATE", "tls.pem")
            .env("CHECKPOINT_SIGNER_TLS_KEY", "tls.key")
            .env("CHECKPOINT_SIGNER_TLS_CLIENT_CA", "client-ca.pem")
            .env("CHECKPOINT_SIGNER_ROLES", "roles.toml")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = wait::line(child.id(), &mut stdout, "a task to say where it listens");
        let log = std::fs::read_to_string(self.log()).unwrap();
        assert!(line.starts_with("gRPC on"), "a task does not start: {log}");
        self.task = Some(Task {
            child,
            _stdout: stdout,
        });
    }

    /// SIGTERM: it must end in order.
    fn stop(&mut self) {
        let mut task = self.task.take().unwrap();
        let pid = i32::try_from(task.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
        let ending = wait::watch(task.child.id(), "SIGTERM to end a task");
        let status = task.child.wait().unwrap();
        drop(ending);
        assert!(
            status.success(),
            "{status}: {:?}",
            std::fs::read_to_string(self.log())
        );
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(task) = &mut self.task {
            let _ = task.child.kill();
            let _ = task.child.wait();
        }
    }
}
