//! What Linux tells of a process: its CPU time and its memory.

use std::fs::read_to_string;

/// Linux counts CPU time in hundredths of a second.
const TICKS_A_SECOND: f64 = 100.0;

/// The fields of proc_pid_stat(5) from the third on; none when the process has gone.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name, may hold spaces; it ends with the last parenthesis.
    let fields = stat.rsplit(')').next()?.split_whitespace();
    Some(fields.map(str::to_owned).collect())
}

fn seconds(ticks: &[String]) -> f64 {
    let ticks = ticks.iter().map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / TICKS_A_SECOND
}

/// User and system time of a process and its threads, to a hundredth of a second.
pub fn cpu_seconds(pid: u32) -> f64 {
    seconds(&stat(pid).unwrap()[11..13])
}

/// The same of a process and its children, those that have ended as well.
pub fn family_cpu_seconds(pid: u32) -> f64 {
    let own = seconds(&stat(pid).unwrap()[11..15]);
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let parent = pid.to_string();
    let children = pids.filter_map(stat).filter(|stat| stat[1] == parent);
    own + children.map(|stat| seconds(&stat[11..13])).sum::<f64>()
}

/// What all cores have done since the machine was started (proc_stat(5)): the time in which they were idle, and the
/// time of all of them together.
pub fn machine_seconds() -> (f64, f64) {
    let stat = read_to_string("/proc/stat").unwrap();
    let fields = stat.lines().next().unwrap().split_whitespace().skip(1);
    // What guests used, from the ninth on, is among the user time already.
    let ticks: Vec<String> = fields.take(8).map(str::to_owned).collect();
    (seconds(&ticks[3..5]), seconds(&ticks))
}

/// Resident memory in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    memory_mib(pid, "VmRSS:").unwrap()
}

/// The most resident memory that there was, in MiB; none when the process has ended.
#[allow(dead_code)]
pub fn peak_mib(pid: u32) -> Option<f64> {
    memory_mib(pid, "VmHWM:")
}

fn memory_mib(pid: u32, name: &str) -> Option<f64> {
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<f64>().unwrap() / 1024.0)
}
