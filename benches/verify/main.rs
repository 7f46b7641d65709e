//! How fast `verify` is with a million published checkpoints, beside raw aws-lc-rs and a Python script in the same run.
//!
//! `cargo bench --bench verify -- --help` lists the settings. Making a million signatures takes five minutes or so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod log;

use testing::{process, python};

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{Algorithm, ValidityWindow};
use checkpoint::keyring::Keyring;
use checkpoint::signing::{KeySecret, SigningKey};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use rayon::prelude::*;

use process::{cpu_seconds, peak_mib};

/// Checkpoints of a ledger: ten years, day by day.
const DAYS: u64 = 3650;

/// Checkpoints of a folder, where each has a file of its own.
const FILES: &str = "files";

/// How long raw verifications are made, before and after.
const RAW_FOR: Duration = Duration::from_secs(3);

/// Checkpoints that Python gets: it has one core, and nobody wants to wait.
const FOR_PYTHON: usize = 20_000;

/// Checkpoints whose signatures the raw yardstick verifies, again and again.
const FOR_RAW: usize = 20_000;

#[derive(Parser)]
struct Settings {
    /// Checkpoints
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Bits of the key
    #[arg(long, default_value_t = 3072)]
    bits: usize,
    /// Where the checkpoints are, or will be kept for another run; a temporary folder otherwise
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Also from a folder in which each checkpoint has a file of its own; it is made, and removed afterwards
    #[arg(long)]
    files: bool,
    /// Cargo gives it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let settings = Settings::parse();
    let temporary = tempfile::tempdir().unwrap();
    let folder = settings.folder.as_deref().unwrap_or(temporary.path());
    let (keyring, published) = (folder.join("keyring.json"), folder.join("published.ndjson"));
    let (export, head) = (folder.join("export.ndjson"), folder.join("head.jws"));
    if !published.exists() || !head.exists() {
        let (key, start) = make(&settings, &keyring, &published);
        log::make(&key, start, &published, &export, &head);
    }
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    let inputs = Inputs::read(&keyring, &published);
    let before = inputs.raw_rate();
    let run = Run::of(&keyring, &published, settings.count);
    let files = settings.files.then(|| {
        let files = folder.join(FILES);
        split(&published, &files);
        let run = Run::of(&keyring, &files, settings.count);
        std::fs::remove_dir_all(files).unwrap();
        run
    });
    let packed = run_packed(&keyring, &published, settings.count);
    let covered = log::Covered::of(&keyring, &export, &head, settings.count);
    let after = inputs.raw_rate();
    let raw = Raw {
        rate: (before.rate + after.rate) / 2.0,
        cpu: (before.cpu + after.cpu) / 2.0,
    };
    let by_head = settings.count as f64 / covered.run.seconds;
    let ours = settings.count as f64 / run.seconds;
    let python = python_rate(&keyring, &published);
    println!(
        "\n{} checkpoints, {} bit, {cores} cores",
        settings.count, settings.bits
    );
    println!(
        "raw verification, aws-lc-rs, all cores   {:>8.0} /s, {:.1} us of CPU each",
        raw.rate,
        raw.cpu * 1e6
    );
    println!(
        "verify --keys, from NDJSON               {ours:>8.0} /s, {:.2} s, {:.1} us of CPU each",
        run.seconds,
        run.cpu / settings.count as f64 * 1e6
    );
    println!(
        "verify --keys, from .ndjson.gz           {:>8.0} /s, {:.2} s, {:.1} us of CPU each, {:.1} MiB",
        settings.count as f64 / packed.seconds,
        packed.seconds,
        packed.cpu / settings.count as f64 * 1e6,
        packed.mib
    );
    if let Some(run) = &files {
        let rate = settings.count as f64 / run.seconds;
        println!(
            "verify --keys, from a folder of files    {rate:>8.0} /s, {:.2} s, {:.1} us of CPU each, {:.2} of raw, {:.1} MiB",
            run.seconds,
            run.cpu / settings.count as f64 * 1e6,
            rate / raw.rate,
            run.mib
        );
    }
    println!(
        "verify --log, by one signed head         {by_head:>8.0} /s, {:.2} s, {:.2} us of CPU each",
        covered.run.seconds,
        covered.run.cpu / settings.count as f64 * 1e6
    );
    println!(
        "the same without the program's start     {:>8.0} /s",
        covered.rate
    );
    println!("a Python script with cryptography        {python:>8.0} /s, one core");
    let cpu = |run: &Run| raw.cpu / (run.cpu / settings.count as f64);
    println!(
        "\nverify / raw      {:.2}, by CPU time {:.2}   goal >= 0.92",
        ours / raw.rate,
        cpu(&run)
    );
    println!(
        "by one head / raw {:.1}, by CPU time {:.1}   goal >= 30",
        by_head / raw.rate,
        cpu(&covered.run)
    );
    println!(
        ".ndjson.gz / NDJSON {:.2}, by CPU time {:.2}   goal >= 0.8",
        run.seconds / packed.seconds,
        run.cpu / packed.cpu
    );
    println!("verify / Python   {:.1}", ours / python);
    println!("memory            {:.1} MiB   goal < 100 MiB", run.mib);
    println!(
        "memory, one head  {:.1} MiB   goal < 100 MiB",
        covered.run.mib
    );
}

