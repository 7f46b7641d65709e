//! Waiting that ends: by what was waited for, or with a failure that says what that was.

use std::io::BufRead;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing is that slow on a machine that does ten other things: who waits so long waits for what does not come.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What comes of it, in time.
pub async fn within<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, coming).await {
        Ok(come) => come,
        Err(_) => panic!("waited {PATIENCE:?} in vain for: {what}"),
    }
}

/// Looks again and again until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(
            begun.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain for: {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// While this lives, a program is given this long for something; then it is ended, so that reading from it or waiting for it
/// ends too.
pub struct Watch {
    /// Its end tells.
    _over: Sender<()>,
}

/// `pid` is a child that nobody waits for until the watch is over, or with it.
pub fn watch(pid: u32, what: &str) -> Watch {
    let (over, waits) = mpsc::channel();
    let what = what.to_owned();
    std::thread::spawn(move || {
        if waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("waited {PATIENCE:?} in vain for: {what}; ending process {pid}");
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let _ = kill_process(pid.expect("a process"), Signal::KILL);
        }
    });
    Watch { _over: over }
}

/// The next line that a child prints, without its end; none if it has ended.
pub fn line_or_end(pid: u32, printed: &mut impl BufRead, what: &str) -> Option<String> {
    let _watch = watch(pid, what);
    let mut line = String::new();
    let bytes = printed.read_line(&mut line).expect("a line in UTF-8");
    (bytes > 0).then(|| line.trim_end().to_owned())
}

/// The same, of a child that prints no empty line.
pub fn line(pid: u32, printed: &mut impl BufRead, what: &str) -> String {
    line_or_end(pid, printed, what).unwrap_or_default()
}

/// Runs a program to its end, with nothing to read.
pub fn output(command: &mut Command) -> Output {
    let what = format!("{command:?} to end");
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let _watch = watch(child.id(), &what);
    child.wait_with_output().expect("its end")
}
