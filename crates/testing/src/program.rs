//! The program as a process of its own, with a role's credentials.

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::cloud::Cloud;
use crate::wait;

/// How a command ended, and all that it printed.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub text: String,
}

pub fn run(command: &mut Command) -> Ended {
    let output = wait::output(command);
    Ended {
        code: output.status.code().unwrap(),
        text: String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
    }
}

/// Runs a command that is to end well.
pub fn must(command: &mut Command) -> String {
    let ended = run(command);
    assert_eq!(ended.code, 0, "{command:?}: {}", ended.text);
    ended.text
}

/// As a role, in a folder.
pub fn as_role(cloud: &Cloud, role: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = cloud.command(role, &crate::checkpoint_signer(), folder);
    command.args(arguments);
    command
}

/// A service that runs; it ends with this.
pub struct Serving {
    pub grpc: String,
    pub http: String,
    child: Child,
    shown: Lines<BufReader<ChildStdout>>,
}

/// What stands behind some words on the next line.
fn address(shown: &mut Lines<BufReader<ChildStdout>>, what: &str) -> Option<String> {
    let line = shown.next().map(Result::unwrap);
    line.as_deref()
        .and_then(|line| line.strip_prefix(what))
        .map(str::to_owned)
}

impl Serving {
    /// Starts it, and waits until it says where it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
        let telling = wait::watch(child.id(), "a service to say where it listens");
        let grpc = address(&mut shown, "gRPC on ");
        let http = address(&mut shown, "HTTP on ");
        drop(telling);
        let mut serving = Self {
            grpc: grpc.clone().unwrap_or_default(),
            http: http.clone().unwrap_or_default(),
            child,
            shown,
        };
        if grpc.is_none() || http.is_none() {
            let log = serving.end();
            panic!("{command:?} did not start: {log}");
        }
        serving
    }

    /// Where its metrics are, on a port of their own.
    pub fn metrics(&mut self) -> String {
        let _telling = wait::watch(self.child.id(), "a service to say where its metrics are");
        let metrics = address(&mut self.shown, "metrics on ").unwrap();
        metrics.trim_end_matches("/metrics").into()
    }

    /// Ends it, and gives its log.
    pub fn end(&mut self) -> String {
        let _ = self.child.kill();
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).unwrap();
        }
        self.child.wait().unwrap();
        log
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end();
    }
}
