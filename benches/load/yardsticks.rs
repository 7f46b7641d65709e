//! What the machine can do at best: the figures beside which those of the server are put.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use hdrhistogram::Histogram;
use pkcs1::EncodeRsaPrivateKey;
use rand::rngs::SysRng;

use crate::process::cpu_seconds;

/// How long raw signatures are made before and after the load: CPU time is told in hundredths of a second.
const SIGN_FOR: Duration = Duration::from_millis(1500);

/// Raw signatures, and durable writes, after each round of single calls.
const EACH_ROUND: u64 = 10;

/// Pages of the file that is written to.
const PAGES: u64 = 256;

const PAGE: [u8; 4096] = [7; 4096];

/// Raw signatures and durable writes, in the same minutes as what they are put beside: the clock of a machine
/// drifts, and its disk has other work.
pub struct Yardsticks {
    key: RsaKeyPair,
    random: SystemRandom,
    file: File,
    writes_done: u64,
    /// Before and after the load, one at a time.
    alone: Made,
    /// The same, as many at a time as there are cores.
    crowded: Made,
    /// Between single calls, in microseconds.
    signatures: Histogram<u64>,
    /// Between single calls, in microseconds.
    writes: Histogram<u64>,
}

/// Raw signatures, and the CPU time that they took.
#[derive(Clone, Copy, Default)]
struct Made {
    signatures: u64,
    cpu_seconds: f64,
}

impl Yardsticks {
    /// The writes go to a file in `folder`.
    pub fn new(bits: usize, folder: &Path) -> Self {
        let key = rsa::PrivateKey::new(&mut SysRng, bits).unwrap();
        let key = key.to_pkcs1_der().unwrap();
        Self {
            key: RsaKeyPair::from_der(key.as_bytes()).unwrap(),
            random: SystemRandom::new(),
            file: pages(folder),
            writes_done: 0,
            alone: Made::default(),
            crowded: Made::default(),
            signatures: Histogram::new(3).unwrap(),
            writes: Histogram::new(3).unwrap(),
        }
    }

    /// Before and after the load, while the server has nothing to do: one signature at a time, and then as many as there are cores, which is
    /// how they are made under load: cores that share caches, a clock or a pipeline take longer for each.
    pub fn around_load(&mut self) {
        self.alone = self.sign_on(1, self.alone);
        self.crowded = self.sign_on(cores(), self.crowded);
    }

    /// Adds what so many threads make to what was made.
    fn sign_on(&self, threads: usize, made: Made) -> Made {
        let (before, start) = (cpu_seconds(std::process::id()), Instant::now());
        let sign = || {
            let mut signed = 0;
            while start.elapsed() < SIGN_FOR {
                self.sign();
                signed += 1;
            }
            signed
        };
        let signed: u64 = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(sign)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        Made {
            signatures: made.signatures + signed,
            cpu_seconds: made.cpu_seconds + cpu_seconds(std::process::id()) - before,
        }
    }

    /// After each round of single calls.
    pub fn between_calls(&mut self) {
        for _ in 0..EACH_ROUND {
            let start = Instant::now();
            self.sign();
            self.signatures.record(micros(start.elapsed())).unwrap();
        }
        for _ in 0..EACH_ROUND {
            let start = Instant::now();
            self.write();
            self.writes.record(micros(start.elapsed())).unwrap();
        }
    }

    fn sign(&self) {
        let mut out = vec![0; self.key.public_modulus_len()];
        let message = [7; 900];
        let signed = self
            .key
            .sign(&RSA_PSS_SHA256, &self.random, &message, &mut out);
        signed.unwrap();
    }

    /// Writes over a page that exists, as the logs of SQLite and PostgreSQL do once they have their size.
    fn write(&mut self) {
        let place = self.writes_done % PAGES * PAGE.len() as u64;
        self.file.write_all_at(&PAGE, place).unwrap();
        self.file.sync_all().unwrap();
        self.writes_done += 1;
    }

    /// CPU time of one raw signature, in seconds.
    pub fn signature_cpu(&self) -> f64 {
        self.alone.cpu_seconds / self.alone.signatures as f64
    }

    /// The same while all cores make them.
    pub fn crowded_signature_cpu(&self) -> f64 {
        self.crowded.cpu_seconds / self.crowded.signatures as f64
    }

    /// How long one raw signature takes, the median, in milliseconds.
    pub fn signature_ms(&self) -> f64 {
        millis(&self.signatures, 0.5)
    }

    /// How long one write of 4 KiB with its fsync takes, the median, in milliseconds.
    pub fn write_ms(&self) -> f64 {
        millis(&self.writes, 0.5)
    }
}

/// A file without a name, which goes with this process.
fn pages(folder: &Path) -> File {
    let file = tempfile::tempfile_in(folder).unwrap();
    for page in 0..PAGES {
        file.write_all_at(&PAGE, page * PAGE.len() as u64).unwrap();
    }
    file.sync_all().unwrap();
    file
}

pub fn cores() -> usize {
    thread::available_parallelism().unwrap().get()
}

pub fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap()
}

/// A quantile of a histogram of microseconds, in milliseconds.
pub fn millis(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}
