//! One bash for a whole story, as a person has one terminal: what a block exports, the next one has.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// Runs each block in this shell, and one that is to fail in a child of it, which may end.
const LOOP: &str = r#"
set -u -o pipefail
while read -r script code; do
  if [ "$code" = 0 ]; then
    set -e
    . "$script" > "$script.out" 2> "$script.err" < /dev/null
    set +e
    found=0
  else
    ( set -e; . "$script" ) > "$script.out" 2> "$script.err" < /dev/null
    found=$?
  fi
  echo "$found"
done
"#;

/// How long a block may take that waits for something, before it is ended and the test fails.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    scripts: TempDir,
    count: usize,
}

impl Shell {
    /// `command` is bash with its folder and its variables.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["--noprofile", "--norc", "-c", LOOP])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is needed");
        Self {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
            scripts: tempfile::tempdir().unwrap(),
            count: 0,
        }
    }

    /// Runs a block that is to end so; gives how it ended, and what a person saw of it: what it printed, and its complaints.
    /// On a terminal the program's log would be a few lines of text among these; here it is JSON, and is left out.
    pub fn run(&mut self, block: &str, exit: i32) -> (i32, String) {
        self.count += 1;
        let script = self.scripts.path().join(self.count.to_string());
        std::fs::write(&script, block).unwrap();
        writeln!(self.stdin, "{} {exit}", script.display()).unwrap();
        let (done, waits) = mpsc::channel::<()>();
        let group = self.group();
        std::thread::spawn(move || {
            if waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        drop(done);
        let read = |extension| {
            std::fs::read_to_string(script.with_extension(extension)).unwrap_or_default()
        };
        let (mut text, complaints) = (read("out"), read("err"));
        for complaint in complaints.lines() {
            if !complaint.starts_with("{\"timestamp\"") {
                text.push_str(complaint);
                text.push('\n');
            }
        }
        match line.trim().parse() {
            Ok(code) => (code, text),
            // `set -e` has ended the shell.
            Err(_) => (self.child.wait().unwrap().code().unwrap_or(-1), text),
        }
    }

    fn group(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok();
        pid.and_then(Pid::from_raw).unwrap()
    }
}

impl Drop for Shell {
    /// What a block left in the background ends as well.
    fn drop(&mut self) {
        let _ = kill_process_group(self.group(), Signal::KILL);
        let _ = self.child.wait();
    }
}
