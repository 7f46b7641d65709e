//! Keeps a process that has private keys from leaving them behind: no core dump, no reading by other processes of the
//! same user, no swapping.
//!
//! What is freed is wiped by the allocator of the binary (`src/main.rs`). What this module leaves to others: root, who
//! may read all memory, and hibernation, which writes all memory to disk.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// What was asked of the kernel, and what it said.
#[derive(Debug)]
pub struct Hardening {
    /// RLIMIT_CORE is 0, so that no file is written (core(5)).
    core_limit: Result<(), Errno>,
    /// PR_SET_DUMPABLE is 0 (PR_SET_DUMPABLE(2const)): a handler in `core_pattern` gets nothing either, whatever the
    /// limit, and ptrace(2) and `/proc/PID/mem` are root's.
    not_dumpable: Result<(), Errno>,
    /// What is touched stays in RAM (mlockall(2)).
    locked: Result<(), Errno>,
}

impl Hardening {
    /// Asks for all of it. To be called before there are threads and keys.
    pub fn apply() -> Self {
        Self {
            core_limit: no_core_files(),
            not_dumpable: set_dumpable_behavior(DumpableBehavior::NotDumpable),
            locked: lock_memory(),
        }
    }

    /// Tells the log what holds. That memory may not be locked is normal for a container.
    pub fn log(&self) {
        for (measure, outcome) in [
            ("no core files", self.core_limit),
            ("not dumpable", self.not_dumpable),
        ] {
            if let Err(error) = outcome {
                tracing::warn!(measure, %error, "the process could not be hardened");
            }
        }
        match self.locked {
            Ok(()) => tracing::info!("hardened: no core dumps, not dumpable, memory locked"),
            Err(error) => tracing::info!(
                %error,
                "hardened: no core dumps, not dumpable; memory is not locked, which needs CAP_IPC_LOCK or an unlimited \
                 RLIMIT_MEMLOCK, and where the machine swaps, keys may be swapped out"
            ),
        }
    }
}

fn no_core_files() -> Result<(), Errno> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
}

/// Locks pages when they are touched, now and later: ONFAULT, since all that is mapped is many times what is used.
///
/// Under a limit the call might be granted, and then fail every later mapping that passes the limit: threads could not
/// be started. So it is asked for only without a limit, or where a limit does not count. That is tried with a limit
/// of 0, under which the kernel grants it to CAP_IPC_LOCK alone; a look at the capabilities would be wrong in a user
/// namespace, whose CAP_IPC_LOCK does not count.
fn lock_memory() -> Result<(), Errno> {
    let limit = getrlimit(Resource::Memlock);
    let trial = limit.maximum.map(|_| 0);
    let with = |current| Rlimit { current, ..limit };
    setrlimit(Resource::Memlock, with(trial))?;
    let locked = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    if trial.is_some() {
        setrlimit(Resource::Memlock, with(limit.current))?;
    }
    locked
}
