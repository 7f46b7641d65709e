//! Load on a real server process: throughput, latency, CPU time, memory and the time of a start, beside what raw
//! aws-lc-rs and the disk do in the same run.
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
mod figures;
mod fill;
mod ledgers;
mod night;
mod openbao;
mod place;
mod server;
mod settings;
mod sizes;
mod yardsticks;

use testing::{postgres, process};

use std::time::{Duration, Instant};

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use clients::Measured;
use figures::{Cpu, Figures, Loaded};
use place::Place;
use process::{cpu_seconds, machine_seconds};
use server::{Server, Started};
use settings::Settings;
use yardsticks::Yardsticks;

/// Load before it is measured, so that everything is loaded and every thread has run once.
const WARM_UP: Duration = Duration::from_millis(500);

fn main() {
    let settings = Settings::parse();
    let runtime = Runtime::new().unwrap();
    if let Some(program) = &settings.openbao {
        return openbao::run(&settings, &runtime, program);
    }
    let key = place::key_document(settings.bits);
    let filled = |rows| runtime.block_on(filled(&settings, &key, rows));
    let place = filled(settings.rows);
    if !settings.sizes.is_empty() {
        return sizes::run(&settings, &runtime, &place);
    }
    if let Some(ledgers) = settings.night {
        return night::run(&settings, &runtime, &place, ledgers);
    }
    let compared = settings.compare_rows.map(filled);
    let mut yardsticks = Yardsticks::new(settings.bits, place.durable_folder());
    let started = Started::measure(&place, settings.starts);
    let other = compared.as_ref().map(Server::start);
    let servers = std::iter::once(&started.server).chain(&other);
    let urls: Vec<&str> = servers.map(|server| server.url.as_str()).collect();
    let unloaded = unloaded(&urls, settings.duration(), &mut yardsticks);
    drop(other);
    let refused: u64 = unloaded.iter().map(|measured| measured.refused).sum();
    assert_eq!(refused, 0, "a refusal takes another time than a signature");
    yardsticks.around_load();
    let loaded = loaded(&settings, &runtime, &place, &started.server);
    yardsticks.around_load();
    let figures = Figures {
        settings: &settings,
        yardsticks: &yardsticks,
        started: &started,
        unloaded: &unloaded,
        loaded: &loaded,
    };
    figures.print();
}

async fn filled(settings: &Settings, key_document: &str, rows: u64) -> Place {
    let place = Place::make(settings.store, key_document).await;
    fill::fill(&place, key_document, rows).await;
    place
}

/// Single calls to each server, and between them what the machine can do at best.
fn unloaded(urls: &[&str], duration: Duration, yardsticks: &mut Yardsticks) -> Vec<Measured> {
    // One thread: a wake-up of a second one would be counted as the server's latency.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let between = || yardsticks.between_calls();
    runtime.block_on(clients::unloaded(urls, duration, between))
}

fn loaded(settings: &Settings, runtime: &Runtime, place: &Place, server: &Server) -> Loaded {
    let load = |duration| runtime.block_on(clients::load(&server.url, settings, duration));
    let cpu = || {
        let (idle, machine) = machine_seconds();
        Cpu {
            server: server.cpu_seconds(),
            database: place.database_cpu_seconds(),
            own: cpu_seconds(std::process::id()),
            idle,
            machine,
        }
    };
    load(WARM_UP);
    let (before, start) = (cpu(), Instant::now());
    let measured = load(settings.duration());
    Loaded {
        measured,
        elapsed: start.elapsed(),
        cpu: cpu().since(before),
    }
}