fn make(settings: &Settings, keyring: &Path, published: &Path) -> (SigningKey, DateTime<Utc>) {
    let start: DateTime<Utc> = "2015-01-01T00:00:00Z".parse().unwrap();
    let until = start + TimeDelta::days(DAYS as i64 + 1);
    let window = ValidityWindow::new(start, until).unwrap();
    let key_id = "amply-checkpoint-key-bench".parse().unwrap();
    let made = KeySecret::generate(key_id, window, Algorithm::Ps256, settings.bits, None);
    let key = KeySecret::parse(&made.unwrap().0, None)
        .unwrap()
        .into_signing_key();
    let mut ring = Keyring::default();
    ring.insert(key.version().clone()).unwrap();
    std::fs::create_dir_all(published.parent().unwrap()).unwrap();
    std::fs::write(keyring, ring.to_jwks()).unwrap();
    let mut file = BufWriter::new(std::fs::File::create(published).unwrap());
    let batch = 10_000;
    for first in (0..settings.count).step_by(batch) {
        let end = settings.count.min(first + batch as u64);
        let lines: Vec<String> = (first..end)
            .into_par_iter()
            .map(|n| line(&key, start, n, settings.count.div_ceil(DAYS)))
            .collect();
        for line in lines {
            writeln!(file, "{line}").unwrap();
        }
        eprintln!("signed {end} of {}", settings.count);
    }
    file.flush().unwrap();
    (key, start)
}

/// Writes each line to a file of its own.
fn split(published: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let lines = BufReader::new(std::fs::File::open(published).unwrap()).lines();
    for (n, line) in lines.enumerate() {
        std::fs::write(to.join(format!("{n:08}.json")), line.unwrap()).unwrap();
    }
}

/// The same lines from a file that `gzip` wrote.
fn run_packed(keyring: &Path, published: &Path, count: u64) -> Run {
    let packed = published.with_extension("ndjson.gz");
    let file = std::fs::File::create(&packed).unwrap();
    let mut gzip = std::process::Command::new("gzip");
    let ended = gzip.arg("-c").arg(published).stdout(file).status();
    assert!(ended.unwrap().success(), "gzip");
    let run = Run::of(keyring, &packed, count);
    std::fs::remove_file(packed).unwrap();
    run
}

