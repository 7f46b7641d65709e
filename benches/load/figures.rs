//! What came out: the figures of this run, and beside each what the machine can do at best.

use std::time::Duration;

use crate::clients::Measured;
use crate::server::Started;
use crate::settings::{Mode, Settings, StoreKind};
use crate::yardsticks::{Yardsticks, cores, millis};

/// CPU times in seconds while the load lasts.
#[derive(Clone, Copy)]
pub struct Cpu {
    pub server: f64,
    /// 0 without a database.
    pub database: f64,
    /// The clients'.
    pub own: f64,
    /// Of all cores, when they had nothing to do.
    pub idle: f64,
    /// Of all cores, whatever they did.
    pub machine: f64,
}

impl Cpu {
    pub fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            database: self.database - before.database,
            own: self.own - before.own,
            idle: self.idle - before.idle,
            machine: self.machine - before.machine,
        }
    }

    /// What processes that have no part in this did meanwhile. Ticks may make it less than nothing.
    fn of_others(self) -> f64 {
        (self.machine - self.idle - self.server - self.database - self.own).max(0.0)
    }
}

/// The load by all clients.
pub struct Loaded {
    pub measured: Measured,
    pub elapsed: Duration,
    pub cpu: Cpu,
}

pub struct Figures<'a> {
    pub settings: &'a Settings,
    pub yardsticks: &'a Yardsticks,
    pub started: &'a Started,
    /// Single calls: on the record, and on the one that it is compared with.
    pub unloaded: &'a [Measured],
    pub loaded: &'a Loaded,
}

impl Figures<'_> {
    pub fn print(&self) {
        self.print_run();
        println!();
        println!("{:<58} {:>9}  goal", "figure", "here");
        self.print_load();
        self.print_latency();
        self.print_comparison();
        let ready = self.started.ready_after.as_secs_f64() * 1000.0;
        let starts = format!("start to ready, median of {}", self.settings.starts);
        row(&starts, &format!("{ready:.1} ms"), "<= 100 ms");
        let idle = format!("{:.1} MiB", self.started.idle_mib);
        row("idle RSS", &idle, "<= 20 MiB");
    }

    /// What was run, and the figures that mean something on this machine only.
    fn print_run(&self) {
        let (settings, loaded) = (self.settings, self.loaded);
        let (signed, elapsed) = (loaded.signed(), loaded.elapsed.as_secs_f64());
        println!(
            "{:?}, {} rows, {} bit, {} cores",
            settings.store,
            settings.rows,
            settings.bits,
            cores()
        );
        println!(
            "raw signature: CPU {:.3} ms ({:.3} ms with all cores at it), p50 {:.3} ms; write and fsync of 4 KiB: p50 {:.3} ms",
            self.yardsticks.signature_cpu() * 1000.0,
            self.yardsticks.crowded_signature_cpu() * 1000.0,
            self.yardsticks.signature_ms(),
            self.yardsticks.write_ms()
        );
        println!("1 client, Unary: {}", latencies(&self.unloaded[0]));
        println!(
            "{} clients, {:?}: {}",
            settings.clients,
            settings.mode,
            latencies(&loaded.measured)
        );
        let share = |seconds: f64| seconds / loaded.cpu.machine * 100.0;
        println!(
            "  {:.1} /s for {elapsed:.1} s; CPU of the server {:.3} ms a signature, of the database {:.3} ms, of \
             the clients {:.3} ms",
            signed / elapsed,
            loaded.cpu.server / signed * 1000.0,
            loaded.cpu.database / signed * 1000.0,
            loaded.cpu.own / signed * 1000.0
        );
        println!(
            "  the cores meanwhile: {:.0} % idle, {:.0} % for other processes",
            share(loaded.cpu.idle),
            share(loaded.cpu.of_others())
        );
    }

    fn print_load(&self) {
        let (raw, cpu) = (self.yardsticks.signature_cpu(), self.loaded.cpu);
        let crowded = self.yardsticks.crowded_signature_cpu();
        let signed = self.loaded.signed();
        let ratio = |cpu: f64| format!("{:.2}", cpu / signed / raw);
        row(
            "server CPU of a recorded signature / raw signature",
            &ratio(cpu.server),
            "<= 1.15",
        );
        row(
            "the same / raw signature with all cores at it",
            &format!("{:.2}", cpu.server / signed / crowded),
            "",
        );
        if self.settings.store == StoreKind::Postgres {
            row(
                "database CPU of a recorded signature / raw signature",
                &ratio(cpu.database),
                "",
            );
        }
        // At the rate of the open loop, the server is not at its limit.
        if self.settings.mode == Mode::Open {
            return;
        }
        let left = cores() as f64 * self.loaded.elapsed.as_secs_f64() - cpu.own - cpu.database;
        row(
            "throughput / raw rate of the CPU left to the server",
            &format!("{:.2}", signed * raw / left),
            "",
        );
        row(
            "the same, of the raw rate with all cores at it",
            &format!("{:.2}", signed * crowded / left),
            "",
        );
    }

    fn print_latency(&self) {
        let beyond = millis(&self.unloaded[0].latency, 0.5) - self.yardsticks.signature_ms();
        row(
            "latency of a single call, p50 - raw signature",
            &format!("{beyond:.2} ms"),
            &format!(
                "<= 0.5 ms + {:.2} ms for its fsync",
                self.yardsticks.write_ms()
            ),
        );
    }

    fn print_comparison(&self) {
        let (Some(rows), [here, there]) = (self.settings.compare_rows, self.unloaded) else {
            return;
        };
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9)] {
            let latency = |measured: &Measured| millis(&measured.latency, quantile);
            row(
                &format!("its {name} at {} rows / at {rows}", self.settings.rows),
                &format!("{:.3}", latency(here) / latency(there)),
                "<= 1.1",
            );
        }
    }
}

impl Loaded {
    fn signed(&self) -> f64 {
        self.measured.latency.len() as f64
    }
}

fn row(figure: &str, here: &str, goal: &str) {
    println!("{}", format!("{figure:<58} {here:>9}  {goal}").trim_end());
}

fn latencies(measured: &Measured) -> String {
    let mut text = format!(
        "{} signed, {} refused",
        measured.latency.len(),
        measured.refused
    );
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        let latency = millis(&measured.latency, quantile);
        text.push_str(&format!(", {name} {latency:.2} ms"));
    }
    text
}
