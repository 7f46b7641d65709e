//! Load on a real server process: throughput, latency, and the server's CPU time for each recorded signature
//! beside that of a raw aws-lc-rs signature of the same run.
//!
//! `cargo bench --bench load -- --help` lists the settings. Traffic goes to loopback only, for a bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod clients;
mod server;

use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use clap::{Parser, ValueEnum};
use pkcs1::EncodeRsaPrivateKey;
use rand::rngs::SysRng;

use clients::Measured;
use server::{Server, cpu_seconds};

/// Raw signatures for the reference figure.
const RAW_SIGNATURES: u32 = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Closed loop: each client sends a call when the last one is answered.
    Unary,
    /// Each client sends a stream, pipelined.
    Stream,
    /// Open loop: calls are sent at a rate, whether others are answered or not; latency counts from when a call
    /// was due.
    Open,
}

#[derive(Parser)]
struct Settings {
    /// Bits of the key
    #[arg(long, default_value_t = 3072)]
    bits: usize,
    /// Clients, each with a connection of its own
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// How long, in seconds; at most an hour
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How calls are made
    #[arg(long, value_enum, default_value = "unary")]
    mode: Mode,
    /// Calls a second, of all clients together, in the open loop
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let settings = Settings::parse();
    let raw = raw_cpu_seconds(settings.bits);
    let server = Server::start(settings.bits);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Everything is loaded and every thread has run once.
    let duration = Duration::from_secs(settings.seconds);
    runtime.block_on(clients::run(
        &server.url,
        &settings,
        Duration::from_millis(500),
    ));
    let (cpu, started) = (server.cpu_seconds(), Instant::now());
    let measured = runtime.block_on(clients::run(&server.url, &settings, duration));
    let (cpu, elapsed) = (server.cpu_seconds() - cpu, started.elapsed());
    report(&settings, &measured, raw, cpu, elapsed);
}

/// CPU time of one raw signature.
fn raw_cpu_seconds(bits: usize) -> f64 {
    let key = rsa::PrivateKey::new(&mut SysRng, bits)
        .unwrap()
        .to_pkcs1_der()
        .unwrap();
    let key = RsaKeyPair::from_der(key.as_bytes()).unwrap();
    let (random, mut out) = (SystemRandom::new(), vec![0; key.public_modulus_len()]);
    let mut sign = |count| {
        for _ in 0..count {
            key.sign(&RSA_PSS_SHA256, &random, &[7; 900], &mut out)
                .unwrap();
        }
    };
    sign(RAW_SIGNATURES / 10);
    let before = cpu_seconds(std::process::id());
    sign(RAW_SIGNATURES);
    (cpu_seconds(std::process::id()) - before) / f64::from(RAW_SIGNATURES)
}

fn report(settings: &Settings, measured: &Measured, raw: f64, cpu: f64, elapsed: Duration) {
    let signed = measured.latency.len() as f64;
    let (each, rate) = (cpu / signed, signed / elapsed.as_secs_f64());
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    println!(
        "{:?}, {} clients, {} bit, {:.1} s: {signed} signed and recorded, {} refused",
        settings.mode,
        settings.clients,
        settings.bits,
        elapsed.as_secs_f64(),
        measured.refused
    );
    println!(
        "throughput                {rate:>9.1} /s ({:.2} of {cores} cores' raw rate)",
        rate * raw / cores
    );
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        let latency = measured.latency.value_at_quantile(quantile) as f64 / 1000.0;
        println!("latency {name}               {latency:>9.2} ms");
    }
    println!("raw signature, CPU        {:>9.3} ms", raw * 1000.0);
    println!("recorded call, server CPU {:>9.3} ms", each * 1000.0);
    println!("ratio                     {:>9.2}", each / raw);
}