/// The n-th: ledger by ledger for each day, as they are published and signed.
fn line(key: &SigningKey, start: DateTime<Utc>, n: u64, ledgers: u64) -> String {
    let (ledger, day) = (n % ledgers, n / ledgers);
    let time = start + TimeDelta::days(day as i64) + TimeDelta::seconds(86_399);
    let name = time.format("%Y-%m-%d");
    let timestamp = time.format("%Y-%m-%dT%H:%M:%SZ");
    let (entries, volume) = (15_842 + day * 17, 284_729_340 + day * 1000);
    let text = format!(
        r#"{{"checkpoint_id":"chk_{name}","ledger_id":"org_{ledger}","timestamp":"{timestamp}","cumulative_hash":"sha256:{n:064x}","entry_count":{entries},"total_volume":{volume},"organization_summaries":[]}}"#
    );
    let checkpoint = Checkpoint::from_json(text.as_bytes()).unwrap();
    let jws = key
        .open_at(time)
        .unwrap()
        .sign(checkpoint.payload())
        .unwrap();
    SignedCheckpoint { checkpoint, jws }.published_json()
}

/// Signatures that are taken apart already: nothing but RSA is left to do.
struct Inputs {
    keyring: Keyring,
    signed: Vec<(String, SignedCheckpoint)>,
}

impl Inputs {
    fn read(keyring: &Path, published: &Path) -> Self {
        let lines = BufReader::new(std::fs::File::open(published).unwrap()).lines();
        let signed = lines.take(FOR_RAW).map(|line| {
            let signed = SignedCheckpoint::from_published_json(line.unwrap().as_bytes()).unwrap();
            (
                signed
                    .jws
                    .signing_input(signed.checkpoint.payload().as_bytes()),
                signed,
            )
        });
        Self {
            signed: signed.collect(),
            keyring: Keyring::from_jwks(&std::fs::read(keyring).unwrap()).unwrap(),
        }
    }

    /// How fast all cores together are.
    fn raw_rate(&self) -> Raw {
        let (start, mut done) = (Instant::now(), 0);
        let before = cpu_seconds(std::process::id());
        while start.elapsed() < RAW_FOR {
            self.signed.par_iter().for_each(|(input, signed)| {
                let header = signed.jws.header();
                let key = &self.keyring.get(&header.kid).unwrap().version().public_key;
                key.verify(header.alg, input.as_bytes(), signed.jws.signature())
                    .unwrap();
            });
            done += self.signed.len();
        }
        Raw {
            rate: done as f64 / start.elapsed().as_secs_f64(),
            cpu: (cpu_seconds(std::process::id()) - before) / done as f64,
        }
    }
}

/// RSA, and nothing else.
struct Raw {
    /// Verifications a second, by all cores together.
    rate: f64,
    /// Seconds of CPU for one.
    cpu: f64,
}

/// What one run of `verify` took.
struct Run {
    seconds: f64,
    cpu: f64,
    mib: f64,
}

impl Run {
    fn of(keyring: &Path, published: &Path, count: u64) -> Self {
        let (run, report) = Self::with(&[published, Path::new("--keys"), keyring]);
        assert_eq!(report["summary"]["valid"], count);
        run
    }

    /// Runs `verify`, and gives its report as well.
    fn with(arguments: &[&Path]) -> (Self, serde_json::Value) {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_checkpoint-signer"))
            .arg("verify")
            .args(arguments)
            .args(["--format", "json"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut run = Self {
            seconds: 0.0,
            cpu: 0.0,
            mib: 0.0,
        };
        while child.try_wait().unwrap().is_none() {
            // None when it has ended, but was not waited for.
            if let Some(mib) = peak_mib(child.id()) {
                (run.mib, run.cpu) = (mib, cpu_seconds(child.id()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        run.seconds = start.elapsed().as_secs_f64();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "it ends in {:?}", output.status);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (run, report)
    }
}

fn python_rate(keyring: &Path, published: &Path) -> f64 {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/verify/verify.py");
    let output = python::python()
        .arg(script)
        .args([keyring, published])
        .arg(FOR_PYTHON.to_string())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    shown
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}
