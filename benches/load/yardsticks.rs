//! What the machine can do at best: the figures beside which those of the server are put.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use hdrhistogram::Histogram;
use pkcs1::EncodeRsaPrivateKey;
use rand::rngs::SysRng;

use crate::process::cpu_seconds;

/// How long raw signatures are made at a time: CPU time is told in hundredths of a second.
const SIGN_FOR: Duration = Duration::from_millis(1500);

/// Writes that are made durable at a time.
const WRITES: u64 = 100;

const PAGE: [u8; 4096] = [7; 4096];

/// Raw signatures and durable writes. They are measured before and after the load, and their average counts: the
/// clock of a machine drifts.
pub struct Yardsticks {
    key: RsaKeyPair,
    cpu_seconds: f64,
    /// In microseconds.
    signatures: Histogram<u64>,
    /// In microseconds.
    writes: Histogram<u64>,
}

impl Yardsticks {
    pub fn new(bits: usize) -> Self {
        let key = rsa::PrivateKey::new(&mut SysRng, bits).unwrap();
        let key = key.to_pkcs1_der().unwrap();
        Self {
            key: RsaKeyPair::from_der(key.as_bytes()).unwrap(),
            cpu_seconds: 0.0,
            signatures: Histogram::new(3).unwrap(),
            writes: Histogram::new(3).unwrap(),
        }
    }

    /// Measures both, the writes in a folder.
    pub fn measure(&mut self, folder: &Path) {
        self.sign();
        self.write(&folder.join("load.yardstick"));
    }

    /// One signature at a time, on one thread: the rest of this process does nothing meanwhile.
    fn sign(&mut self) {
        let random = SystemRandom::new();
        let mut out = vec![0; self.key.public_modulus_len()];
        let (before, start) = (cpu_seconds(std::process::id()), Instant::now());
        while start.elapsed() < SIGN_FOR {
            let one = Instant::now();
            let signed = self.key.sign(&RSA_PSS_SHA256, &random, &[7; 900], &mut out);
            signed.unwrap();
            self.signatures.record(micros(one.elapsed())).unwrap();
        }
        self.cpu_seconds += cpu_seconds(std::process::id()) - before;
    }

    /// Writes over pages that exist, as the logs of SQLite and PostgreSQL do once they have their size.
    fn write(&mut self, path: &Path) {
        let mut options = OpenOptions::new();
        let file: File = options.write(true).create(true).open(path).unwrap();
        let place = |page: u64| page * PAGE.len() as u64;
        for page in 0..WRITES {
            file.write_all_at(&PAGE, place(page)).unwrap();
        }
        file.sync_all().unwrap();
        for page in 0..WRITES {
            let one = Instant::now();
            file.write_all_at(&PAGE, place(page)).unwrap();
            file.sync_all().unwrap();
            self.writes.record(micros(one.elapsed())).unwrap();
        }
        std::fs::remove_file(path).unwrap();
    }

    /// CPU time of one raw signature, in seconds.
    pub fn signature_cpu(&self) -> f64 {
        self.cpu_seconds / self.signatures.len() as f64
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

pub fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap()
}

/// A quantile of a histogram of microseconds, in milliseconds.
pub fn millis(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}
