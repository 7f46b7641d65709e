//! The program as a process of its own, with a role's credentials.

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

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
    /// Until somebody reads it.
    stderr: Option<ChildStderr>,
    log: Option<JoinHandle<String>>,
}

/// What stands behind some words on the next line.
fn address(shown: &mut Lines<BufReader<ChildStdout>>, what: &str) -> Option<String> {
    let line = shown.next().map(Result::unwrap);
    line.as_deref()
        .and_then(|line| line.strip_prefix(what))
        .map(str::to_owned)
}

impl Serving {
    /// Starts it, waits until it says where it listens, and reads its log all the time.
    pub fn start(command: &mut Command) -> Self {
        let mut serving = Self::start_unread(command);
        serving.read_log();
        serving
    }

    /// Starts it, and waits until it says where it listens. Nobody reads its log until [`Self::read_log`] does.
    pub fn start_unread(command: &mut Command) -> Self {
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
            stderr: child.stderr.take(),
            child,
            shown,
            log: None,
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

    /// From now on its log is read.
    pub fn read_log(&mut self) {
        let Some(mut stderr) = self.stderr.take() else {
            return;
        };
        self.log = Some(std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        }));
    }

    /// Has it end by itself, and gives its log.
    pub fn terminated(&mut self) -> String {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let ending = wait::watch(self.child.id(), "a service to end");
        // The watch waits for a child that nobody has waited for.
        waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )
        .unwrap();
        drop(ending);
        self.end()
    }

    /// Ends it, and gives its log.
    pub fn end(&mut self) -> String {
        let _ = self.child.kill();
        self.read_log();
        let log = self.log.take().map(|log| log.join().unwrap());
        self.child.wait().unwrap();
        log.unwrap_or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end();
    }
}
