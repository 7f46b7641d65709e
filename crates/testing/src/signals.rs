//! What the parent of the tests ignores (a job in the background ignores SIGINT and SIGQUIT, `nohup` SIGHUP) their programs would
//! ignore as well.

use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

/// From here on, programs that are started have every signal's default.
///
/// A signal that is ignored stays so in a program that is started, one that is handled does not (execve(2)). So what is ignored is
/// handled here from now on, by doing nothing.
pub fn give_defaults() {
    static ONCE: Once = Once::new();
    // A runtime cannot end within another one, which the caller may have.
    ONCE.call_once(|| {
        std::thread::spawn(handle_what_is_ignored)
            .join()
            .expect("handlers")
    });
}

fn handle_what_is_ignored() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    for kind in ignored() {
        // The handler outlives what it tells.
        drop(signal(kind).expect("a handler"));
    }
}

fn ignored() -> impl Iterator<Item = SignalKind> {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.expect("SigIgn").trim(), 16).expect("a mask");
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::terminate(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ];
    kinds
        .into_iter()
        .filter(move |kind| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
