//! What became of the hosts of an address: each that fails is told by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What became of the hosts of an address when they were connected to last.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// The one that answered.
    at: Option<String>,
    problems: BTreeMap<String, String>,
    /// Those that take rows where another one was promoted since.
    former: BTreeSet<String>,
}

impl Heard {
    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answers(&self, host: &str) {
        let mut last = self.last();
        last.problems.remove(host);
        if last.at.as_deref() != Some(host) {
            // As loud as what goes wrong: the record may be another one there.
            tracing::warn!(host, "this host of the database answers from now on");
            last.at = Some(host.into());
        }
    }

    pub(super) fn fails(&self, host: &str, problem: String) {
        self.last().problems.insert(host.into(), problem);
    }

    /// Notes which hosts are former primaries.
    pub(super) fn former(&self, former: BTreeSet<String>) {
        let mut last = self.last();
        for host in former.difference(&last.former) {
            tracing::error!(
                host,
                "this host of the database is a former primary that still takes rows: another one was promoted, and is asked in its place; \
                 end it, or take it out of the address"
            );
        }
        last.former = former;
    }

    pub(super) fn is_former(&self, host: &str) -> bool {
        self.last().former.contains(host)
    }

    /// The host that answered last.
    pub(super) fn at(&self) -> Option<String> {
        self.last().at.clone()
    }

    /// What is wrong with each host, where there are several; else the problem itself.
    pub(super) fn explain(&self, problem: String) -> String {
        let last = self.last();
        match last.problems.is_empty() {
            true => problem,
            false => {
                let each = last.problems.iter();
                let each = each.map(|(host, problem)| format!("{host}: {problem}"));
                each.collect::<Vec<_>>().join("; ")
            }
        }
    }
}
