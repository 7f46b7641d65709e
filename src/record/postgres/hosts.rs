//! An address with several hosts: which of them answers, and whether it is the only one that takes rows. A former primary that is
//! still up takes rows as well, and may stand first in the list.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::connections::{Purpose, pool};
use super::knowledge::Knowledge;
use super::{DatabaseAddress, StoreError};
use crate::record::RecordError;
use crate::record::home::Home;

/// How often all hosts of an address are asked whether another one was promoted.
const SURVEYED_EVERY: Duration = Duration::from_secs(5);

/// A host as it answers: where it is, and whether it takes rows.
struct Answer {
    system: String,
    timeline: i64,
    database: i64,
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
      NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off', \
      (SELECT oid::bigint FROM pg_database WHERE datname = current_database())";

impl DatabaseAddress {
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

impl Answer {
    fn home(&self) -> Home {
        // Both are numbers of 32 bits in PostgreSQL.
        let number = |value| u32::try_from(value).unwrap_or_default();
        Home {
            system: self.system.clone(),
            timeline: number(self.timeline),
            database: number(self.database),
        }
    }
}

impl DatabaseAddress {
    /// Asks every host, and gives where those are that take rows; from now on, a former primary of another one of them is
    /// connected to when nothing else answers. Nothing for an address of one host.
    pub(super) async fn survey(&self) -> Vec<Home> {
        let asked = join_all(self.hosts.iter().map(ask)).await;
        let answers = self.hosts.iter().zip(asked);
        let takers = answers.filter_map(|(host, answer)| {
            let answer = answer.ok().filter(|answer| answer.takes_rows)?;
            Some((host, answer.home()))
        });
        let takers: Vec<(&Self, Home)> = takers.collect();
        let is_former = |(_, home): &&(&Self, Home)| {
            let mut others = takers.iter();
            others.any(|(_, other)| other.is_promotion_of(home))
        };
        let former = takers.iter().filter(is_former);
        let former: BTreeSet<String> = former.map(|(host, _)| host.to_string()).collect();
        self.heard.former(former);
        takers.into_iter().map(|(_, home)| home).collect()
    }
}

/// Surveys the hosts of an address from now on, as long as anybody has this knowledge.
pub(super) fn watch(address: &DatabaseAddress, knowledge: &Arc<Knowledge>) {
    if address.hosts.is_empty() {
        return;
    }
    let (address, knowledge) = (address.clone(), Arc::downgrade(knowledge));
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(SURVEYED_EVERY).await;
            let homes = address.survey().await;
            let Some(knowledge) = knowledge.upgrade() else {
                return;
            };
            for home in homes {
                knowledge.meet(&home, false);
            }
        }
    });
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
            database: row.try_get(3)?,
        })
    };
    let patience = host.connects_within();
    match tokio::time::timeout(patience, asked).await {
        Ok(answer) => answer.map_err(told),
        Err(_) => Err("no answer in time".into()),
    }
}
