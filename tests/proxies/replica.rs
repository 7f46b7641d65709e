//! The program as a process that is ended in order and started again at the same addresses.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::port::HeldPort;
use crate::{starter, wait};

pub struct Replica {
    pub grpc: HeldPort,
    pub http: HeldPort,
    pub metrics: HeldPort,
    folder: PathBuf,
    record: String,
    log: PathBuf,
    running: Option<(Child, BufReader<ChildStdout>)>,
}

impl Replica {
    /// `folder` has keys.json, roles.toml, and the files of TLS.
    pub fn start(folder: &Path, name: &str, record: &str) -> Self {
        let mut replica = Self {
            grpc: HeldPort::new(),
            http: HeldPort::new(),
            metrics: HeldPort::new(),
            folder: folder.into(),
            record: record.into(),
            log: folder.join(format!("{name}.log")),
            running: None,
        };
        replica.start_again();
        replica
    }

    pub fn start_again(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log);
        let at = |held: &HeldPort| format!("127.0.0.1:{}", held.port);
        let mut child = starter::binary()
            .current_dir(&self.folder)
            .args(["--log-level", "info", "serve", "--source", "file:keys.json"])
            .args(["--record", &self.record, "--roles", "roles.toml"])
            .args(["--grpc", &at(&self.grpc), "--http", &at(&self.http)])
            .args(["--metrics", &at(&self.metrics)])
            .args(["--tls-certificate", "server.crt", "--tls-key", "server.key"])
            .args(["--tls-client-ca", "ca.crt"])
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let mut shown = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..3 {
            let line = wait::line(child.id(), &mut shown, "a replica to say where it listens");
            assert!(line.contains(" on http"), "{line:?}: {}", self.text());
        }
        self.running = Some((child, shown));
    }

    /// SIGTERM; it ends well, and has answered what was in flight.
    pub fn end(&mut self) {
        let (mut child, mut shown) = self.running.take().unwrap();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), Signal::TERM).unwrap();
        let watch = wait::watch(child.id(), "SIGTERM to end a replica");
        let _ = shown.read_line(&mut String::new());
        let status = child.wait().unwrap();
        drop(watch);
        assert!(status.success(), "{status}: {}", self.text());
    }

    /// What all its processes logged.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Who had checkpoints signed, by the audit log.
    pub fn signers(&self) -> Vec<String> {
        let text = self.text();
        let events = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let signed = events.filter(|event| event["act"] == "sign" && event["outcome"] == "done");
        signed
            .map(|event| event["who"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
