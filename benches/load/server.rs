//! The server under load: the real binary.

use std::fs::{File, read_to_string};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::place::Place;
use crate::process::{cpu_seconds, resident_mib};

/// Each has a log of its own.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// After this long a server that nobody calls has done all that a start entails.
const IDLE: Duration = Duration::from_secs(1);

pub struct Server {
    pub url: String,
    /// From before the process was made until it said where it serves.
    pub ready_after: Duration,
    child: Child,
}

impl Server {
    pub fn start(place: &Place) -> Self {
        let arguments = [
            "serve",
            "--source",
            "file:key.json",
            "--grpc",
            "127.0.0.1:0",
        ];
        let mut command = place.command(&arguments);
        command.stdout(Stdio::piped());
        let log = format!("server-{}.log", STARTED.fetch_add(1, Ordering::Relaxed));
        let log = place.file(&log);
        command.stderr(File::create(&log).unwrap());
        let started = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let ready_after = started.elapsed();
        let Some(url) = line.trim().strip_prefix("gRPC on ") else {
            let log = read_to_string(log).unwrap();
            panic!("the server did not start: {line}{log}");
        };
        Self {
            url: url.into(),
            ready_after,
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that was started often, and waits for its first call.
pub struct Started {
    pub server: Server,
    /// The median of all starts.
    pub ready_after: Duration,
    /// Resident memory in MiB before the first call.
    pub idle_mib: f64,
}

impl Started {
    /// Starts it `count` times, one after the other; the last one goes on.
    pub fn measure(place: &Place, count: u64) -> Self {
        let mut times: Vec<Duration> = (1..count)
            .map(|_| Server::start(place).ready_after)
            .collect();
        let server = Server::start(place);
        times.push(server.ready_after);
        times.sort();
        std::thread::sleep(IDLE);
        Self {
            ready_after: times[times.len() / 2],
            idle_mib: resident_mib(server.child.id()),
            server,
        }
    }
}
