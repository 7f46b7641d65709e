//! An address with several hosts: which of them answers, and whether it is the only one that takes rows. A former primary that is
//! still up takes rows as well, and may stand first in the list.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio_postgres::Config;
use tokio_postgres::config::{LoadBalanceHosts, TargetSessionAttrs};

use super::connections::{Purpose, pool};
use super::{DatabaseAddress, StoreError};
use crate::record::RecordError;

/// What became of the hosts of an address when they were connected to last.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// The one that answered.
    at: Option<String>,
    problems: BTreeMap<String, String>,
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

/// A host as it answers: where it is, and whether it takes rows.
struct Answer {
    system: String,
    timeline: i64,
    takes_rows: bool,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            system, timeline, ..
        } = self;
        write!(f, "timeline {timeline} of system {system}")
    }
}

/// Of a standby, the timeline that it follows.
const STATE: &str = "\
    SELECT (SELECT system_identifier::text FROM pg_control_system()), \
      CASE WHEN pg_is_in_recovery() THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()), \
          (SELECT received_tli FROM pg_stat_wal_receiver))::bigint \
        ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END, \
      NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

impl DatabaseAddress {
    /// Each host, in the order in which they are connected to; none where there is but one.
    pub(super) fn in_order(&self) -> Vec<(String, Config)> {
        let mut hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|host| self.as_one_of_several(host))
            .collect();
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random && !hosts.is_empty() {
            let random = RandomState::new().build_hasher().finish();
            let count = hosts.len();
            hosts.rotate_left(usize::try_from(random).unwrap_or_default() % count);
        }
        hosts
    }

    fn as_one_of_several(&self, host: &Self) -> (String, Config) {
        let mut config = host.config.clone();
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if let Some(within) = self.config.get_connect_timeout() {
            config.connect_timeout(*within);
        }
        (host.to_string(), config)
    }

    /// The one host of the list that takes rows; where none does, the first that answers. Its address is that of this host alone,
    /// so that all that follows is done there. An address of one host is what it is.
    ///
    /// # Errors
    /// A sentence that names the hosts: none answers, or it is not clear which of them is meant.
    pub async fn choose(&self) -> Result<Self, String> {
        if self.hosts.is_empty() {
            return Ok(self.clone());
        }
        let asked = join_all(self.hosts.iter().map(ask)).await;
        let (mut answers, mut silent) = (Vec::new(), Vec::new());
        for (host, answer) in self.hosts.iter().zip(asked) {
            match answer {
                Ok(answer) => answers.push((host, answer)),
                Err(problem) => silent.push(format!("{host}: {problem}")),
            }
        }
        let takers = answers.iter().filter(|(_, answer)| answer.takes_rows);
        let takers: Vec<_> = takers.collect();
        let chosen = match takers.as_slice() {
            [] => answers.first(),
            [one] => Some(*one),
            several => return Err(ambiguous("take rows", several)),
        };
        let Some((host, answer)) = chosen else {
            return Err(format!("no host answers: {}", silent.join("; ")));
        };
        let is_later = |(_, other): &&(&Self, Answer)| {
            other.system == answer.system && other.timeline > answer.timeline
        };
        if let Some(other) = answers.iter().find(is_later) {
            let both = [(*host, answer), (other.0, &other.1)];
            return Err(unclear("are on different timelines", &both));
        }
        for problem in silent {
            tracing::warn!(
                problem,
                "a host of the database does not answer, and is not looked at"
            );
        }
        Ok((*host).clone())
    }
}

fn ambiguous(what: &str, hosts: &[&(&DatabaseAddress, Answer)]) -> String {
    let hosts: Vec<_> = hosts.iter().map(|(host, answer)| (*host, answer)).collect();
    unclear(what, &hosts)
}

fn unclear(what: &str, hosts: &[(&DatabaseAddress, &Answer)]) -> String {
    let hosts = hosts.iter();
    let shown = hosts.map(|(host, answer)| format!("{host} ({answer})"));
    let shown: Vec<String> = shown.collect();
    format!(
        "{} {what}: one of them is a former primary, or another database, and nothing was done. Name the one that is meant alone, \
         as --record (docs/disaster-recovery.md, \"A standby was promoted\")",
        shown.join(" and ")
    )
}

async fn ask(host: &DatabaseAddress) -> Result<Answer, String> {
    let told = |error: StoreError| match error {
        StoreError::Slow(problem)
        | StoreError::Passing(problem)
        | StoreError::Final(RecordError::Unavailable(problem)) => problem,
        StoreError::Final(error) => error.to_string(),
    };
    let asked = async {
        let client = pool(host, Purpose::Reading).map_err(StoreError::Passing)?;
        let client = client.get().await?;
        let row = client.query_one(STATE, &[]).await?;
        Ok::<_, StoreError>(Answer {
            system: row.try_get(0)?,
            timeline: row.try_get(1)?,
            takes_rows: row.try_get(2)?,
        })
    };
    let patience = host.connects_within();
    match tokio::time::timeout(patience, asked).await {
        Ok(answer) => answer.map_err(told),
        Err(_) => Err("no answer in time".into()),
    }
}
